"""From candles and open interest to entries: when open interest changed, and at what price.

Whether contracts open or close then depends on the book (lifecycle); everything here does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from heatmap.engine.book import NEVER, PENDING, PENDING_SUMS, Book
from heatmap.engine.kernel import kernel
from heatmap.engine.margin import BracketTable, brackets_in_force
from heatmap.engine.market import (
    LONGEST_SPACING,
    BoolArray,
    Candles,
    FloatArray,
    IntArray,
    OpenInterest,
    TradedPrices,
    unknown_volume,
)
from heatmap.engine.parameters import LeverageWeights, ModelParameters

CANDLES = PENDING.index("candles")
HIGH, LOW, CLOSE = (PENDING.index(name) for name in ("high", "low", "close"))
SUMS = len(PENDING_SUMS)
TRADED_STEP = 0.0005
"""Trades since one figure whose prices lie in one step of this (relative) are one entry."""
RANGE_SHARES = np.array([0.15, 0.20, 0.30, 0.20, 0.15])
"""Shares of an interval's entries at the five prices of `prices_over_range`."""


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
    `open_interest`: contracts. `price`: at which contracts opened since `start`, USDT; `low`,
    `high` and `middle`, (high + low + close) / 3, of all candles since. `volume`: contracts traded
    since, NaN where a candle whose price moved has none. `taker_imbalance`: -1 (all sold) to 1
    (all bought). `placed`: false where there is no figure before, or a gap of figures or candles
    lies between: an increase has no known price then and stays without levels.
    """

    candle: IntArray
    time: IntArray
    start: IntArray
    open_interest: FloatArray
    price: FloatArray
    low: FloatArray
    high: FloatArray
    middle: FloatArray
    volume: FloatArray
    taker_imbalance: FloatArray
    placed: BoolArray


class Entries(NamedTuple):
    """Where the contracts of E changes open: M entries.

    Change e spreads over the entries `offsets[e]:offsets[e + 1]`, a share `share` [M] of it at
    `price` [M], USDT. `change` [M] is e.
    """

    offsets: IntArray
    change: IntArray
    price: FloatArray
    share: FloatArray


@dataclass(frozen=True)
class Mix:
    """At what leverage the contracts of E changes open, of J leverages by N tables of brackets.

    `leverage` [N, J] is after folding; `long_weight` and `short_weight` [E, J] are shares of what
    opens. `table` [E] numbers the brackets in force.
    """

    leverage: FloatArray
    long_weight: FloatArray
    short_weight: FloatArray
    table: IntArray


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
    extremes = np.column_stack((candles.high, candles.low, candles.close))
    pending = book.pending.copy()
    count = int(np.isfinite(figures.closing).sum())
    candle, start = np.empty(count, np.int64), np.empty(count, np.int64)
    seen = np.empty((len(PENDING), count))
    since = _sum_between_figures(
        sums,
        extremes,
        figures,
        candles.end_time,
        pending,
        book.pending_since,
        candle,
        start,
        seen,
    )
    changes = _changes_of(dict(zip(PENDING, seen, strict=True)), candle, start)
    closing = figures.closing[candle]
    return changes._replace(time=candles.end_time[candle], open_interest=closing), since, pending


def _changes_of(seen: dict[str, FloatArray], candle: IntArray, start: IntArray) -> Changes:
    volume, taker_volume = seen["volume"], seen["taker_volume"]
    with np.errstate(divide="ignore", invalid="ignore"):
        price = np.where(
            volume > 0, seen["value"] / volume, seen["typical"] / np.maximum(seen["candles"], 1.0)
        )
        imbalance = np.where(taker_volume > 0, 2.0 * seen["taker_buy"] / taker_volume - 1.0, 0.0)
    return Changes(
        candle=candle,
        time=np.empty(0, np.int64),
        start=start,
        open_interest=np.empty(0),
        price=price,
        low=seen["low"],
        high=seen["high"],
        middle=(seen["high"] + seen["low"] + seen["close"]) / 3.0,
        volume=np.where(seen["unknown_volume"] == 0, volume, np.nan),
        taker_imbalance=imbalance,
        placed=seen["broken"] == 0,
    )


def _summands(candles: Candles, figures: Figures, book: Book) -> FloatArray:
    """What each candle adds to the pending sums, in the order of `PENDING_SUMS`."""
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
            unknown_volume(candles),
        )
    )


@kernel
def _sum_between_figures(sums, extremes, figures, end_time, pending, since, candle, start, seen):
    change = 0
    for i in range(len(sums)):
        if not np.isnan(figures.restart[i]):
            since = figures.restart_time[i]
            pending[:] = 0.0
        first = pending[CANDLES] == 0.0
        pending[HIGH] = extremes[i, 0] if first else max(pending[HIGH], extremes[i, 0])
        pending[LOW] = extremes[i, 1] if first else min(pending[LOW], extremes[i, 1])
        pending[CLOSE] = extremes[i, 2]
        pending[:SUMS] += sums[i]
        if np.isnan(figures.closing[i]):
            continue
        candle[change], start[change] = i, since
        seen[:, change] = pending
        since = end_time[i]
        pending[:] = 0.0
        change += 1
    return since


def entries_of(
    changes: Changes, parameters: ModelParameters, trades: TradedPrices | None = None
) -> Entries:
    """Where the changes open: at their one price, or with `spread_entries` at the prices traded
    since the figure before, by volume, and over the interval's range where no trades are known."""
    count = len(changes.time)
    if not parameters.spread_entries:
        return Entries(np.arange(count + 1), np.arange(count), changes.price, np.ones(count))
    by_trade, traded_price, volume = _traded_prices(changes, trades)
    traded = np.bincount(by_trade, minlength=count) > 0
    length = np.where(traded, np.bincount(by_trade, minlength=count), len(RANGE_SHARES))
    offsets = np.append(0, np.cumsum(length))
    change = np.repeat(np.arange(count), length)
    price, share = np.empty(offsets[-1]), np.empty(offsets[-1])
    over_range = ~traded[change]
    five = prices_over_range(changes.low, changes.middle, changes.high)
    price[over_range] = five[~traded].ravel()
    share[over_range] = np.tile(RANGE_SHARES, int((~traded).sum()))
    price[~over_range], share[~over_range] = traded_price, volume
    share /= np.bincount(change, share, count)[change]
    return Entries(offsets, change, price, share)


