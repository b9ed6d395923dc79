"""A heatmap of the outside world, as the validation compares it with ours."""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def _nothing() -> FloatArray:
    return np.empty(0)


class Unreadable(Exception):
    """A file that can't be read as a heatmap, or not be compared; the text says what is wrong and
    what to do. `needs_time_zone`: with the browser's time zone it could be."""

    def __init__(self, reason: str, needs_time_zone: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.needs_time_zone = needs_time_zone


@dataclass(frozen=True)
class TimeLabel:
    """A label of the time axis: the column of pixels it stands at, where column i covers i to
    i + 1, and the date and time of the browser's clock, without a time zone."""

    column: float
    at: datetime


@dataclass(frozen=True)
class Reference:
    """A liquidation heatmap by another source.

    `source`: "screenshot" or "api". `range`: its window, such as "24h". `times`: ms UTC [T], the
    instant of each column; empty where the picture does not say them. `prices`: the buckets' lower
    edges [B], ascending, `bin_size` apart. `intensity`: USD [B, T], NaN where something covers the
    map. Of a screenshot a bucket is one row of pixels and a column one column of pixels: each holds
    the value of the cell it shows, so that neighbours repeat it and must not be added up.
    `cell_lower` and `cell_size`: a price at which one of the map's own cells begins, and how high
    they are; of a screenshot whose cells could not be seen, those of the rows.
    `maximum_usd`: what the highest colour stands for. `price_fit_residual_px`: how far the worst
    tick lies from the straight line through all of them. `remarks`: what limits the reading.
    `labels`: of the time axis, with which the columns get their instants once the time zone is
    known. `candle_high`, `candle_low`: how far the candles over the map reach in each column, USD
    [T], NaN where none is seen; empty where the source shows none. `time_zone`: the browser's where
    it was not stated but found.
    """

    source: str
    symbol: str
    model: int | None
    range: str
    times: IntArray
    prices: FloatArray
    bin_size: float
    cell_lower: float
    cell_size: float
    intensity: FloatArray
    maximum_usd: float | None
    remarks: tuple[str, ...]
    price_fit_residual_px: float | None
    labels: tuple[TimeLabel, ...] = ()
    candle_high: FloatArray = field(default_factory=_nothing)
    candle_low: FloatArray = field(default_factory=_nothing)
    time_zone: str = ""
