"""What the market did: candles, open interest and, where loaded, traded prices."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# A figure may come a little late; one that is missing doubles the distance.
LONGEST_SPACING = 1.5


@dataclass(frozen=True)
class Candles:
    """Closed candles of one symbol and one interval, ordered by time.

    `open_time` is int64 milliseconds UTC; a candle covers [open_time, open_time + interval_ms).
    Prices are in USDT, volumes in contracts, quote volume in USDT. A quote volume of zero or NaN
    means that it is not known; the same holds for `taker_buy_volume` where it is NaN.
    `mark_high` and `mark_low` hold the mark price's extremes, NaN where it is not loaded: there
    the last price decides what is liquidated.

    Raises ValueError where lengths differ, times are not int64 or do not ascend by at least one
    interval, or prices are not positive.
    """

    open_time: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    quote_volume: FloatArray
    taker_buy_volume: FloatArray
    interval_ms: int
    mark_high: FloatArray | None = None
    mark_low: FloatArray | None = None

    def __post_init__(self) -> None:
        if self.interval_ms <= 0:
            raise ValueError(f"the candle interval must be positive, not {self.interval_ms} ms")
        _to_float64(self, keep="open_time")
        for name, array in self.arrays().items():
            if len(array) != len(self.open_time):
                raise ValueError(
                    f"candles: {name} has {len(array)} values, open_time has {len(self.open_time)}"
                )
        _require_milliseconds("candles", self.open_time)
        if np.any(np.diff(self.open_time) < self.interval_ms):
            raise ValueError("candles must be ordered by open_time, without doubles or overlaps")
        for name in ("high", "low", "close"):
            prices = getattr(self, name)
            if not np.all((prices > 0) & np.isfinite(prices)):
                raise ValueError(f"candles: every {name} must be a positive number")

    def arrays(self) -> dict[str, NDArray]:
        """The arrays by name; mark prices only where they are loaded."""
        named = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: array for name, array in named.items() if isinstance(array, np.ndarray)}

    @property
    def end_time(self) -> IntArray:
        """The instants at which the candles end, int64 milliseconds UTC."""
        return self.open_time + self.interval_ms

    def slice(self, start: int, stop: int) -> "Candles":
        """The candles at the positions [start, stop)."""
        if start == 0 and stop >= len(self.open_time):
            return self
        parts = {name: array[start:stop] for name, array in self.arrays().items()}
        return Candles(interval_ms=self.interval_ms, **parts)

    def triggers(self) -> tuple[FloatArray, FloatArray]:
        """Low and high that decide about liquidations: mark price where loaded, else last."""
        return _prefer(self.mark_low, self.low), _prefer(self.mark_high, self.high)


def _prefer(mark: FloatArray | None, last: FloatArray) -> FloatArray:
    return last if mark is None else np.where(np.isfinite(mark), mark, last)


def _to_float64(data: object, keep: str) -> None:
    for name, value in vars(data).copy().items():
        if name != keep and isinstance(value, np.ndarray):
            object.__setattr__(data, name, np.asarray(value, dtype=np.float64))


def _require_milliseconds(name: str, times: NDArray) -> None:
    # A datetime64 would be taken for a number in its own unit, microseconds for instance.
    if times.dtype != np.int64:
        raise ValueError(f"{name}: times must be integer milliseconds (int64), not {times.dtype}")


@dataclass(frozen=True)
class OpenInterest:
    """Open interest in contracts; `time` (int64 ms UTC) is the instant a figure is valid at.

    `interval_ms` is the longest usual distance between two figures (5 minutes in the archive). A
    distance of more than one and a half of it is a gap. NaN figures count as missing.

    Raises ValueError where lengths differ, times are not int64 or do not ascend, or a figure is
    negative.
    """

    time: IntArray
    contracts: FloatArray
    interval_ms: int = 300_000

    def __post_init__(self) -> None:
        _to_float64(self, keep="time")
        if len(self.time) != len(self.contracts):
            raise ValueError(
                f"open interest: {len(self.time)} times, {len(self.contracts)} figures"
            )
        _require_milliseconds("open interest", self.time)
        if np.any(np.diff(self.time) <= 0):
            raise ValueError("open interest must be ordered by time, without doubles")
        if np.any(self.contracts < 0) or np.any(np.isinf(self.contracts)):
            raise ValueError("open interest must be finite and not negative")

    def known(self, after: int, until: int) -> "OpenInterest":
        """The figures that are there, valid in (after, until]."""
        keep = np.isfinite(self.contracts) & (self.time > after) & (self.time <= until)
        return OpenInterest(self.time[keep], self.contracts[keep], self.interval_ms)


@dataclass(frozen=True)
class TradedPrices:
    """Volume by traded price, ordered by time: aggTrades, best summed by minute and price first.

    `time` int64 ms UTC, `price` USDT, `volume` contracts. Raises ValueError where lengths differ,
    or times are not int64 or not ordered.
    """

    time: IntArray
    price: FloatArray
    volume: FloatArray

    def __post_init__(self) -> None:
        _to_float64(self, keep="time")
        if not len(self.time) == len(self.price) == len(self.volume):
            raise ValueError("trades need one time, price and volume each")
        _require_milliseconds("trades", self.time)
        if np.any(np.diff(self.time) < 0):
            raise ValueError("trades must be ordered by time")


class Gap(NamedTuple):
    """A stretch [start, end) without data; `kind` is "candles", "open_interest" or "volume"."""

    kind: str
    start: int
    end: int


def unknown_volume(candles: Candles) -> BoolArray:
    """The candles whose price moved though nothing is said to have been traded, [N]."""
    return ~(candles.volume > 0) & (candles.high > candles.low)


def volume_gaps(candles: Candles, start: int, end: int) -> list[Gap]:
    """The stretches within [start, end), int64 ms UTC, whose volume is not known."""
    first = int(np.searchsorted(candles.end_time, start, side="right"))
    last = int(np.searchsorted(candles.open_time, end, side="left"))
    part = candles.slice(first, max(first, last))
    edges = np.diff(unknown_volume(part).astype(np.int8), prepend=0, append=0)
    return [
        Gap(
            "volume", max(int(part.open_time[begin]), start), min(int(part.end_time[stop - 1]), end)
        )
        for begin, stop in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True)
    ]


def gaps_between(candles: Candles, open_interest: OpenInterest, start: int, end: int) -> list[Gap]:
    """The gaps that touch [start, end], both int64 ms UTC, ordered by start.

    Missing data at both ends count. Candles must be there without a break; open interest may be
    one and a half of its interval apart.
    """
    figures = open_interest.time[np.isfinite(open_interest.contracts)]
    spacing = LONGEST_SPACING * open_interest.interval_ms
    stretches = (
        ("candles", candles.end_time, candles.open_time, 0.0),
        ("open_interest", figures, figures, spacing),
    )
    found = []
    for kind, lasts, nexts, allowed in stretches:
        lasts, nexts = np.append(start, lasts), np.append(nexts, end)
        missing = (nexts - lasts > allowed) & (nexts > start) & (lasts < end)
        for i in np.flatnonzero(missing):
            found.append(Gap(kind, max(int(lasts[i]), start), min(int(nexts[i]), end)))
    return sorted(found, key=lambda gap: (gap.start, gap.kind))
