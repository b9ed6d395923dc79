from argparse import ArgumentParser
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.core.management.base import CommandError

from heatmap.build import DEFAULT_MODEL, MODELS
from heatmap.coinglass import is_coinglass
from ingestion.lake import read
from ingestion.models import Symbol
from liqheat_project.kernel.commands import ProjectCommand
from liqheat_project.kernel.instants import HOUR_MS, iso
from validation.backtest.events import (
    MAX_BYTES,
    Events,
    EventsFile,
    UnreadableEvents,
    read_events,
    recorded_events,
)
from validation.backtest.plot import plot_lifts
from validation.backtest.record import record
from validation.backtest.run import Backtest, Entries, NoData, backtest
from validation.backtest.sums import Sums, SumsFile, has_sums, read_sums
from validation.backtest.text import distance_lines, truth_lines
from validation.backtest.truth import Truth, truth

CHOICES = {entries.value.replace(" ", "-"): entries for entries in Entries}


class Command(ProjectCommand):
    help = (
        "Hold our map against real liquidations: how dense it was at their prices just before "
        "each, and whether what it says is swept in an hour or day was. Every figure stands beside "
        "what maps without knowledge reach."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--symbol", required=True)
        parser.add_argument(
            "--events",
            type=Path,
            metavar="FILE",
            help="CSV of forceOrder or Hyperliquid events, or of sums per hour or day; without it, "
            "the events that were recorded",
        )
        parser.add_argument("--output", type=Path, metavar="DIR", help="folder of the picture")
        parser.add_argument(
            "--model",
            action="append",
            choices=list(MODELS),
            help="may be given several times; each is compared with the first",
        )
        parser.add_argument(
            "--entries",
            choices=CHOICES,
            default="open-interest",
            help="what says how much was opened; traded-volume is for days without open interest "
            "and tests the prices of the levels only",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        symbol = Symbol.objects.filter(name=options["symbol"]).first()
        if symbol is None:
            raise CommandError(f"--symbol: {options['symbol']} is not registered.")
        path = options["events"]
        models = options["model"] or [DEFAULT_MODEL]
        entries = CHOICES[options["entries"]]
        if is_coinglass(MODELS[models[0]]):
            raise CommandError(
                "--model: name another one first; coinglass-3 has no book before its window in "
                "which events could be looked up."
            )
        if path:
            liquidations, digest = self._from_file(path, symbol.name)
        else:
            liquidations, digest = _recorded(symbol.name)
        if not len(liquidations):
            raise CommandError(f"There is no event of {symbol.name} in {path or 'the lake'}.")
        seed, found = int(digest[:8], 16), None
        try:
            if isinstance(liquidations, Events):
                parameters = MODELS[models[0]]
                found = backtest(symbol, liquidations, entries, seed=seed, parameters=parameters)
                self._print(found)
                self._draw(found, options["output"] or Path(settings.VALIDATION_DIR))
            held = self._held(symbol, liquidations, models, entries, seed, recorded=path is None)
        except NoData as error:
            raise CommandError(str(error)) from error
        name = path.name if path else "liquidation_events"
        record(symbol, found, held, name, digest)

    def _held(
        self,
        symbol: Symbol,
        liquidations: Events | Sums,
        models: list[str],
        entries: Entries,
        seed: int,
        recorded: bool,
    ) -> Truth | None:
        """What the models sweep; None where that needs open interest or days that are not there."""
        if entries is Entries.TRADED_VOLUME:
            return None
        try:
            held = truth(symbol, liquidations, models, seed=seed, recorded=recorded)
        except NoData as error:
            if isinstance(liquidations, Sums):
                raise
            self.stdout.write(f"  not compared hour by hour: {error}")
            return None
        for line in truth_lines(held):
            self.stdout.write(line)
        return held

    def _from_file(self, path: Path, symbol: str) -> tuple[Events | Sums, str]:
        try:
            with path.open("rb") as stream:
                content = stream.read(MAX_BYTES + 1)
            file = read_sums(content, symbol) if has_sums(content) else read_events(content, symbol)
        except OSError as error:
            raise CommandError(f"--events: {path}: {error.strerror}") from error
        except UnreadableEvents as error:
            raise CommandError(f"--events: {path}: {error}") from error
        digest = sha256(content).hexdigest()
        self.stdout.write(f"{path.name}, sha256 {digest}")
        self._print_rows(file, symbol)
        return file.sums if isinstance(file, SumsFile) else file.events, digest

    def _print_rows(self, file: EventsFile | SumsFile, symbol: str) -> None:
        if isinstance(file, SumsFile):
            there = f"{len(file.sums):,} {file.sums.name} of {symbol}"
        else:
            there = f"{len(file.events):,} events of {symbol}"
            there += f", {file.duplicates:,} repeated rows left out"
        self.stdout.write(f"  {there}, {file.others:,} rows of other symbols")
        for reason, refused in file.refused.items():
            self.stdout.write(
                f"  {refused.rows:,} rows set aside: {reason}; "
                f"the first is line {refused.line}: {refused.text}"
            )

    def _print(self, found: Backtest) -> None:
        ranked = found.ranked
        write = self.stdout.write
        write(
            f"{found.symbol}: {len(ranked):,} liquidations from {iso(int(ranked.time[0]))} to "
            f"{iso(int(ranked.time[-1]))} in {found.hours} different hours, "
            f"{int((ranked.side > 0).sum()):,} longs and {int((ranked.side < 0).sum()):,} shorts"
        )
        write(
            f"  coverage: they add up to {ranked.usd.sum():,.0f} USD, a lower bound of what was "
            "liquidated: Binance publishes at most one order a second and symbol, and other "
            "sources are samples"
        )
        for count, text in (
            (found.within_data - len(ranked), "more within our data, left out to rank fewer"),
            (found.outside, "outside of our candles"),
            (found.off_market, "at a price more than 5 % off the market's"),
            (found.before_positions, "before our first position"),
            (int(ranked.inferred.sum()), "do not say their side: it is taken from where they lie"),
            (int(ranked.moved.sum()), "have a price beyond their candle: moved to its end"),
        ):
            if count:
                write(f"  {count:,} {text}")
        write(_entries_text(found))
        write(
            f"  density percentile just before: mean {found.percentiles.mean():.2f}, "
            f"median {np.median(found.percentiles):.2f}"
        )
        for name, lift in found.lifts.items():
            write(
                f"    by chance ({name}): {lift.chance:.2f}, lift {lift.lift:+.2f}, "
                f"95 % interval {lift.low:+.2f} to {lift.high:+.2f}"
            )
        for line in distance_lines(found):
            write(line)
        stood = found.lead_times[np.isfinite(found.lead_times)]
        write(
            f"  lead time: {len(stood):,} of {len(ranked):,} events had a level at their price"
            + (f", which had stood for {_hours(stood)}" if len(stood) else "")
        )

    def _draw(self, found: Backtest, folder: Path) -> None:
        path = folder / f"backtest-{found.symbol}.png"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as target:
                plot_lifts(found, target)
        except OSError as error:
            raise CommandError(f"--output: {path}: {error.strerror}") from error
        self.stdout.write(f"  lift by distance: {path}")


def _recorded(symbol: str) -> tuple[Events, str]:
    with read.snapshot() as cursor:
        events = recorded_events(read.liquidations(cursor, symbol))
    return events, sha256(b"".join(map(bytes, vars(events).values()))).hexdigest()


def _entries_text(found: Backtest) -> str:
    if found.entries is Entries.TRADED_VOLUME:
        return (
            "  levels by TRADED VOLUME, in place of open interest: what is tested are the levels' "
            "prices, not the map that the API shows"
        )
    return f"  levels by open interest: they show {found.placed_share:.0%} of the open contracts"


def _hours(times: np.ndarray) -> str:
    low, middle, high = np.quantile(times, (0.25, 0.5, 0.75)) / HOUR_MS
    return f"{middle:.1f} h in the median (half of them {low:.1f} to {high:.1f} h)"
