from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from django.conf import settings
from django.core.management.base import CommandError
from django.utils import timezone

from ingestion.models import Symbol
from liqheat_project.kernel.commands import ProjectCommand
from liqheat_project.kernel.runs import RunState
from validation import missing_days, references, runs
from validation.coinglass import Unreadable
from validation.coinglass import fetch as coinglass_api
from validation.compare.diagnosis import diagnose
from validation.gate import approval
from validation.gate.summary import summarise
from validation.models import ValidationRun

MOST_FILES = 500


class Command(ProjectCommand):
    help = (
        "Compare a symbol's heatmap with Coinglass's; exit 1 unless every reference passes. "
        "Without --screenshot-dir, --json or --api: with its pictures in VALIDATION_INBOX_DIR, "
        "else with API v4 where COINGLASS_API_KEY is set, else tell what the runs so far came to."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--symbol")
        source = parser.add_mutually_exclusive_group()
        source.add_argument(
            "--screenshot-dir", type=Path, metavar="DIR", help="PNG and JPEG pictures"
        )
        source.add_argument("--json", type=Path, metavar="FILE", help="a saved answer of API v4")
        source.add_argument(
            "--api", action="store_true", help="ask API v4 now, with COINGLASS_API_KEY"
        )
        parser.add_argument(
            "--model", type=int, choices=coinglass_api.MODELS, help="Coinglass's; 3 with --api"
        )
        parser.add_argument(
            "--range", help="such as 24h, where the picture does not say it; 24h with --api"
        )
        parser.add_argument(
            "--time-zone",
            type=_time_zone,
            metavar="ZONE",
            help="of the browser that took the pictures, such as UTC; where it is not given it is "
            "found by laying their candles over ours",
        )
        parser.add_argument(
            "--summary",
            action="store_true",
            help="the runs so far of one symbol or of all",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["summary"]:
            self._summarise(options["symbol"])
            return
        symbol = Symbol.objects.filter(name=options["symbol"]).first()
        if symbol is None:
            raise CommandError(f"--symbol: {options['symbol'] or 'nothing'} is not registered.")
        files = _files(symbol, options)
        if not (files or options["api"] or settings.COINGLASS_API_KEY):
            self._tell(symbol)
            return
        ended = [self._run(run) for run in _asked_for(symbol, files, options)]
        decision = approval.decision_on(symbol, timezone.now())
        self.stdout.write(f"{symbol.name}: {decision.verdict}: " + "\n  ".join(decision.reasons))
        uncounted = sum(_is_uncounted(run) for run in ended)
        failed = sum(not run.passed for run in ended) - uncounted
        if failed:
            raise CommandError(f"{failed} of {len(ended)} failed.")
        if uncounted:
            raise CommandError(f"{uncounted} of {len(ended)} do not count.")

    def _tell(self, symbol: Symbol) -> None:
        """What the runs so far came to, where there is nothing new to compare with."""
        if not symbol.validation_runs.exists():
            raise CommandError(
                f"no reference: give --screenshot-dir, --json or --api, or put pictures into "
                f"{settings.VALIDATION_INBOX_DIR}"
            )
        self._summarise(symbol.name)
        decision = approval.decision_on(symbol, timezone.now())
        self.stdout.write(f"{symbol.name}: {decision.verdict}: " + "\n  ".join(decision.reasons))
        if decision.verdict != Symbol.Verdict.APPROVED:
            raise CommandError(f"{symbol.name} is not approved.")

    def _run(self, run: ValidationRun) -> ValidationRun:
        runs.execute(run.pk)
        run.refresh_from_db()
        self._print(run)
        return run

    def _print(self, run: ValidationRun) -> None:
        outcome = "passed" if run.passed else "not counted" if _is_uncounted(run) else "failed"
        self.stdout.write(f"{run.file_name}: {outcome}")
        for reason in run.reasons or [run.error]:
            if reason:
                self.stdout.write(f"  {reason}")
        if commands := missing_days.commands(run):
            self.stdout.write("  Days of its window are not loaded; these commands load them:")
            for command in commands:
                self.stdout.write(f"    {command}")
        if not run.figures:
            return
        for line in diagnose(run):
            self.stdout.write(f"  {line}")
        found = run.figures
        self.stdout.write(f"  compared with our model {found['our_model']}")
        if found["counted"]:
            self.stdout.write(f"  {found['meaning']}")
        self.stdout.write(
            f"  tolerance {found['tolerance']:.1%}, buckets of {found['bucket_size']:.6g} USDT, "
            f"{found['columns']} columns"
        )
        for figure, value in found["last_column"].items():
            chance = ", ".join(
                f"{null} {_text(figures[figure]['chance'])}"
                f" (lift {_text(figures[figure]['lift'])},"
                f" {_text(figures[figure]['low'])} to {_text(figures[figure]['high'])})"
                for null, figures in found["nulls"].items()
            )
            self.stdout.write(
                f"  {figure}: {_text(found[figure])}, last column {_text(value)}; "
                f"by chance: {chance}"
            )

    def _summarise(self, name: str | None) -> None:
        found = [one for one in summarise(timezone.now(), name) if one.runs]
        if not found:
            self.stdout.write(f"There are no runs of {name or 'any symbol'}.")
        for one in found:
            self.stdout.write(
                f"{one.pair.symbol}: {one.pair.state}, validation {one.outcome}; {one.runs} runs, "
                f"{one.passed} passed, {one.failed} failed, {one.unreadable} unreadable"
            )
            for figure, spread in one.figures.items():
                if spread is not None:
                    self.stdout.write(
                        f"  {figure}: mean {spread.mean:.2f}, "
                        f"min {spread.min:.2f}, max {spread.max:.2f}"
                    )


def _is_uncounted(run: ValidationRun) -> bool:
    return run.passed is None and run.state == RunState.SUCCEEDED


def _files(symbol: Symbol, options: dict[str, Any]) -> list[Path]:
    """The references that are files: those given, else those that wait; none for the API."""
    if options["json"]:
        return [options["json"]]
    if options["screenshot_dir"]:
        return _pictures(options["screenshot_dir"])
    return [] if options["api"] else _in_inbox(symbol)


def _asked_for(
    symbol: Symbol, files: list[Path], options: dict[str, Any]
) -> Iterator[ValidationRun]:
    """The runs one after the other, each made when the one before has ended."""
    if not files:
        if not settings.COINGLASS_API_KEY:
            raise CommandError("--api: COINGLASS_API_KEY is not set.")
        yield runs.create_from_api(symbol, options["model"] or 3, options["range"] or "24h")
        return
    for path in files:
        yield _of_file(symbol, path, options)


def _of_file(symbol: Symbol, path: Path, options: dict[str, Any]) -> ValidationRun:
    source = ValidationRun.Source.API if options["json"] else ValidationRun.Source.SCREENSHOT
    try:
        content = references.read_at_most(path, references.most_bytes(source))
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    try:
        return runs.create(
            symbol,
            path.name,
            content,
            source,
            model=options["model"],
            range=options["range"] or "",
            time_zone=options["time_zone"] or "",
        )
    except Unreadable as error:
        return runs.create_refused(path.name, source, "", error.reason, symbol)


def _in_inbox(symbol: Symbol) -> list[Path]:
    """Pictures of the symbol in the watched folder, which the workers have not picked up yet."""
    folder = Path(settings.VALIDATION_INBOX_DIR)
    return [path for path in _pictures_in(folder) if _is_of(symbol, path)][:MOST_FILES]


def _is_of(symbol: Symbol, path: Path) -> bool:
    try:
        return references.symbol_of(path.name) == symbol
    except Unreadable:
        return False


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise CommandError(f"--screenshot-dir: {folder} is no folder")
    found = _pictures_in(folder)
    if not found:
        raise CommandError(f"no reference: {folder} holds no PNG or JPEG")
    if len(found) > MOST_FILES:
        raise CommandError(f"{folder} holds more than {MOST_FILES} pictures")
    return found


def _pictures_in(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if references.SUFFIXES.get(path.suffix.lower()) == ValidationRun.Source.SCREENSHOT
    )


def _time_zone(name: str) -> str:
    if name not in available_timezones():
        raise ArgumentTypeError(f"{name!r} is no time zone such as UTC or Europe/Berlin")
    return name


def _text(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"
