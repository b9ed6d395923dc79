"""From candles and open interest to entries: when open interest changed, and at what price.

Whether contracts open or close then depends on the book (lifecycle); everything here does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from heatmap.engine.book import NEVER, Book
from heatmap.engine.margin import LONG, SHORT, BracketTable, brackets_in_force, liquidation_price
from heatmap.engine.market import (
    LONGEST_SPACING,
    BoolArray,
    Candles,
    FloatArray,
    IntArray,
    OpenInterest,
    TradedPrices,
)
from heatmap.engine.parameters import LeverageWeights, ModelParameters


class Figures(NamedTuple):
    """Open interest as the candles see it, one value per candle, NaN where there is none.

    `restart`: the last figure between the end of the candle before and this candle's open, known
    at `restart_time`. `closing`: the last figure inside (open, end] of the candle; it closes it.
    `broken`: a figure is missing before one of those inside the candle.
    """

    restart: FloatArray
    restart_time: IntArray
    closing: FloatArray
    broken: BoolArray


class Changes(NamedTuple):
    """The candles that a figure closes, E of them, ordered by time.

    `candle`: position of the candle; `time`: its end, ms UTC. `start`: since when, ms UTC.
    `open_interest`: contracts. `price`: at which contracts opened since `start`, USDT.
    `taker_imbalance`: -1 (all sold) to 1 (all bought). `placed`: false where there is no figure
    before, or a gap of figures or candles lies between: an increase has no known price then and
    stays without levels.
    """

    candle: IntArray
    time: IntArray
    start: IntArray
    open_interest: FloatArray
    price: FloatArray
    taker_imbalance: FloatArray
    placed: BoolArray


@dataclass(frozen=True)
class Levels:
    """What one more contract on either side would look like: M entries at J leverages.

    Change e spreads over the entries `offsets[e]:offsets[e + 1]`, a share `share` [M] of it at
    `entry_price` [M], `entry_time` [M]. Weights [M, J] already contain the share; prices [M, J]
    are liquidation prices in USDT; `leverage` [M, J] is after folding.
    """

    offsets: IntArray
    entry_time: IntArray
    entry_price: FloatArray
    leverage: FloatArray
    long_weight: FloatArray
    short_weight: FloatArray
    long_price: FloatArray
    short_price: FloatArray


def assign_figures(candles: Candles, open_interest: OpenInterest, book: Book) -> Figures:
    """Give each open-interest figure to the candle in whose (open, end] it is valid."""
    count = len(candles.open_time)
    figures = Figures(
        np.full(count, np.nan),
        np.full(count, NEVER),
        np.full(count, np.nan),
        np.zeros(count, dtype=bool),
    )
    candle = np.searchsorted(candles.end_time, open_interest.time, side="left")
    time, contracts = open_interest.time, open_interest.contracts
    before = time <= candles.open_time[candle]
    # Figures ascend, so of several in one place the last assignment is the latest figure.
    figures.restart[candle[before]] = contracts[before]
    figures.restart_time[candle[before]] = time[before]
    figures.closing[candle[~before]] = contracts[~before]
    spacing = np.diff(time, prepend=book.figure_time)
    late = spacing > LONGEST_SPACING * open_interest.interval_ms
    figures.broken[candle[late & ~before]] = True
    return figures


def find_changes(candles: Candles, figures: Figures, book: Book) -> tuple[Changes, int, FloatArray]:
    """The changes of open interest, and the book's new `pending_since` and `pending`.

    The price is the volume-weighted one over all candles since the figure before: quote volume
    by volume where it is known, else the typical price (high + low + close) / 3 weighted by
    volume; the plain mean of the typical prices where nothing was traded.
    """
    sums = _summands(candles, figures, book)
    pending = book.pending.copy()
    count = int(np.isfinite(figures.closing).sum())
    candle, start = np.empty(count, np.int64), np.empty(count, np.int64)
    price, imbalance, placed = np.empty(count), np.empty(count), np.empty(count, dtype=bool)
    changes = Changes(candle, np.empty(0, np.int64), start, price, price, imbalance, placed)
    since = _sum_between_figures(
        sums, figures, candles.end_time, pending, book.pending_since, changes
    )
    closing = figures.closing[candle]
    return changes._replace(time=candles.end_time[candle], open_interest=closing), since, pending


def _summands(candles: Candles, figures: Figures, book: Book) -> FloatArray:
    """What each candle adds to the pending sums, in the order of `PENDING`."""
    typical = (candles.high + candles.low + candles.close) / 3.0
    volume = np.where(np.isfinite(candles.volume), np.maximum(candles.volume, 0.0), 0.0)
    quoted = np.isfinite(candles.quote_volume) & (candles.quote_volume > 0) & (volume > 0)
    taker_known = np.isfinite(candles.taker_buy_volume)
    known_until = np.maximum(np.append(book.time, candles.end_time[:-1]), figures.restart_time)
    return np.column_stack(
        (
            np.where(quoted, candles.quote_volume, typical * volume),
            volume,
            typical,
            np.ones(len(typical)),
            np.where(taker_known, candles.taker_buy_volume, 0.0),
            np.where(taker_known, volume, 0.0),
            (candles.open_time > known_until) | figures.broken,
        )
    )


@njit(cache=True, nogil=True)
def _sum_between_figures(sums, figures, end_time, pending, since, changes):
    change = 0
    for i in range(len(sums)):
        if not np.isnan(figures.restart[i]):
            since = figures.restart_time[i]
            pending[:] = 0.0
        pending += sums[i]
        if np.isnan(figures.closing[i]):
            continue
        value, volume, typical, candles, taker_buy, taker_volume, broken = pending
        changes.candle[change], changes.start[change] = i, since
        changes.price[change] = value / volume if volume > 0 else typical / candles
        imbalance = 2.0 * taker_buy / taker_volume - 1.0 if taker_volume > 0 else 0.0
        changes.taker_imbalance[change] = imbalance
        changes.placed[change] = broken == 0.0
        since = end_time[i]
        pending[:] = 0.0
        change += 1
    return since


def spread_over_trades(
    changes: Changes, trades: TradedPrices | None
) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    """Entries of the changes: offsets [E + 1], change [M], price [M] and share [M].

    One entry at the change's price, or one per traded price since the figure before, with its
    share of the volume, where there are trades.
    """
    count = len(changes.time)
    if trades is None:
        return np.arange(count + 1), np.arange(count), changes.price, np.ones(count)
    first = np.searchsorted(trades.time, changes.start, side="left")
    last = np.searchsorted(trades.time, changes.time, side="left")
    volume = np.append(0.0, np.cumsum(trades.volume))
    traded = (volume[last] > volume[first]) & changes.placed
    length = np.where(traded, last - first, 1)
    offsets = np.append(0, np.cumsum(length))
    change = np.repeat(np.arange(count), length)
    position = first[change] + np.arange(offsets[-1]) - offsets[change]
    position = np.minimum(position, max(len(trades.time) - 1, 0))
    price, share = changes.price[change], np.ones(len(change))
    spread = traded[change]
    price[spread] = trades.price[position[spread]]
    share[spread] = trades.volume[position[spread]]
    share /= np.bincount(change, share, count)[change]
    return offsets, change, price, share


def liquidation_levels(
    changes: Changes,
    brackets: Sequence[BracketTable],
    parameters: ModelParameters,
    trades: TradedPrices | None = None,
) -> Levels:
    """Weights and liquidation prices for every entry and leverage, by the brackets in force."""
    offsets, change, price, share = spread_over_trades(changes, trades)
    time = changes.time[change]
    leverages = sorted(
        {float(leverage) for leverage, _ in parameters.long_leverage_weights}
        | {float(leverage) for leverage, _ in parameters.short_leverage_weights}
    )
    shape = (len(price), len(leverages))
    leverage, long_price, short_price = np.empty(shape), np.empty(shape), np.empty(shape)
    long_weight, short_weight = np.empty(shape), np.empty(shape)
    in_force = brackets_in_force(brackets, time)
    quantity = (parameters.position_notional / price)[:, None]
    for version in np.unique(in_force):
        rows, table = in_force == version, brackets[version]
        allowed = table.max_leverage_at(parameters.position_notional)
        folded = np.minimum(leverages, allowed)
        leverage[rows] = folded
        long_weight[rows] = _mix(parameters.long_leverage_weights, leverages, folded)
        short_weight[rows] = _mix(parameters.short_leverage_weights, leverages, folded)
        position = price[rows, None], folded
        long_price[rows] = liquidation_price(*position, LONG, quantity[rows], table)
        short_price[rows] = liquidation_price(*position, SHORT, quantity[rows], table)
    if parameters.taker_tilt:
        tilt = parameters.taker_tilt * changes.taker_imbalance[change]
        long_weight = _tilted(long_weight, leverage, tilt)
        short_weight = _tilted(short_weight, leverage, -tilt)
    long_weight *= share[:, None]
    short_weight *= share[:, None]
    return Levels(
        offsets, time, price, leverage, long_weight, short_weight, long_price, short_price
    )


def _mix(weights: LeverageWeights, leverages: list[float], folded: FloatArray) -> FloatArray:
    """Normalised weights [J]; those that fold into one leverage are summed on its first place."""
    mix = np.zeros(len(leverages))
    for leverage, weight in weights:
        mix[int(np.argmax(folded == folded[leverages.index(leverage)]))] += weight
    return mix / mix.sum()


def _tilted(weight: FloatArray, leverage: FloatArray, tilt: FloatArray) -> FloatArray:
    tilted = weight * leverage ** tilt[:, None]
    return tilted / tilted.sum(axis=1, keepdims=True)
