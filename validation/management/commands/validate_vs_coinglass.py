from argparse import ArgumentParser
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from statistics import fmean
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ingestion.models import Symbol
from validation import check
from validation.coinglass import (
    Limits,
    Reference,
    Unreadable,
    describe_file_name,
    read_api_response,
    read_screenshot,
)
from validation.coinglass.api import MAX_BYTES
from validation.coinglass.names import base_coin

PICTURES = frozenset({".png", ".jpg", ".jpeg"})
MOST_FILES = 500


class Command(BaseCommand):
    help = "Compare a symbol's heatmap with Coinglass's; exit 1 unless every reference passes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--symbol")
        source = parser.add_mutually_exclusive_group()
        source.add_argument(
            "--screenshot-dir", type=Path, metavar="DIR", help="PNG and JPEG pictures"
        )
        source.add_argument("--json", type=Path, metavar="FILE", help="a saved answer of API v4")
        parser.add_argument("--model", type=int, choices=(1, 2, 3), help="Coinglass's")
        parser.add_argument("--range", help="such as 24h; where neither name nor picture says it")
        parser.add_argument(
            "--time-zone",
            type=ZoneInfo,
            metavar="ZONE",
            help="of the browser that took the pictures, such as UTC: they do not show it",
        )
        parser.add_argument("--summary", action="store_true", help="the runs so far")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["summary"]:
            self._summarise(options["symbol"])
            return
        symbol = Symbol.objects.filter(name=options["symbol"]).first()
        if symbol is None:
            raise CommandError(f"--symbol: {options['symbol'] or 'nothing'} is not registered.")
        files = [options["json"]] if options["json"] else list(_pictures(options["screenshot_dir"]))
        runs = [self._run(symbol, file, options) for file in files]
        decision = check.decision_on(check.kept_runs(symbol.name), timezone.now())
        self.stdout.write(f"{symbol.name}: {decision.verdict}: {'; '.join(decision.reasons)}")
        if not all(run["passed"] for run in runs):
            raise CommandError(f"{sum(not run['passed'] for run in runs)} of {len(runs)} failed.")

    def _run(self, symbol: Symbol, path: Path, options: dict[str, Any]) -> dict[str, Any]:
        content = _content(path, MAX_BYTES if options["json"] else Limits().max_bytes)
        file = check.File(path.name, sha256(content).hexdigest())
        now = timezone.now()
        try:
            run = check.check(symbol, _reference(symbol.name, path, content, options), file, now)
        except Unreadable as error:
            run = check.unreadable(symbol.name, file, error, now)
        check.keep(run)
        self._print(run)
        return run

    def _print(self, run: dict[str, Any]) -> None:
        self.stdout.write(f"{run['file']}: {'passed' if run['passed'] else 'failed'}")
        for reason in run["reasons"]:
            self.stdout.write(f"  {reason}")
        if run.get("unreadable"):
            return
        if run["gaps"] and not run["passed"]:
            self.stdout.write(f"  our data has {run['gaps']} gaps in this window: check_data")
        self.stdout.write(f"  tolerance {run['tolerance']:.1%}, {run['columns']} columns")
        for figure, value in run["last_column"].items():
            chance = ", ".join(
                f"{null} {_text(figures[figure]['chance'])}"
                f" (lift {_text(figures[figure]['lift'])},"
                f" {_text(figures[figure]['low'])} to {_text(figures[figure]['high'])})"
                for null, figures in run["nulls"].items()
            )
            self.stdout.write(
                f"  {figure}: {_text(run[figure])}, last column {_text(value)}; by chance: {chance}"
            )

    def _summarise(self, symbol: str | None) -> None:
        runs = check.kept_runs(symbol)
        if not runs:
            raise CommandError(f"no runs in {check.runs_file()}")
        for name in sorted({run["symbol"] for run in runs}):
            own = [run for run in runs if run["symbol"] == name]
            decision = check.decision_on(own, timezone.now())
            self.stdout.write(f"{name}: {len(own)} runs, {decision.verdict}")
            for figure in check.GATED:
                values = [run[figure] for run in own if run.get(figure) is not None]
                if values:
                    self.stdout.write(
                        f"  {figure}: mean {fmean(values):.2f}, "
                        f"min {min(values):.2f}, max {max(values):.2f}"
                    )


def _reference(symbol: str, path: Path, content: bytes, options: dict[str, Any]) -> Reference:
    named = describe_file_name(path.name)
    if named.symbol not in (None, symbol, base_coin(symbol)):
        raise Unreadable(f"The file's name says {named.symbol}, but {symbol} was given.")
    model, window = options["model"] or named.model, options["range"] or named.range
    if options["json"]:
        return read_api_response(content, symbol=symbol, model=model, range=window or "")
    return read_screenshot(
        content,
        symbol=symbol,
        model=model,
        range=window,
        time_zone=options["time_zone"],
        taken_at=named.taken_at,
    )


def _pictures(folder: Path | None) -> Iterator[Path]:
    if folder is None:
        raise CommandError("no reference: give --screenshot-dir or --json")
    if not folder.is_dir():
        raise CommandError(f"--screenshot-dir: {folder} is no folder")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    if not found:
        raise CommandError(f"no reference: {folder} holds no PNG or JPEG")
    if len(found) > MOST_FILES:
        raise CommandError(f"{folder} holds more than {MOST_FILES} pictures")
    yield from found


def _content(path: Path, limit: int) -> bytes:
    """The file, or as much of it as shows that it is too large."""
    try:
        with path.open("rb") as stream:
            return stream.read(limit + 1)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error


def _text(value: float | None) -> str:
    return "unknown" if value is None or value != value else f"{value:.2f}"
