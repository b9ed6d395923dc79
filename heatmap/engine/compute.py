"""The heatmap: the book of open positions, seen at the instants asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from heatmap.engine import entries, grid, lifecycle
from heatmap.engine.book import NEVER, Book, BookSide
from heatmap.engine.lifecycle import TOUCH_TOLERANCE
from heatmap.engine.margin import LONG, SHORT, BracketTable
from heatmap.engine.market import (
    Candles,
    FloatArray,
    Gap,
    IntArray,
    OpenInterest,
    TradedPrices,
    gaps_between,
)
from heatmap.engine.parameters import ModelParameters

Plane = NDArray[np.float32]


@dataclass(frozen=True)
class SideColumns:
    """One side of the heatmap: T columns, B price bins.

    `density` [T, B] in USDT (float32): open contracts times their liquidation price. `created`
    and `consumed` [T] in USDT since the column before: contracts times entry price, and times
    liquidation price. `total` and `unplaced` [T] in contracts.
    """

    density: Plane
    created: FloatArray
    consumed: FloatArray
    total: FloatArray
    unplaced: FloatArray


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
    run = _Run(history, open_interest, brackets, parameters, trades, book)
    long, short = (run.side(side, last_candle, (first, count, bin_size)) for side in (LONG, SHORT))
    return Heatmap(
        times=columns,
        prices=grid.lower_edges(first, count, bin_size),
        bin_size=bin_size,
        long=long.columns,
        short=short.columns,
        gaps=gaps_between(candles, open_interest, max(start, book.time), end),
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
    run = _Run(history, open_interest, brackets, parameters, trades, book)
    no_columns, no_bins = np.empty(0, np.int64), (0, 0, 1.0)
    long, short = (run.side(side, no_columns, no_bins) for side in (LONG, SHORT))
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


class _SideRun(NamedTuple):
    columns: SideColumns
    book: BookSide


class _Run:
    """What both sides of one run share: the candles' changes and their levels."""

    def __init__(
        self,
        candles: Candles,
        open_interest: OpenInterest,
        brackets: Sequence[BracketTable],
        parameters: ModelParameters,
        trades: TradedPrices | None,
        book: Book,
    ) -> None:
        self.candles, self.book = candles, book
        last = int(candles.end_time[-1]) if len(candles.open_time) else book.time
        self.known = open_interest.known(after=book.time, until=last)
        self.figures = entries.assign_figures(candles, self.known, book)
        self.changes, self.pending_since, self.pending = entries.find_changes(
            candles, self.figures, book
        )
        spread = trades if parameters.spread_entries else None
        self.levels = entries.liquidation_levels(self.changes, brackets, parameters, spread)
        self.change_of = np.full(len(candles.open_time), -1)
        self.change_of[self.changes.candle] = np.arange(len(self.changes.candle))

    def side(self, side: int, last_candle: IntArray, bins: tuple[int, int, float]) -> _SideRun:
        long = side == LONG
        low, high = self.candles.triggers()
        levels, prior = self.levels, self.book.longs if long else self.book.shorts
        path = lifecycle.Path(
            low * (1 - TOUCH_TOLERANCE) if long else -high * (1 + TOUCH_TOLERANCE),
            self.figures.restart,
            self.change_of,
        )
        openings = lifecycle.Openings(
            self.changes.open_interest,
            self.changes.placed,
            levels.offsets,
            levels.entry_price,
            levels.long_price if long else -levels.short_price,
            levels.long_weight if long else levels.short_weight,
        )
        cohorts = _cohorts(prior, side, openings)
        bins_ = _bins(bins, side)
        columns = _columns(last_candle, bins[1])
        amounts = np.array([prior.total, prior.unplaced, 1.0, 0.0, 0.0])
        counts = np.array([len(prior.quantity), 0, bins[1], -1])
        lifecycle.run_side(path, openings, cohorts, bins_, columns, amounts, counts)
        return _SideRun(
            SideColumns(*(values[1:] for values in columns[1:])),
            self._side_after(prior, side, cohorts, amounts, counts),
        )

    def _side_after(
        self,
        prior: BookSide,
        side: int,
        cohorts: lifecycle.Cohorts,
        amounts: FloatArray,
        counts: IntArray,
    ) -> BookSide:
        levels, scale = self.levels, amounts[lifecycle.SCALE]
        quantity = cohorts.amount[: counts[lifecycle.COHORTS]] * scale
        open_ = np.flatnonzero(quantity)
        old, new = np.split(open_, [np.searchsorted(open_, len(prior.quantity))])
        origin = cohorts.origin[new]
        entry = origin // max(levels.leverage.shape[1], 1)
        return BookSide(
            liquidation_price=cohorts.key[open_] * side,
            quantity=quantity[open_],
            entry_time=np.concatenate((prior.entry_time[old], levels.entry_time[entry])),
            entry_price=np.concatenate((prior.entry_price[old], levels.entry_price[entry])),
            leverage=np.concatenate((prior.leverage[old], levels.leverage.ravel()[origin])),
            unplaced=float(amounts[lifecycle.UNPLACED] * scale),
            total=float(amounts[lifecycle.TOTAL]),
        )

    def book_after(self, longs: BookSide, shorts: BookSide) -> Book:
        if len(self.candles.open_time) == 0:
            return self.book
        figure = self.book.open_interest, self.book.figure_time
        if len(self.known.time):
            figure = float(self.known.contracts[-1]), int(self.known.time[-1])
        return Book(
            time=int(self.candles.end_time[-1]),
            open_interest=figure[0],
            figure_time=figure[1],
            pending_since=int(self.pending_since),
            pending=self.pending,
            longs=longs,
            shorts=shorts,
        )


def _cohorts(prior: BookSide, side: int, openings: lifecycle.Openings) -> lifecycle.Cohorts:
    """Room for the prior cohorts and for every level that may open, the prior ones filled in."""
    count, room = len(prior.quantity), len(prior.quantity) + openings.key.size
    cohorts = lifecycle.Cohorts(
        key=np.empty(room),
        amount=np.empty(room),
        origin=np.empty(room, np.int64),
        next_in_bin=np.empty(room, np.int32),
        heap_key=np.empty(room),
        heap_cohort=np.empty(room, np.int32),
    )
    cohorts.key[:count] = prior.liquidation_price * side
    cohorts.amount[:count] = prior.quantity
    return cohorts


def _bins(bins: tuple[int, int, float], side: int) -> lifecycle.Bins:
    first, count, size = bins
    return lifecycle.Bins(size, first, float(side), np.zeros(count), np.full(count, -1, np.int32))


def _columns(last_candle: IntArray, bin_count: int) -> lifecycle.Columns:
    count = len(last_candle)
    return lifecycle.Columns(
        last_candle,
        np.empty((count, bin_count), np.float32),
        *(np.empty(count) for _ in range(4)),
    )
