"""One run of the lifecycle over a stretch of history: arrays in, columns and the next book out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from heatmap.engine import entries, lifecycle
from heatmap.engine.book import Book, BookSide
from heatmap.engine.ladder import empty_ladder
from heatmap.engine.lifecycle import TOUCH_TOLERANCE
from heatmap.engine.margin import LONG, BracketTable, liquidation_terms
from heatmap.engine.market import Candles, FloatArray, IntArray, OpenInterest, TradedPrices
from heatmap.engine.parameters import ModelParameters
from liqheat_project.kernel.instants import DAY_MS

Plane = NDArray[np.float32]
NO_CANDLE = -2
"""Ends the list of the columns' last candles; -1 is that of a column before the first."""
BLOCK_MS = 14 * DAY_MS
SMALLEST_SHARE = 1e-12
"""Cohorts that hold less of their side have no level any more."""


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


class SideRun(NamedTuple):
    """What a side showed, and what is left of it."""

    columns: SideColumns
    book: BookSide


class Run:
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
        self.parameters, self.brackets = parameters, brackets
        self.entries = entries.entries_of(self.changes, parameters, trades)
        self.mix = entries.leverage_mix(self.changes, brackets, parameters)
        self.change_rows, self.entry_rows = self._change_rows(), self._entry_rows()
        self.begins_a_block, self.blocks = self._blocks()
        self.change_of = np.full(len(candles.open_time), -1)
        self.change_of[self.changes.candle] = np.arange(len(self.changes.candle))

    def _change_rows(self) -> NDArray:
        changes, entries = self.changes, self.entries
        turnover = self.parameters.turnover * changes.volume
        rows = np.empty(len(changes.candle), lifecycle.CHANGE)
        rows["open_interest"], rows["placed"] = changes.open_interest, changes.placed
        rows["turnover"] = np.where(np.isfinite(turnover), turnover, 0.0)
        rows["first_entry"], rows["last_entry"] = entries.offsets[:-1], entries.offsets[1:]
        rows["table"] = self.mix.table
        return rows

    def _entry_rows(self) -> NDArray:
        rows = np.empty(len(self.entries.price), lifecycle.ENTRY)
        rows["price"], rows["share"] = self.entries.price, self.entries.share
        return rows

    def _blocks(self) -> tuple[bool, list[tuple[int, int, int]]]:
        """Blocks of candles between which small cohorts are forgotten: [start, stop), and how many
        cohorts may open in each; and whether the first of them begins where the book ended.

        They are pairs of calendar weeks, so that a book does not depend on where a run began.
        Without turnover nothing becomes small, and all is one block.
        """
        end_time = self.candles.end_time
        count = len(end_time)
        block = (end_time - 1) // BLOCK_MS
        starts = [0]
        if self.parameters.turnover:
            starts += (np.flatnonzero(np.diff(block)) + 1).tolist()
        bounds = np.array([*starts, count])
        change = np.searchsorted(self.changes.candle, bounds)
        opened = np.diff(self.entries.offsets[change]) * self.mix.leverage.shape[1]
        begins = bool(
            self.parameters.turnover and count and block[0] != (self.book.time - 1) // BLOCK_MS
        )
        return begins, list(
            zip(bounds[:-1].tolist(), bounds[1:].tolist(), opened.tolist(), strict=True)
        )

    def side(self, side: int, last_candle: IntArray, bins: tuple[int, int, float]) -> SideRun:
        """Run LONG or SHORT; the first of the columns only starts the count and isn't returned.

        `last_candle`: the position of the last candle in each column, -1 before the first;
        `bins`: number of the first bin in bin sizes, count, size.
        """
        long = side == LONG
        low, high = self.candles.triggers()
        prior = self.book.longs if long else self.book.shorts
        path = lifecycle.Path(
            low * (1 - TOUCH_TOLERANCE) if long else -high * (1 + TOUCH_TOLERANCE),
            self.figures.restart,
            self.change_of,
            not self.parameters.turnover,
        )
        openings = self._openings(side, self.mix.long_weight if long else self.mix.short_weight)
        cohorts = _cohorts_of(prior, side)
        bins_ = lifecycle.Bins(bins[2], bins[0], side, np.zeros(bins[1]))
        columns = _columns(last_candle, bins[1])
        amounts = np.array([prior.total, prior.unplaced, 1.0, 0.0, 0.0, -np.inf])
        counts = np.array([len(prior.quantity), 0, bins[1], -1, 0])
        ladder = empty_ladder(bins[1])
        lifecycle.place_all(cohorts, ladder, bins_, amounts, counts)
        # Room for what opens in six weeks is not touched before it is needed.
        cohorts = _with_room(cohorts, len(cohorts) + sum(opens for _, _, opens in self.blocks[:3]))
        for number, (start, stop, opens) in enumerate(self.blocks):
            if number or self.begins_a_block:
                lifecycle.forget_small(SMALLEST_SHARE, cohorts, ladder, bins_, amounts, counts)
            cohorts = _with_room(cohorts, counts[lifecycle.COHORTS] + opens)
            lifecycle.run_side(
                path, openings, cohorts, ladder, bins_, columns, amounts, counts, start, stop
            )
        lifecycle.mark_swept(cohorts, ladder, counts)
        return SideRun(
            SideColumns(
                density=columns.density[1:],
                created=columns.created[1:],
                consumed=columns.consumed[1:],
                total=columns.total[1:],
                unplaced=columns.unplaced[1:],
            ),
            self._side_after(prior, side, cohorts, amounts, counts),
        )

    def _openings(self, side: int, weight: FloatArray) -> lifecycle.Openings:
        """`weight` [E, J]: of the side's leverages."""
        notional = self.parameters.position_notional
        terms = liquidation_terms(self.mix.leverage, side, notional, self.brackets)
        return lifecycle.Openings(self.change_rows, weight, self.entry_rows, notional, terms)

    def _side_after(
        self,
        prior: BookSide,
        side: int,
        cohorts: lifecycle.Cohorts,
        amounts: FloatArray,
        counts: IntArray,
    ) -> BookSide:
        scale = amounts[lifecycle.SCALE]
        cohorts = cohorts[: counts[lifecycle.COHORTS]]
        quantity = cohorts["amount"] * scale
        open_ = np.flatnonzero(quantity)
        origin = cohorts["origin"][open_]
        old, new = -1 - origin[origin < 0], origin[origin >= 0]
        entry, leverage = np.divmod(new, max(self.mix.leverage.shape[1], 1))
        change = self.entries.change[entry]
        new_leverage = self.mix.leverage[self.mix.table[change], leverage]
        return BookSide(
            liquidation_price=cohorts["key"][open_] * side,
            quantity=quantity[open_],
            entry_time=np.concatenate((prior.entry_time[old], self.changes.time[change])),
            entry_price=np.concatenate((prior.entry_price[old], self.entries.price[entry])),
            leverage=np.concatenate((prior.leverage[old], new_leverage)),
            unplaced=float(amounts[lifecycle.UNPLACED] * scale),
            total=float(amounts[lifecycle.TOTAL]),
        )

    def book_after(self, longs: BookSide, shorts: BookSide) -> Book:
        """The book at the end of the last candle, from what is left of both sides."""
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


def _cohorts_of(prior: BookSide, side: int) -> lifecycle.Cohorts:
    cohorts = np.empty(len(prior.quantity), lifecycle.COHORT)
    cohorts["key"] = prior.liquidation_price * side
    cohorts["amount"] = prior.quantity
    cohorts["origin"] = -1 - np.arange(len(cohorts))
    return cohorts


def _with_room(cohorts: lifecycle.Cohorts, count: int) -> lifecycle.Cohorts:
    """The same cohorts where there is room for `count`."""
    if count <= len(cohorts):
        return cohorts
    larger = np.empty(count + count // 4, cohorts.dtype)
    larger[: len(cohorts)] = cohorts
    return larger


def _columns(last_candle: IntArray, bin_count: int) -> lifecycle.Columns:
    count = len(last_candle)
    return lifecycle.Columns(
        np.append(last_candle, NO_CANDLE),
        np.empty((count, bin_count), np.float32),
        *(np.empty(count) for _ in range(4)),
    )
