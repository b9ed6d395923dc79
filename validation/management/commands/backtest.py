from argparse import ArgumentParser
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from heatmap.api.bodies import iso
from ingestion.lake import read
from ingestion.models import Symbol
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

CHOICES = {entries.value.replace(" ", "-"): entries for entries in Entries}


class Command(BaseCommand):
    help = (
        "Rank our density at the prices of real liquidations just before each, beside what maps "
        "without knowledge reach, and draw the lift by distance from the price."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--symbol", required=True)
        parser.add_argument(
            "--events",
            type=Path,
            metavar="FILE",
            help="CSV of forceOrder or Hyperliquid events; without it, those that were recorded",
        )
        parser.add_argument("--output", type=Path, metavar="DIR", help="folder of the picture")
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
        if path:
            events, digest = self._from_file(path, symbol.name)
        else:
            events, digest = _recorded(symbol.name)
        if not len(events):
            raise CommandError(f"There is no event of {symbol.name} in {path or 'the lake'}.")
        try:
            entries = CHOICES[options["entries"]]
            found = backtest(symbol, events, entries, seed=int(digest[:8], 16))
        except NoData as error:
            raise CommandError(str(error)) from error
        self._print(found)
        self._draw(found, options["output"] or Path(settings.VALIDATION_DIR))
        record(symbol, found, path.name if path else "liquidation_events", digest)

    def _from_file(self, path: Path, symbol: str) -> tuple[Events, str]:
        try:
            with path.open("rb") as stream:
                content = stream.read(MAX_BYTES + 1)
            file = read_events(content, symbol)
        except OSError as error:
            raise CommandError(f"--events: {path}: {error.strerror}") from error
        except UnreadableEvents as error:
            raise CommandError(f"--events: {path}: {error}") from error
        digest = sha256(content).hexdigest()
        self.stdout.write(f"{path.name}, sha256 {digest}")
        self._print_rows(file, symbol)
        return file.events, digest

    def _print_rows(self, file: EventsFile, symbol: str) -> None:
        self.stdout.write(
            f"  {len(file.events):,} events of {symbol}, {file.others:,} rows of other symbols, "
            f"{file.duplicates:,} repeated rows left out"
        )
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
    low, middle, high = np.quantile(times, (0.25, 0.5, 0.75)) / 3_600_000
    return f"{middle:.1f} h in the median (half of them {low:.1f} to {high:.1f} h)"