def _traded_prices(
    changes: Changes, trades: TradedPrices | None
) -> tuple[IntArray, FloatArray, FloatArray]:
    """The trades of placed changes, summed by step of price: change, mean price and volume, [N]."""
    if trades is None:
        return np.empty(0, np.int64), np.empty(0), np.empty(0)
    first = np.searchsorted(trades.time, changes.start, side="left")
    last = np.searchsorted(trades.time, changes.time, side="left")
    length = np.where(changes.placed, np.maximum(last - first, 0), 0)
    change = np.repeat(np.arange(len(length)), length)
    position = np.arange(len(change)) + np.repeat(first - np.cumsum(length) + length, length)
    known = trades.volume[position] > 0
    change, position = change[known], position[known]
    price, volume = trades.price[position], trades.volume[position]
    step = np.floor(np.log(price) / np.log1p(TRADED_STEP)).astype(np.int64)
    order = np.lexsort((step, change))
    change, step, price, volume = (array[order] for array in (change, step, price, volume))
    begins = np.ones(len(change), dtype=bool)
    begins[1:] = (np.diff(change) != 0) | (np.diff(step) != 0)
    group = np.cumsum(begins) - 1
    summed = np.bincount(group, volume).astype(np.float64)
    return change[begins], np.bincount(group, price * volume) / summed, summed


def prices_over_range(low: FloatArray, middle: FloatArray, high: FloatArray) -> FloatArray:
    """Five prices from `low` to `high` [N, 5]; what lies near the ends was traded less.

    `middle` [N] is (high + low + close) / 3. A rule of thumb, measured against real liquidations:
    docs/model.md.
    """
    return np.column_stack(
        (
            0.8 * low + 0.2 * middle,
            (low + middle) / 2.0,
            middle,
            (high + middle) / 2.0,
            0.8 * high + 0.2 * middle,
        )
    )


def leverage_mix(
    changes: Changes, brackets: Sequence[BracketTable], parameters: ModelParameters
) -> Mix:
    """The leverages and their weights for every change, by the brackets in force."""
    leverages = sorted(
        {float(leverage) for leverage, _ in parameters.long_mix}
        | {float(leverage) for leverage, _ in parameters.short_mix}
    )
    table = brackets_in_force(brackets, changes.time)
    folded = np.array(
        [
            np.minimum(leverages, one.max_leverage_at(parameters.position_notional))
            for one in brackets
        ]
    )
    long_mix = np.array([_mix(parameters.long_mix, leverages, row) for row in folded])
    short_mix = np.array([_mix(parameters.short_mix, leverages, row) for row in folded])
    long_weight, short_weight = long_mix[table], short_mix[table]
    if parameters.taker_tilt:
        tilt = parameters.taker_tilt * changes.taker_imbalance
        long_weight = _tilted(long_weight, folded[table], tilt)
        short_weight = _tilted(short_weight, folded[table], -tilt)
    return Mix(folded, long_weight, short_weight, table)


def _mix(weights: LeverageWeights, leverages: list[float], folded: FloatArray) -> FloatArray:
    """Normalised weights [J]; those that fold into one leverage are summed on its first place."""
    mix = np.zeros(len(leverages))
    for leverage, weight in weights:
        mix[int(np.argmax(folded == folded[leverages.index(leverage)]))] += weight
    return mix / mix.sum()


def _tilted(weight: FloatArray, leverage: FloatArray, tilt: FloatArray) -> FloatArray:
    tilted = weight * leverage ** tilt[:, None]
    return tilted / tilted.sum(axis=1, keepdims=True)
