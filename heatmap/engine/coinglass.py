"""Coinglass's model 3, as found from its pictures: a map that begins empty with its window.

Each candle opens as much long as short, by the square root of what was traded in it; nothing
closes but by being swept. docs/model.md has the rule and what it was found from.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from heatmap.engine import grid
from heatmap.engine.book import NEVER, Book, BookSide
from heatmap.engine.compute import Heatmap
from heatmap.engine.entries import RANGE_SHARES, prices_over_range
from heatmap.engine.lifecycle import TOUCH_TOLERANCE
from heatmap.engine.margin import LONG, SHORT
from heatmap.engine.market import (
    Candles,
    FloatArray,
    Gap,
    IntArray,
    OpenInterest,
    gaps_between,
    volume_gaps,
)
from heatmap.engine.parameters import LeverageWeights, ModelParameters
from heatmap.engine.run import SideColumns

LEVERAGE_WEIGHTS: LeverageWeights = (
    (5.0, 0.14),
    (10.0, 0.035),
    (15.0, 0.06),
    (20.0, 0.08),
    (25.0, 0.105),
    (75.0, 0.57),
)
COINGLASS_3 = ModelParameters(
    name="coinglass-3",
    long_leverage_weights=LEVERAGE_WEIGHTS,
    short_leverage_weights=LEVERAGE_WEIGHTS,
    turnover=0.0,
)
SHARE_OF_THE_TRADED = 0.002
"""What each side opens in a usual candle, as a share of the USDT traded in it: the real picture's
own amounts, of all exchanges, over Binance's trades."""


@dataclass(frozen=True)
class _Levels:
    """One side's levels, M of them in the order of their candles.

    `price` and `entry_price` in USDT; `contracts`; `opened`: the candle's position; `swept`: that
    of the first later candle that reached it, or one behind the last candle.
    """

    price: FloatArray
    entry_price: FloatArray
    leverage: FloatArray
    contracts: FloatArray
    opened: IntArray
    swept: IntArray


def coinglass_heatmap(
    candles: Candles,
    parameters: ModelParameters,
    columns: IntArray,
    bin_size: float,
    *,
    usual_volume: float | None = None,
    price_range: tuple[float, float] | None = None,
) -> Heatmap:
    """The map at `columns` (int64 ms UTC, ascending) by the rule; empty before the first candle.

    `candles` are those of the window: the first begins it. `usual_volume`: USDT traded in a candle
    in usual times, which sets the amounts' scale; by default the mean of `candles`. Of `parameters`
    only the leverage weights count.

    Raises ValueError for columns that don't ascend, without a candle before the last of them, and
    for grids of more than 50 million cells.
    """
    columns = np.asarray(columns, dtype=np.int64)
    if len(columns) == 0 or np.any(np.diff(columns) <= 0):
        raise ValueError("columns must be ascending instants, at least one")
    seen = candles.slice(0, int(np.searchsorted(candles.end_time, columns[-1], side="right")))
    if not len(seen.open_time):
        raise ValueError("no candle ends before the last column")
    if price_range is None:
        price_range = grid.default_price_range(seen.low, seen.high, parameters.lowest_leverage)
    first, count = grid.bin_span(*price_range, bin_size)
    if count * len(columns) > grid.LARGEST_PLANE:
        raise ValueError(f"{count} price bins are too many: choose a bin size above {bin_size}")
    last_candle = np.searchsorted(seen.end_time, columns, side="right") - 1
    longs, shorts = _levels(seen, parameters, usual_volume)
    start, end = int(seen.open_time[0]), int(seen.end_time[-1])
    return Heatmap(
        times=columns,
        prices=grid.lower_edges(first, count, bin_size),
        bin_size=bin_size,
        long=_columns(longs, last_candle, first, count, bin_size),
        short=_columns(shorts, last_candle, first, count, bin_size),
        gaps=_gaps(seen, start, end),
        book=_book(seen, longs, shorts),
    )


def coinglass_book(
    candles: Candles, parameters: ModelParameters, usual_volume: float | None = None
) -> Book:
    """The levels that stand at the end of the last of `candles`; the first begins the window."""
    return _book(candles, *_levels(candles, parameters, usual_volume))


def _gaps(candles: Candles, start: int, end: int) -> list[Gap]:
    """Missing candles, and stretches whose volume is not known, which open nothing."""
    no_figures = OpenInterest(np.empty(0, np.int64), np.empty(0))
    missing = [gap for gap in gaps_between(candles, no_figures, start, end) if gap[0] == "candles"]
    return sorted([*missing, *volume_gaps(candles, start, end)], key=lambda gap: gap[1])


