"""Candles of any interval out of finer ones. Pure NumPy."""

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray]

_AGGREGATES = {
    "high": np.maximum,
    "low": np.minimum,
    "volume": np.add,
    "quote_volume": np.add,
    "taker_buy_volume": np.add,
    "taker_buy_quote_volume": np.add,
    "count": np.add,
}


NO_CANDLES: Arrays = {
    name: np.empty(0, np.int64 if name in ("open_time", "count", "candles") else np.float64)
    for name in ("open_time", "open", "close", *_AGGREGATES, "candles")
}
_COLUMN_NAMES = ("open", "high", "low", "close", "volume", "quote_volume")


def aggregate(candles: Arrays, interval_ms: int) -> Arrays:
    """Candles of `interval_ms`, aligned to the epoch, out of those of a length that divides it.

    `candles` are arrays of equal length by the lake's names, ordered by `open_time` (int64 ms);
    so is the result, with `candles`, how many went into each. Intervals without a candle are left
    out. A sum with an unknown part (NaN) is unknown; candles without a trade
    give no price where there are others.
    """
    bucket = candles["open_time"] // interval_ms
    first = np.flatnonzero(np.diff(bucket, prepend=np.int64(-1)))
    if not len(first):
        return NO_CANDLES
    count = np.diff(np.append(first, len(bucket)))
    counting = _counting(candles["volume"], first, count)
    first = np.searchsorted(np.flatnonzero(counting), first)
    candles = {name: values[counting] for name, values in candles.items()}
    last = np.append(first[1:], len(candles["open_time"])) - 1
    return {
        "open_time": candles["open_time"][first] // interval_ms * interval_ms,
        "open": candles["open"][first],
        "close": candles["close"][last],
        **{name: function.reduceat(candles[name], first) for name, function in _AGGREGATES.items()},
        "candles": count,
    }


def _counting(
    volume: NDArray[np.float64], first: NDArray[np.intp], count: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """A candle without a trade repeats the last price before it, which is no price of its
    interval: it counts only where the whole interval has no trade."""
    traded = volume > 0
    return traded | np.repeat(~np.logical_or.reduceat(traded, first), count)


def at_columns(candles: Arrays, columns: NDArray[np.int64], interval_ms: int) -> Arrays:
    """Per column (int64 ms) the candle of `interval_ms` that ends there; NaN where none does."""
    opens = candles["open_time"]
    if not len(opens):
        return {name: np.full(len(columns), np.nan) for name in _COLUMN_NAMES}
    position = np.minimum(np.searchsorted(opens, columns - interval_ms), len(opens) - 1)
    found = opens[position] == columns - interval_ms
    return {name: np.where(found, candles[name][position], np.nan) for name in _COLUMN_NAMES}


def joined(parts: list[Arrays]) -> Arrays:
    """Candles of one interval, ordered parts after each other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
