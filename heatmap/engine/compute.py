"""The heatmap: the book of open positions, seen at the instants asked for."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from heatmap.engine import grid
from heatmap.engine.book import NEVER, Book
from heatmap.engine.margin import LONG, SHORT, BracketTable
from heatmap.engine.market import (
    Candles,
    FloatArray,
    Gap,
    IntArray,
    OpenInterest,
    TradedPrices,
    gaps_between,
    volume_gaps,
)
from heatmap.engine.parameters import ModelParameters
from heatmap.engine.run import Plane, Run, SideColumns, SideRun


@dataclass(frozen=True)
class Heatmap:
    """The book at T instants over B price bins.

    `times` [T] int64 ms UTC: a column stamped t is the book at t, from candles that ended at or
    before t. `prices` [B]: lower edges of the bins, USDT. `gaps`: missing data in the window,
    from one column before the first to the last. `total_long`, `total_short`: placed USDT of the
    last column's whole book, also beyond the price range. `book`: the book at the last column.
    """

    times: IntArray
    prices: FloatArray
    bin_size: float
    long: SideColumns
    short: SideColumns
    gaps: list[Gap]
    book: Book

    @property
    def long_density(self) -> Plane:
        return self.long.density

    @property
    def short_density(self) -> Plane:
        return self.short.density

    @property
    def positions_created(self) -> FloatArray:
        """USDT opened on both sides since the column before, [T]."""
        return self.long.created + self.short.created

    @property
    def positions_consumed(self) -> FloatArray:
        """USDT liquidated on both sides since the column before, [T]."""
        return self.long.consumed + self.short.consumed

    @property
    def unplaced_share(self) -> FloatArray:
        """The share of open contracts that no level shows, both sides together, [T], 0 to 1."""
        total = self.long.total + self.short.total
        unplaced = self.long.unplaced + self.short.unplaced
        return np.divide(unplaced, total, out=np.zeros_like(total), where=total > 0)

    @property
    def total_long(self) -> float:
        return float(self.book.longs.notional.sum())

    @property
    def total_short(self) -> float:
        return float(self.book.shorts.notional.sum())


def compute_heatmap(
    candles: Candles,
    open_interest: OpenInterest,
    brackets: Sequence[BracketTable],
    parameters: ModelParameters,
    columns: IntArray,
    bin_size: float,
    checkpoint: Book | None = None,
    *,
    price_range: tuple[float, float] | None = None,
    column_interval_ms: int | None = None,
    trades: TradedPrices | None = None,
) -> Heatmap:
    """The heatmap at `columns` (int64 ms UTC, ascending), with bins of `bin_size` USDT.

    `candles` and `open_interest` are the history that the book is built from; what ended after
    the last column is ignored. With a `checkpoint` they may start at its time (what lies before
    it is skipped), and `trades` at its `pending_since`. `price_range` in USDT; by default
    `default_price_range` of the window's candles. The first column counts what was created and
    consumed in the `column_interval_ms` before it (by default the distance of the first two
    columns, or one candle).

    Raises ValueError for arguments that contradict each other and for grids of more than
    50 million cells a side.
    """
    columns = np.asarray(columns, dtype=np.int64)
    if len(columns) == 0 or np.any(np.diff(columns) <= 0):
        raise ValueError("columns must be ascending instants, at least one")
    book = Book() if checkpoint is None else checkpoint
    if columns[0] < book.time:
        raise ValueError("the checkpoint is later than the first column")
    if column_interval_ms is None:
        column_interval_ms = int(columns[1] - columns[0]) if len(columns) > 1 else 0
        column_interval_ms = column_interval_ms or candles.interval_ms
    start, end = int(columns[0]) - column_interval_ms, int(columns[-1])
    history = _after(candles, book.time, end)
    if price_range is None:
        price_range = _shown_range(candles, start, end, parameters)
    first, count = grid.bin_span(*price_range, bin_size)
    if count * len(columns) > grid.LARGEST_PLANE:
        raise ValueError(
            f"{len(columns)} columns of {count} price bins are too many cells: choose a "
            f"bin size above {bin_size}, fewer columns or a narrower price range"
        )
    # One more column in front: what was created and consumed up to there is not shown.
    instants = np.append(start, columns)
    last_candle = np.searchsorted(history.end_time, instants, side="right") - 1
    run = Run(history, open_interest, brackets, parameters, trades, book)
    long, short = _both_sides(run, last_candle, (first, count, bin_size))
    return Heatmap(
        times=columns,
        prices=grid.lower_edges(first, count, bin_size),
        bin_size=bin_size,
        long=long.columns,
        short=short.columns,
        gaps=_gaps(candles, open_interest, parameters, max(start, book.time), end),
        book=run.book_after(long.book, short.book),
    )


def advance(
    book: Book,
    candles: Candles,
    open_interest: OpenInterest,
    brackets: Sequence[BracketTable],
    parameters: ModelParameters,
    *,
    trades: TradedPrices | None = None,
) -> Book:
    """The book after all of `candles`, without a picture; what lies before its time is skipped.

    Give it a month at a time to write checkpoints: `Book()` starts, the result continues. Also
    the way to go from coarser to finer candles.
    """
    history = _after(candles, book.time, None)
    run = Run(history, open_interest, brackets, parameters, trades, book)
    no_columns, no_bins = np.empty(0, np.int64), (0, 0, 1.0)
    long, short = _both_sides(run, no_columns, no_bins)
    return run.book_after(long.book, short.book)


def checkpoints(
    book: Book,
    candles: Candles,
    open_interest: OpenInterest,
    brackets: Sequence[BracketTable],
    parameters: ModelParameters,
    instants: IntArray,
    *,
    trades: TradedPrices | None = None,
) -> Iterator[Book]:
    """The book at each of the ascending `instants` (int64 ms UTC), from one pass."""
    for instant in instants:
        part = _after(candles, book.time, int(instant))
        book = advance(book, part, open_interest, brackets, parameters, trades=trades)
        yield book


def _both_sides(
    run: Run, last_candle: IntArray, bins: tuple[int, int, float]
) -> tuple[SideRun, SideRun]:
    """Longs and shorts know nothing of each other and run at the same time."""
    with ThreadPoolExecutor(1) as thread:
        shorts = thread.submit(run.side, SHORT, last_candle, bins)
        return run.side(LONG, last_candle, bins), shorts.result()


def _gaps(
    candles: Candles, open_interest: OpenInterest, parameters: ModelParameters, start: int, end: int
) -> list[Gap]:
    gaps = gaps_between(candles, open_interest, start, end)
    if not parameters.turnover:
        return gaps
    gaps += volume_gaps(candles, start, end)
    return sorted(gaps, key=lambda gap: (gap.start, gap.kind))


def _after(candles: Candles, start: int, end: int | None) -> Candles:
    """The candles that open at or after `start` and end at or before `end`."""
    first = int(np.searchsorted(candles.open_time, start, side="left"))
    ends = candles.end_time
    last = len(ends) if end is None else int(np.searchsorted(ends, end, side="right"))
    return candles.slice(first, max(first, last))


def _shown_range(
    candles: Candles, start: int, end: int, parameters: ModelParameters
) -> tuple[float, float]:
    """The default range of the window's candles, or of the last one before it."""
    shown = _after(candles, start, end)
    if len(shown.open_time) == 0:
        before = _after(candles, NEVER, end)
        shown = before.slice(len(before.open_time) - 1, len(before.open_time))
    if len(shown.open_time) == 0:
        raise ValueError("without a candle before the last column, give a price range")
    return grid.default_price_range(shown.low, shown.high, parameters.lowest_leverage)
