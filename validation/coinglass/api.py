"""Coinglass's API answer for a liquidation heatmap, version 4 and the names of version 3."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from validation.coinglass.reference import FloatArray, IntArray, Reference, Unreadable

MAX_BYTES = 50 * 1024 * 1024
MAX_CELLS = 10_000_000
UNEVEN = 0.05


def read_api_response(content: bytes, *, symbol: str, model: int | None, range: str) -> Reference:
    """The heatmap of an answer of `/api/futures/liquidation/(aggregated-)heatmap/model{1,2,3}`.

    `y_axis` [B] price levels, `liquidation_leverage_data` triplets (column, level, USD),
    `price_candlesticks` rows that begin with the column's seconds UTC. A level is taken as its
    bucket's lower edge. Raises Unreadable.
    """
    data = _data(content)
    levels = _numbers(_first(data, "y_axis", "y"), "y_axis")
    triplets = _table(_first(data, "liquidation_leverage_data", "liq"), 3, "liquidation data")
    times = _times(_first(data, "price_candlesticks", "prices"))
    bin_size = _bin_size(levels)
    if levels.size * times.size > MAX_CELLS:
        raise Unreadable(f"The answer has {levels.size} x {times.size} cells, too many to hold.")
    intensity = _fill(triplets, levels.size, times.size)
    return Reference(
        source="api",
        symbol=symbol,
        model=model,
        range=range,
        times=times,
        prices=levels[0] + bin_size * np.arange(levels.size),
        bin_size=bin_size,
        cell_lower=float(levels[0]),
        cell_size=bin_size,
        intensity=intensity,
        maximum_usd=float(intensity.max()),
        remarks=(
            "Coinglass does not say where in its bucket a price level lies; taken as the lower "
            "edge.",
        ),
        price_fit_residual_px=None,
    )


def _data(content: bytes) -> Mapping[str, Any]:
    if len(content) > MAX_BYTES:
        raise Unreadable(f"The answer has {len(content):,} bytes, more than {MAX_BYTES:,} allowed.")
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"The answer is not JSON: {error}") from error
    if not isinstance(answer, dict):
        raise Unreadable("The answer is not a JSON object; save the API's whole answer.")
    code = str(answer.get("code", "0"))
    if code not in ("0", "200"):
        raise Unreadable(f"Coinglass answered with code {code}: {str(answer.get('msg'))[:200]}")
    data = answer.get("data", answer)
    if not isinstance(data, dict):
        raise Unreadable("The answer's data is not an object; was a heatmap asked for?")
    return data


def _first(data: Mapping[str, Any], *names: str) -> Any:
    for name in names:
        if name in data:
            return data[name]
    raise Unreadable(f"The answer has no {names[0]}; it is not that of a liquidation heatmap.")


def _numbers(value: Any, name: str) -> FloatArray:
    try:
        numbers = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise Unreadable(f"The answer's {name} holds something else than numbers.") from error
    if numbers.size == 0 or not np.isfinite(numbers).all():
        raise Unreadable(f"The answer's {name} is empty or holds a number that is not finite.")
    return numbers


def _table(rows: Any, columns: int, name: str) -> FloatArray:
    table = _numbers(rows, name)
    if table.ndim != 2 or table.shape[1] != columns:
        raise Unreadable(f"The answer's {name} does not have rows of {columns} numbers.")
    return table


def _times(rows: Any) -> IntArray:
    if not isinstance(rows, list) or not all(isinstance(row, list) and row for row in rows):
        raise Unreadable("The answer's candlesticks are not a list of rows.")
    seconds = _numbers([row[0] for row in rows], "candlesticks")
    if seconds.ndim != 1 or (np.diff(seconds) <= 0).any() or not 0 < seconds[-1] < 1e11:
        raise Unreadable("The answer's candlesticks are not in the order of seconds.")
    return np.asarray(np.rint(seconds * 1000), dtype=np.int64)


def _bin_size(levels: FloatArray) -> float:
    if levels.ndim != 1 or levels.size < 2 or levels[0] <= 0:
        raise Unreadable("The answer's y_axis is not a list of at least two prices.")
    steps = np.diff(levels)
    size = float((levels[-1] - levels[0]) / (levels.size - 1))
    if size <= 0 or np.abs(steps - size).max() > UNEVEN * size:
        raise Unreadable("The answer's price levels are not evenly spaced and ascending.")
    return size


def _fill(triplets: FloatArray, levels: int, columns: int) -> FloatArray:
    place = triplets[:, :2].astype(np.int64)
    inside = (place >= 0).all() and place[:, 0].max() < columns and place[:, 1].max() < levels
    if not inside or (place != triplets[:, :2]).any() or (triplets[:, 2] < 0).any():
        raise Unreadable(
            f"The answer's liquidation data points outside of its {columns} columns and {levels} "
            "levels, or is negative."
        )
    intensity = np.zeros((levels, columns))
    np.add.at(intensity, (place[:, 1], place[:, 0]), triplets[:, 2])
    return intensity
