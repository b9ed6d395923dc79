"""The data loaded for a symbol, and the finest of it as the engine's input.

Candles of several lengths may be loaded for different days. Each UTC day is computed with the
finest candles that cover it as well as any other, so a week of 1m candles does not hide the year
of 5m candles around it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import duckdb
import numpy as np

from heatmap.engine import Candles, OpenInterest
from heatmap.recent import rows_between
from ingestion.lake import read
from ingestion.lake.ledger import LedgerLine, lines_of
from ingestion.lake.read import CandleDay
from ingestion.lake.settlement import is_suspected, settled_at
from ingestion.market.datasets import INTERVALS, OPEN_INTEREST_MS
from liqheat_project.kernel.instants import DAY_MS, milliseconds_of

AS_GOOD = 0.99


class Stretch(NamedTuple):
    """Days from `start` to `end` (ms) that are computed with candles of `interval`."""

    interval: str
    start: int
    end: int

    @property
    def interval_ms(self) -> int:
        return INTERVALS[self.interval]


class TradedFile(NamedTuple):
    """A loaded file of trades: the range [start, end) that it covers (ms), and its state."""

    start: int
    end: int
    digest: str


@dataclass(frozen=True)
class History:
    """The data loaded for a symbol, in one state of the lake.

    `snapshot` numbers the state of the whole lake, `version` names that of this symbol's rows: it
    changes with any commit that touches them and with no other. `start` is the open of the first
    candle, `end` the end of the newest (ms; 0 without candles). `traded` are the loaded
    files of trades. `marks` say from which instant on what was loaded. `settled_at` is the instant
    (ms) from which on the contract's open interest stays 0, None while it lives.
    """

    symbol: str
    snapshot: int
    version: str
    stretches: tuple[Stretch, ...]
    start: int
    end: int
    has_mark_price: bool
    traded: tuple[TradedFile, ...]
    marks: tuple[tuple[int, str], ...]
    settled_at: int | None = None

    def version_until(self, instant: int) -> str:
        """Names the state of this symbol's rows up to `instant` (ms) and a little beyond.

        What begins at `instant` counts: the figure valid at it may be in there.
        """
        return _digest(*self.marks_before(instant + 1))

    def marks_before(self, instant: int) -> tuple[tuple[int, str], ...]:
        """Equal where nothing has changed in the rows before `instant` (ms), nor later on its
        day."""
        return tuple(mark for mark in self.marks if mark[0] < instant)

    def traded_share(self, start: int, end: int) -> float:
        """The share of [start, end) (ms) for which trades are loaded, 0 to 1."""
        there = sum(max(min(file.end, end) - max(file.start, start), 0) for file in self.traded)
        return there / (end - start) if start < end else 0.0

    def trades_version(self, day: int) -> str | None:
        """Names the state of the trades of the UTC day that begins at `day` (ms); None without."""
        of_day = [file for file in self.traded if file.start < day + DAY_MS and day < file.end]
        return _digest(*of_day) if of_day else None

    def within(self, start: int, end: int) -> list[Stretch]:
        """The stretches that touch [start, end), clipped to it."""
        return [
            Stretch(stretch.interval, max(stretch.start, start), min(stretch.end, end))
            for stretch in self.stretches
            if stretch.start < end and start < stretch.end
        ]


def history_of(
    cursor: duckdb.DuckDBPyConnection, symbol: str, known: History | None = None
) -> History:
    """The symbol's history in the snapshot of `cursor`; `known` itself where nothing was written
    since."""
    snapshot = read.version(cursor)
    if known is not None and known.snapshot == snapshot:
        return known
    days = read.candle_days(cursor, symbol)
    files = lines_of(cursor, symbol)
    # Files do not tell of rows that were collected live.
    marks = [(day.day_ms, _digest(day)) for day in days]
    marks += [(day, _digest(rows)) for day, rows in read.open_interest_days(cursor, symbol)]
    marks += [(milliseconds_of(file.range_start), _digest(file)) for file in files]
    settled = settled_at(cursor, symbol) if _may_be_settled(files) else None
    if settled is not None:
        marks.append((settled, "settled"))
    stretches = finest_stretches(days)
    return History(
        symbol=symbol,
        snapshot=snapshot,
        version=_digest(*marks),
        stretches=stretches,
        start=stretches[0].start if stretches else 0,
        end=stretches[-1].end if stretches else 0,
        has_mark_price=any(file.dataset == "markPriceKlines" for file in files),
        traded=tuple(
            TradedFile(
                milliseconds_of(file.range_start), milliseconds_of(file.range_end), _digest(file)
            )
            for file in files
            if file.dataset == "aggTrades" and file.rows
        ),
        marks=tuple(marks),
        settled_at=settled,
    )


def finest_stretches(days: list[CandleDay]) -> tuple[Stretch, ...]:
    """For each day the finest interval that covers it as well as any; equal neighbours joined."""
    best: dict[int, CandleDay] = {}
    for day in sorted(days, key=lambda day: (day.day_ms, INTERVALS[day.interval])):
        other = best.get(day.day_ms)
        if other is None or _covered(other) < AS_GOOD * _covered(day):
            best[day.day_ms] = day
    stretches: list[Stretch] = []
    for day in best.values():
        end = day.last_ms + INTERVALS[day.interval]
        if stretches and stretches[-1].interval == day.interval:
            stretches[-1] = Stretch(day.interval, stretches[-1].start, end)
        else:
            stretches.append(Stretch(day.interval, day.first_ms, end))
    return tuple(stretches)


def load_arrays(
    cursor: duckdb.DuckDBPyConnection, history: History, stretch: Stretch
) -> read.Arrays:
    """The candles of a stretch, with mark_high and mark_low (NaN where unknown) if loaded."""
    candles = load_candles(cursor, history, stretch)
    if history.has_mark_price:
        marks = load_candles(cursor, history, stretch, mark_price=True)
        _, here, there = np.intersect1d(
            candles["open_time"], marks["open_time"], assume_unique=True, return_indices=True
        )
        for name in ("high", "low"):
            candles[f"mark_{name}"] = np.full(len(candles["open_time"]), np.nan)
            candles[f"mark_{name}"][here] = marks[name][there]
    return candles


def load_candles(
    cursor: duckdb.DuckDBPyConnection, history: History, stretch: Stretch, mark_price: bool = False
) -> read.Arrays:
    """The candles of a stretch as the lake has them."""
    symbol, interval = history.symbol, stretch.interval
    return rows_between(
        (symbol, f"mark price {interval}" if mark_price else interval),
        stretch.start,
        stretch.end,
        history.marks_before,
        lambda start, end: read.candles(cursor, symbol, interval, start, end, mark_price),
    )


def engine_candles(arrays: read.Arrays, interval_ms: int) -> Candles:
    """The engine's candles of the lake's arrays."""
    names = ("open_time", "open", "high", "low", "close", "volume", "quote_volume")
    return Candles(
        **{name: arrays[name] for name in (*names, "taker_buy_volume")},
        interval_ms=interval_ms,
        mark_high=arrays.get("mark_high"),
        mark_low=arrays.get("mark_low"),
    )


def load_open_interest(
    cursor: duckdb.DuckDBPyConnection, history: History, start: int, end: int
) -> OpenInterest:
    """The figures valid from `start` to `end`, both included (ms). Of a settled contract those from
    the settlement on are 0: its positions are gone, which is no gap."""
    figures = rows_between(
        (history.symbol, "open interest"),
        start,
        end + 1,
        history.marks_before,
        lambda start, end: read.open_interest(cursor, history.symbol, start, end),
    )
    times, contracts = figures["time"], figures["contracts"]
    settled = history.settled_at
    if settled is not None and settled <= end:
        first = settled + max(-(-(start - settled) // OPEN_INTEREST_MS), 0) * OPEN_INTEREST_MS
        zeros = np.arange(first, end + 1, OPEN_INTEREST_MS, dtype=np.int64)
        lived = times < settled
        times = np.concatenate([times[lived], zeros])
        contracts = np.concatenate([contracts[lived], np.zeros(len(zeros))])
    return OpenInterest(times, contracts)


def _may_be_settled(files: Sequence[LedgerLine]) -> bool:
    lines = [file for file in files if file.dataset == "metrics"]
    newest = max(lines, key=lambda line: line.range_start, default=None)
    return newest is not None and is_suspected(newest.rows, newest.quarantined)


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _covered(day: CandleDay) -> int:
    return day.rows * INTERVALS[day.interval]
