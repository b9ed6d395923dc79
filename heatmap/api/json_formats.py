"""The two shapes of a heatmap in JSON: levels, and the sparse grid of Coinglass."""

from dataclasses import replace
from typing import Any

import numpy as np
import orjson

from heatmap.api.model import CENTS
from heatmap.build import BadRequest, Result
from heatmap.coarsen import coarser, factors
from heatmap.engine import Heatmap
from heatmap.engine.market import FloatArray
from liqheat_project.kernel.instants import iso

MOST_LEVELS = 500_000
"""Levels (or grid triplets) in one JSON answer."""


def fitted(result: Result | None, adjustable: bool) -> Result | None:
    """The result with at most MOST_LEVELS levels.

    Where nobody asked for a bin size, it grows by 1-2-5 steps until they fit. Raises BadRequest
    where it may not, or where that does not help.
    """
    if result is None:
        return None
    heatmap = result.heatmap
    count = found = _count(heatmap)
    if count > MOST_LEVELS and adjustable:
        for factor in factors(heatmap.bin_size):
            wider = coarser(heatmap, factor)
            count = _count(wider)
            if count <= MOST_LEVELS:
                return replace(result, heatmap=wider)
            if len(wider.prices) == 1:
                break
    if count > MOST_LEVELS:
        raise BadRequest(
            "interval" if adjustable else "price_bin_size",
            f"the answer would hold {found:,} levels, at most {MOST_LEVELS:,} fit into JSON: ask "
            "for a coarser price_bin_size or interval, a shorter window, or format=packed",
        )
    return result


def _count(heatmap: Heatmap) -> int:
    return int(np.count_nonzero((heatmap.long.density > 0) | (heatmap.short.density > 0)))


def levels_body(meta: dict[str, Any], result: Result | None) -> bytes:
    """`{meta, data: [{timestamp, levels, positions_created, positions_consumed}]}`."""
    if result is None:
        return orjson.dumps({"meta": meta, "data": []})
    heatmap = result.heatmap
    series = zip(
        heatmap.times.tolist(),
        heatmap.long.density,
        heatmap.short.density,
        np.round(heatmap.positions_created, CENTS).tolist(),
        np.round(heatmap.positions_consumed, CENTS).tolist(),
        strict=True,
    )
    # Column by column: all levels at once as Python objects would take ten times their bytes.
    columns = (
        orjson.dumps(
            {
                "timestamp": iso(time),
                "levels": _levels(heatmap.prices, _in_cents(long), _in_cents(short)),
                "positions_created": created,
                "positions_consumed": consumed,
            }
        )
        for time, long, short, created, consumed in series
    )
    return b'{"meta":%b,"data":[%b]}' % (orjson.dumps(meta), b",".join(columns))


def _levels(prices: FloatArray, long: FloatArray, short: FloatArray) -> list[dict[str, float]]:
    shown = (long > 0) | (short > 0)
    return [
        {"price": price, "long_density": below, "short_density": above}
        for price, below, above in zip(
            prices[shown].tolist(), long[shown].tolist(), short[shown].tolist(), strict=True
        )
    ]


def _in_cents(density: np.ndarray) -> FloatArray:
    exact: FloatArray = density.astype(np.float64)
    return np.round(exact, CENTS)


def grid_body(meta: dict[str, Any], result: Result | None) -> bytes:
    """The sparse shape of Coinglass's API v4: y_axis, liquidation_leverage_data, candles."""
    data: dict[str, Any] = {
        "y_axis": [],
        "liquidation_leverage_data": [],
        "price_candlesticks": [],
        "update_time": None,
    }
    if result is not None:
        heatmap = result.heatmap
        total = _in_cents(heatmap.long.density) + _in_cents(heatmap.short.density)
        columns, rows = np.nonzero(total > 0)
        data = {
            "y_axis": heatmap.prices.tolist(),
            "liquidation_leverage_data": list(
                zip(
                    columns.tolist(),
                    rows.tolist(),
                    np.round(total[columns, rows], CENTS).tolist(),
                    strict=True,
                )
            ),
            "price_candlesticks": _candlesticks(result),
            "update_time": int(heatmap.times[-1]),
        }
    return orjson.dumps({"meta": meta, "code": "0", "msg": "success", "data": data})


def _candlesticks(result: Result) -> list[list[Any]]:
    """[open time in seconds, "open", "high", "low", "close", "volume in USDT"] per column."""
    candles = result.candles
    quote = candles["quote_volume"]
    usdt = np.where(quote > 0, quote, candles["volume"] * candles["close"])
    values = [candles[name] for name in ("open", "high", "low", "close")]
    texts = [
        [None if number != number else format(number, ".12g") for number in series.tolist()]
        for series in (*values, np.round(usdt, CENTS))
    ]
    opens = (result.columns.times - result.columns.interval_ms) // 1000
    return [list(line) for line in zip(opens.tolist(), *texts, strict=True)]
