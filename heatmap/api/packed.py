"""A heatmap as bytes for the page: a JSON header, then the series, then two planes of log codes."""

import math
from functools import cache
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from heatmap.build import Result

LAYOUT_NUMBER = 2
"""One more with every change of what LAYOUT says, for pages that were open before it."""
DECADES = 6
CODES_PER_DECADE = 100
SERIES = ("open", "high", "low", "close", "positions_created", "positions_consumed")
ALIGNMENT = 8
# The upper bits of a float32 (sign, exponent, 10 of the mantissa) name it to 0.05 %; a code, to
# 1.2 %, finer than any colour: more codes are bytes for digits that nobody sees.
DROPPED_BITS = 13
COLUMNS_AT_ONCE = 64
NOTHING = -(2**30)

LAYOUT = f"""Little-endian, for T columns and B price rows:

1. uint32 H, then H bytes of UTF-8 JSON, filled up with spaces so that what follows starts at a
   multiple of 8: `{{layout, meta, columns: T, rows: B, first_time, interval_ms, first_price,
   price_bin_size, largest, decades, codes_per_decade, series}}`. `layout` is {LAYOUT_NUMBER}; with
   another number the bytes mean something else. Column i stands at
   `first_time + i * interval_ms` (ms UTC), row j is the bucket from
   `first_price + j * price_bin_size` on.
2. float32 [6, T]: the `series` one after the other: open, high, low, close of the candle that
   ends at the column (NaN where there is none), positions_created, positions_consumed (USDT).
3. uint16 [B, T]: longs, row 0 first (the lowest price), within a row time goes up. Each number is
   a code less the one before it in its row, modulo 65536; a row's first is the code itself.
4. uint16 [B, T]: shorts, the same.

A code of 0 is nothing, or less than `largest / 10^decades`. Any other code c stands for
`largest * 10^((c - 1) / codes_per_decade - decades)` USDT; no density is above `largest`, which is
a power of 10^(1 / codes_per_decade). Without data T and B are 0 and the header ends with
`series`."""


def packed_body(meta: dict[str, Any], result: Result | None) -> bytes:
    """The answer as LAYOUT describes it."""
    if result is None:
        nothing = {"columns": 0, "rows": 0, "series": SERIES}
        return b"".join(_header({"layout": LAYOUT_NUMBER, "meta": meta, **nothing}))
    heatmap, candles = result.heatmap, result.candles
    planes = (heatmap.long.density, heatmap.short.density)
    exponent = largest_exponent(*planes)
    header = {
        "layout": LAYOUT_NUMBER,
        "meta": meta,
        "columns": len(heatmap.times),
        "rows": len(heatmap.prices),
        "first_time": int(heatmap.times[0]),
        "interval_ms": result.columns.interval_ms,
        "first_price": float(heatmap.prices[0]),
        "price_bin_size": heatmap.bin_size,
        "largest": 10 ** (exponent / CODES_PER_DECADE),
        "decades": DECADES,
        "codes_per_decade": CODES_PER_DECADE,
        "series": SERIES,
    }
    series = [candles[name] for name in SERIES[:4]]
    series += [heatmap.positions_created, heatmap.positions_consumed]
    codes = (differences(log_codes(plane, exponent)) for plane in planes)
    arrays = [np.stack(series).astype("<f4"), *codes]
    return b"".join([*_header(header), *(array.data for array in arrays)])


def largest_exponent(*planes: NDArray[np.float32]) -> int:
    """The least k for which no density is above 10^(k / CODES_PER_DECADE)."""
    largest = max(float(plane.max(initial=0.0)) for plane in planes)
    return math.ceil(math.log10(largest) * CODES_PER_DECADE) if largest > 0 else 0


def log_codes(density: NDArray[np.float32], largest_exponent: int) -> NDArray[np.uint16]:
    """The codes [B, T] of a plane [T, B] of densities that are not negative."""
    most = DECADES * CODES_PER_DECADE + 1
    table = np.clip(_logarithms() + (most - largest_exponent), 0, most).astype(np.uint16)
    bits = np.ascontiguousarray(density).view(np.uint32)
    codes = np.empty(density.shape[::-1], np.dtype("<u2"))
    for start in range(0, len(bits), COLUMNS_AT_ONCE):  # what fits into the processor's cache
        part = slice(start, start + COLUMNS_AT_ONCE)
        codes[:, part] = table.take(bits[part] >> DROPPED_BITS).T
    return codes


def differences(codes: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Each code [B, T] less the one before it in its row, modulo 65536.

    A level that stays for days is then a row of zeros, which compresses best.
    """
    return np.diff(codes, axis=1, prepend=np.uint16(0)).astype("<u2", copy=False)


@cache
def _logarithms() -> NDArray[np.int64]:
    """Rounded logarithms in codes, by the upper bits of a float32 that is not negative."""
    bits = np.arange(1 << (31 - DROPPED_BITS), dtype=np.uint32) << DROPPED_BITS
    middles = (bits | (1 << (DROPPED_BITS - 1))).view(np.float32)
    middles = np.where(np.isfinite(middles), middles, 1).astype(np.float64)
    codes = np.rint(np.log10(middles) * CODES_PER_DECADE)
    codes[0] = NOTHING
    return codes.astype(np.int64)


def _header(header: dict[str, Any]) -> tuple[bytes, bytes]:
    text = orjson.dumps(header)
    text += b" " * (-(4 + len(text)) % ALIGNMENT)
    return len(text).to_bytes(4, "little"), text