def traded_usdt(candles: Candles) -> FloatArray:
    """What was traded in each candle, USDT; 0 where it is not known."""
    typical = (candles.high + candles.low + candles.close) / 3.0
    volume = np.where(candles.quote_volume > 0, candles.quote_volume, candles.volume * typical)
    return np.where(np.isfinite(volume), np.maximum(volume, 0.0), 0.0)


def _levels(
    candles: Candles, parameters: ModelParameters, usual_volume: float | None
) -> tuple[_Levels, _Levels]:
    traded = traded_usdt(candles)
    if usual_volume is None:
        usual_volume = float(traded.mean()) if len(traded) else 0.0
    opened = SHARE_OF_THE_TRADED * np.sqrt(traded * usual_volume)
    low, high = candles.triggers()
    long, short = parameters.long_leverage_weights, parameters.short_leverage_weights
    middle = (candles.high + candles.low + candles.close) / 3.0
    entries = prices_over_range(candles.low, middle, candles.high)
    return (
        _side(LONG, long, entries, opened, low * (1 - TOUCH_TOLERANCE)),
        _side(SHORT, short, entries, opened, high * (1 + TOUCH_TOLERANCE)),
    )


def _side(
    side: int,
    weights: LeverageWeights,
    entry_prices: FloatArray,
    opened: FloatArray,
    trigger: FloatArray,
) -> _Levels:
    leverage, weight = (np.array(values) for values in zip(*weights, strict=True))
    shape = (*entry_prices.shape, len(leverage))
    price = (entry_prices[:, :, None] * (1 - side / leverage)).ravel()
    usdt = (opened[:, None, None] * RANGE_SHARES[:, None] * weight).ravel()
    exists = (usdt > 0) & (price > 0)  # a long of 1x is never liquidated
    price, candle = price[exists], np.indices(shape)[0].ravel()[exists]
    return _Levels(
        price=price,
        entry_price=np.broadcast_to(entry_prices[:, :, None], shape).ravel()[exists],
        leverage=np.broadcast_to(leverage, shape).ravel()[exists],
        contracts=usdt[exists] / price,
        opened=candle,
        swept=_first_reached(price * side, candle, trigger * side),
    )


@njit(cache=True, nogil=True)
def _first_reached(key, opened, trigger):
    """For each level the first candle after its own whose price falls to it (by key)."""
    swept = np.empty(len(key), np.int64)
    for level in range(len(key)):
        candle = opened[level] + 1
        while candle < len(trigger) and trigger[candle] > key[level]:
            candle += 1
        swept[level] = candle
    return swept


def _columns(
    levels: _Levels, last_candle: IntArray, first_bin: int, bins: int, bin_size: float
) -> SideColumns:
    """A level is in the columns from its candle's on to the last before it is swept."""
    count = len(last_candle)
    begins = np.searchsorted(last_candle, levels.opened)
    ends = np.searchsorted(last_candle, levels.swept)
    position = grid.bin_index(levels.price, bin_size) - first_bin
    usdt = levels.contracts * levels.price
    plane, total = np.zeros((bins, count)), np.zeros(count)
    _add_levels(plane, total, position, begins, ends, usdt, levels.contracts)
    return SideColumns(
        density=np.ascontiguousarray(plane.T, dtype=np.float32),
        created=_by_column(begins, levels.contracts * levels.entry_price, count),
        consumed=_by_column(ends, usdt, count),
        total=total,
        unplaced=np.zeros(count),
    )


@njit(cache=True, nogil=True)
def _add_levels(plane, total, position, begins, ends, usdt, contracts):
    for level in range(len(position)):
        inside = 0 <= position[level] < len(plane)
        for column in range(begins[level], ends[level]):
            total[column] += contracts[level]
            if inside:
                plane[position[level], column] += usdt[level]


def _by_column(column: IntArray, amount: FloatArray, count: int) -> FloatArray:
    return np.bincount(column, amount, count + 1)[:count].astype(np.float64)


def _book(candles: Candles, longs: _Levels, shorts: _Levels) -> Book:
    ends = candles.end_time
    return Book(
        time=int(ends[-1]) if len(ends) else NEVER,
        longs=_standing(longs, ends),
        shorts=_standing(shorts, ends),
    )


def _standing(levels: _Levels, ends: IntArray) -> BookSide:
    stands = levels.swept == len(ends)
    return BookSide(
        liquidation_price=levels.price[stands],
        quantity=levels.contracts[stands],
        entry_time=ends[levels.opened[stands]],
        entry_price=levels.entry_price[stands],
        leverage=levels.leverage[stands],
        total=float(levels.contracts[stands].sum()),
    )
