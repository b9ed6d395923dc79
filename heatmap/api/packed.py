"""A heatmap as bytes for the page: a JSON header, then the series, then two planes of log codes."""

from typing import Any

import numpy as np
import orjson

from heatmap.build import Result

DECADES = 6
CODES_PER_DECADE = 1000
SERIES = ("open", "high", "low", "close", "positions_created", "positions_consumed")
ALIGNMENT = 8


def packed_body(meta: dict[str, Any], result: Result | None) -> bytes:
    """Little-endian throughout, for T columns and B price rows:

    - uint32 H, then H bytes of JSON, filled up with spaces so that what follows starts at a
      multiple of 8: `{meta, columns: T, rows: B, first_time, interval_ms, first_price,
      price_bin_size, largest, decades, codes_per_decade, series}`, times in ms UTC;
    - float32 [6, T]: the `series` one after the other, the candle that ends at each column (NaN
      where there is none), USDT created and consumed;
    - uint16 [B, T], longs: row 0 is the lowest price, within a row time goes up;
    - uint16 [B, T], shorts.

    A code of 0 is nothing, or less than `largest` / 10^decades; any other code c stands for
    largest * 10^((c - 1) / codes_per_decade - decades) USDT. `largest` is the largest density of
    both planes.
    """
    if result is None:
        return _with_header({"meta": meta, "columns": 0, "rows": 0, "series": SERIES}, [])
    heatmap, candles = result.heatmap, result.candles
    planes = [heatmap.long.density, heatmap.short.density]
    largest = max(float(plane.max(initial=0.0)) for plane in planes)
    header = {
        "meta": meta,
        "columns": len(heatmap.times),
        "rows": len(heatmap.prices),
        "first_time": int(heatmap.times[0]),
        "interval_ms": result.columns.interval_ms,
        "first_price": float(heatmap.prices[0]),
        "price_bin_size": heatmap.bin_size,
        "largest": largest,
        "decades": DECADES,
        "codes_per_decade": CODES_PER_DECADE,
        "series": SERIES,
    }
    series = [candles[name] for name in SERIES[:4]]
    series += [heatmap.positions_created, heatmap.positions_consumed]
    return _with_header(
        header,
        [np.stack(series).astype("<f4"), *(log_codes(plane, largest).T for plane in planes)],
    )


def log_codes(density: np.ndarray, largest: float) -> np.ndarray:
    """The codes of a plane, uint16 of the same shape."""
    codes = np.zeros(density.shape, "<u2")
    floor = largest / 10**DECADES
    shown = density >= max(floor, np.finfo(np.float32).tiny)
    logarithms = np.log10(density[shown] / np.float32(floor))
    codes[shown] = np.rint(logarithms * CODES_PER_DECADE).astype("<u2") + 1
    return codes


def _with_header(header: dict[str, Any], arrays: list[np.ndarray]) -> bytes:
    text = orjson.dumps(header)
    text += b" " * (-(4 + len(text)) % ALIGNMENT)
    parts = [len(text).to_bytes(4, "little"), text]
    return b"".join([*parts, *(np.ascontiguousarray(array).tobytes() for array in arrays)])
