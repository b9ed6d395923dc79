"""What our books showed of events just before them. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from heatmap.engine import LONG, SHORT, Book
from heatmap.engine.grid import bin_index
from heatmap.engine.market import BoolArray, Candles, FloatArray, IntArray
from validation.backtest.events import UNKNOWN, Events
from validation.backtest.figures import Sight
from validation.compare.metrics import Grid
from validation.compare.nulls import OurColumn, other_times

REACH = 0.10
"""How far from the price an event is ranked, a share of it."""
FARTHEST_FROM_MARKET = 0.05
"""By how much an event's price may lie beyond its candle and still be one of this market."""


@dataclass(frozen=True)
class Placed:
    """Events that lie within our candles, in order of time, one element each.

    `time` and `instant`, the end of the last candle before it, in ms; `last_price` its close.
    `price`: the event's, `moved` into the range of the candle in which it happened. `side`: LONG or
    SHORT, `inferred` where the source does not say it. `usd`: price times quantity.
    """

    time: IntArray
    instant: IntArray
    last_price: FloatArray
    price: FloatArray
    moved: BoolArray
    side: IntArray
    inferred: BoolArray
    usd: FloatArray

    def __len__(self) -> int:
        return len(self.time)

    def chosen(self, which: IntArray | BoolArray) -> "Placed":
        """The events that numbers or a mask choose."""
        return Placed(**{name: values[which] for name, values in vars(self).items()})


def place(events: Events, candles: Sequence[Candles]) -> tuple[Placed, int, int]:
    """Find for each event the candle in which it happened and the one before.

    Also how many events lie outside of the candles, and how many at prices off their market.

    A liquidation order's price is a limit some tenths of a percent beyond the market; the nearest
    price that was traded in its candle stands for it. A side that is not said is taken from where
    the price lies: above the last price only shorts are liquidated, below only longs.
    """
    opened, end, low, high, close = (
        np.concatenate(columns)
        for columns in zip(
            *((one.open_time, one.end_time, one.low, one.high, one.close) for one in candles),
            strict=True,
        )
    )
    candle = np.searchsorted(opened, events.time, side="right") - 1
    before = np.maximum(candle - 1, 0)
    covered = (candle > 0) & (events.time < end[candle]) & (end[before] == opened[candle])
    traded = np.clip(events.price, low[candle], high[candle])
    near = np.abs(events.price / traded - 1) <= FARTHEST_FROM_MARKET
    within = np.flatnonzero(covered & near)
    last_price = close[before[within]]
    said = events.side[within]
    inferred = np.where(events.price[within] > last_price, SHORT, LONG)
    placed = Placed(
        time=events.time[within],
        instant=opened[candle[within]],
        last_price=last_price,
        price=traded[within],
        moved=(traded != events.price)[within],
        side=np.where(said == UNKNOWN, inferred, said),
        inferred=said == UNKNOWN,
        usd=events.usd[within],
    )
    return placed, int((~covered).sum()), int((covered & ~near).sum())


@dataclass(frozen=True)
class Levels:
    """Our levels of one instant by bucket, from bucket `first` on: USDT of longs and of shorts."""

    first: int
    by_side: Mapping[int, FloatArray]


def levels_of(book: Book, first: int, count: int, bin_size: float) -> Levels:
    """The book's levels in `count` buckets of `bin_size` USDT; what lies beyond is left out."""
    by_side: dict[int, FloatArray] = {}
    for side, cohorts in ((LONG, book.longs), (SHORT, book.shorts)):
        bucket = bin_index(cohorts.liquidation_price, bin_size) - first
        inside = (bucket >= 0) & (bucket < count)
        amounts = np.bincount(bucket[inside], cohorts.notional[inside], count)
        by_side[side] = amounts.astype(np.float64)
    return Levels(first, by_side)


def median_age(book: Book, side: int, price: float, bin_size: float, time: int) -> float:
    """For how long what stands in the bucket of `price` has stood at `time`, in ms.

    The median of its USDT by entry; NaN where nothing stands.
    """
    cohorts = book.longs if side == LONG else book.shorts
    bucket = bin_index(cohorts.liquidation_price, bin_size) == bin_index(price, bin_size)
    inside = np.flatnonzero(bucket)
    if not len(inside):
        return math.nan
    order = inside[np.argsort(cohorts.entry_time[inside])]
    amounts = np.cumsum(cohorts.notional[order])
    return float(time - cohorts.entry_time[order[np.searchsorted(amounts, amounts[-1] / 2)]])


def sights(placed: Placed, levels: Mapping[int, Levels], bin_size: float) -> list[Sight]:
    """What the map showed of each event; `levels` by instant."""
    instants = np.array(sorted(levels), dtype=np.int64)
    found = []
    for number in range(len(placed)):
        instant, side = int(placed.instant[number]), int(placed.side[number])
        here = levels[instant]
        price, last = float(placed.price[number]), float(placed.last_price[number])
        first, count = _band(price, last, side, bin_size)
        band = slice(first - here.first, first - here.first + count)
        others = instants[other_times(instants, instant)]
        shifted = [levels[int(other)].by_side[side][band] for other in others]
        column = OurColumn(
            grid=Grid(first * bin_size, bin_size, count),
            ours=here.by_side[side][band],
            other_times=np.column_stack(shifted) if shifted else np.empty((count, 0)),
            price=last,
        )
        middle = (int(bin_index(price, bin_size)) + 0.5) * bin_size
        distance = side * (last - price) / last
        found.append(Sight(column, middle, int(placed.time[number]), distance))
    return found


def buckets_of(placed: Placed, bin_size: float) -> tuple[int, int]:
    """The first bucket and the number of buckets that hold the bands of all events."""
    lowest = min(placed.price.min(), placed.last_price.min() * (1 - REACH))
    highest = max(placed.price.max(), placed.last_price.max() * (1 + REACH))
    first, last = (int(bin_index(price, bin_size)) for price in (lowest, highest))
    return first, last - first + 1


def _band(price: float, last: float, side: int, bin_size: float) -> tuple[int, int]:
    """The buckets in which positions of `side` can be liquidated, up to REACH from the last price,
    and the event's own where it lies beyond: the first, and how many."""
    reach = last * (1 - side * REACH)
    buckets = [int(bin_index(at, bin_size)) for at in (price, last, reach)]
    return min(buckets), max(buckets) - min(buckets) + 1
