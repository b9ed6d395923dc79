"""What was liquidated and what our map swept, interval by interval. Pure.

Arrays are [2, N]: longs first, then shorts, over N intervals of time.
"""

import math

import numpy as np

from heatmap.engine import LONG, SHORT, Candles, Heatmap
from heatmap.engine.market import FloatArray, IntArray
from liqheat_project.kernel.instants import HOUR_MS
from validation.backtest.agreement import Intervals
from validation.backtest.sights import Placed
from validation.compare.nulls import LEAST_SHIFT, MOST_OTHER_TIMES

BEFORE_HOURS = (1, 4, 24)
"""The extremes beyond which a move may go: of so many hours before it."""
DISTANCES = np.concatenate([[0.0], np.geomspace(0.0005, 0.5, 61)])
"""Edges of the distances from the price, shares of it, by which `distance_only` knows density."""


def recorded_in(placed: Placed, start: IntArray, interval_ms: int) -> FloatArray:
    """USD liquidated in each interval [2, N], of events; what lies in none is left out."""
    number = np.searchsorted(start, placed.time, side="right") - 1
    inside = (number >= 0) & (placed.time < start[number] + interval_ms)
    return np.stack(
        [
            np.bincount(number[chosen], placed.usd[chosen], len(start))
            for chosen in (inside & (placed.side == side) for side in (LONG, SHORT))
        ]
    ).astype(np.float64)


def intervals_of(
    start: IntArray, interval_ms: int, recorded: FloatArray, candles: Candles
) -> Intervals:
    """The intervals with what the price did in each; NaN where `candles` do not say.

    `candles` must be no longer than an interval, of an hour at most, and reach back a day.
    """
    price = np.full(len(start), np.nan)
    move = np.full((2, len(start)), np.nan)
    beyond = np.full((2, len(start), len(BEFORE_HOURS)), np.nan)
    first = np.searchsorted(candles.open_time, start)
    last = np.searchsorted(candles.open_time, start + interval_ms)
    since = [np.searchsorted(candles.open_time, start - hours * HOUR_MS) for hours in BEFORE_HOURS]
    for number in np.flatnonzero(first < last):
        here = slice(first[number], last[number])
        opened = price[number] = candles.open[first[number]]
        low, high = candles.low[here].min(), candles.high[here].max()
        move[:, number] = max(opened - low, 0) / opened, max(high - opened, 0) / opened
        for column, begin in enumerate(since):
            before = slice(begin[number], first[number])
            if before.start < before.stop:
                lowest, highest = candles.low[before].min(), candles.high[before].max()
                beyond[:, number, column] = (
                    max(lowest - low, 0) / opened,
                    max(high - highest, 0) / opened,
                )
    return Intervals(start, interval_ms, recorded, price, move, beyond)


def swept_by(heatmap: Heatmap, intervals: Intervals) -> FloatArray:
    """USDT that the model liquidated in each interval [2, N].

    The heatmap's columns are the ends of all intervals from before the first to the last.
    """
    rows = np.searchsorted(heatmap.times, intervals.start + intervals.interval_ms)
    return np.stack([heatmap.long.consumed[rows], heatmap.short.consumed[rows]])


def sweeping_nulls(heatmap: Heatmap, intervals: Intervals) -> dict[str, FloatArray]:
    """What books that know less sweep by the same moves, by null model [K, 2, N].

    `distance_only`: a book whose density depends on the distance from the price only, our mean one.
    `another_time`: our own book of another interval, at least a quarter of them away.
    """
    price = intervals.price
    rows = np.searchsorted(heatmap.times, intervals.start)
    edges = np.append(heatmap.prices, heatmap.prices[-1] + heatmap.bin_size)
    by_distance, elsewhere = [], []
    for number, (side, columns) in enumerate(((LONG, heatmap.long), (SHORT, heatmap.short))):
        below = np.cumsum(np.pad(columns.density, ((0, 0), (1, 0))), axis=1, dtype=np.float64)
        move = intervals.move[number]
        mean = np.mean(
            [
                _swept(edges, below[row], at, at * (1 - side * DISTANCES))
                for row, at in zip(rows, price, strict=True)
            ],
            axis=0,
        )
        by_distance.append(np.interp(move, DISTANCES, mean))
        reached = price * (1 - side * move)
        elsewhere.append(
            [
                [
                    _swept(edges, below[row], at, end)
                    for row, at, end in zip(np.roll(rows, shift), price, reached, strict=True)
                ]
                for shift in _shifts(len(intervals))
            ]
        )
    return {
        "distance_only": np.stack(by_distance)[None],
        "another_time": np.array(elsewhere).transpose(1, 0, 2),
    }


def _swept(edges: FloatArray, below: FloatArray, price: float, reached: FloatArray) -> FloatArray:
    """What lies between a price and those that are reached, of the sums `below` each edge."""
    swept: FloatArray = np.abs(np.interp(reached, edges, below) - np.interp(price, edges, below))
    return swept


def _shifts(count: int) -> IntArray:
    """By how many intervals another time's map is older or newer: LEAST_SHIFT of them at least."""
    least = max(1, math.ceil(LEAST_SHIFT * count))
    shifts = np.arange(least, max(count - least, least) + 1)
    return shifts[:: max(1, math.ceil(len(shifts) / MOST_OTHER_TIMES))]
