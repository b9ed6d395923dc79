"""A reference map against ours of the same window: the figures, and what was compared."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from heatmap.build import (
    MODELS,
    BadRequest,
    HeatmapRequest,
    Result,
    build_heatmap,
    columns_of,
)
from heatmap.engine import COINGLASS_3, default_bin_size
from heatmap.market import Market, market_of
from ingestion.lake import read
from ingestion.models import Symbol
from liqheat_project.kernel.instants import iso
from validation.coinglass import Reference, Unreadable
from validation.coinglass.cells import with_held_prices
from validation.compare import rules
from validation.compare.metrics import (
    DEFAULT_TOLERANCE,
    FloatArray,
    Grid,
    compare,
    grid_of_cells,
    resample,
)
from validation.compare.nulls import Column, Lift, lifts, other_times
from validation.compare.time_zone import place_in_time

COMPARED_COLUMNS = 12
FINER = 5
"""By how much our bins are finer than those that are served, so that the reference's cells, which
begin elsewhere, can be filled from them."""
MOST_GAPS_NAMED = 100


@dataclass(frozen=True)
class Maps:
    """Both maps on their common grid [B, T], at the instants that both have (ms UTC [T]).

    `price` [T] is the close at each instant. What either does not know is NaN.
    """

    grid: Grid
    times: NDArray[np.int64]
    reference: FloatArray
    ours: FloatArray
    price: FloatArray


@dataclass(frozen=True)
class Comparison:
    """What was found, as JSON can hold it (null where not known), and what was compared."""

    figures: dict[str, Any]
    maps: Maps


def check(symbol: Symbol, reference: Reference, seed: int) -> Comparison:
    """Compare a reference with our map of the same window; `seed` draws the null models.

    Raises Unreadable, with what to do, where the two have nothing in common.
    """
    with read.snapshot() as cursor:
        market = market_of(cursor, symbol)
        history = market.history
        reference = place_in_time(cursor, history, reference)
        reference = with_held_prices(reference)
        least_size = _served_bin_size(symbol, reference)
        ours = _our_map(cursor, market, reference, least_size / FINER)
    maps = _maps(reference, ours, least_size)
    columns = _columns(maps, ours)
    found = lifts(columns, seed=seed)
    last = columns[-1]
    figures = {
        "source": reference.source,
        "model": reference.model,
        "range": reference.range,
        "our_model": rules.model_for(reference.model),
        "counted": rules.is_counted(reference.model),
        "meaning": rules.meaning_for(reference.model),
        "time_zone": reference.time_zone,
        "window_start": _iso(int(reference.times[0])),
        "window_end": _iso(int(reference.times[-1])),
        "data_start": _iso(history.start),
        "data_end": _iso(history.end),
        "columns": len(columns),
        "tolerance": DEFAULT_TOLERANCE,
        "bucket_size": maps.grid.size,
        "price_fit_residual_px": reference.price_fit_residual_px,
        "remarks": list(reference.remarks),
        "last_column": asdict(compare(last.grid, last.reference, last.ours, last.price)),
        "gaps": len(ours.heatmap.gaps),
        "missing": [
            {"kind": gap.kind, "start": _iso(gap.start), "end": _iso(gap.end)}
            for gap in ours.heatmap.gaps[:MOST_GAPS_NAMED]
        ],
    }
    figures |= {figure: lift.ours for figure, lift in found["uniform"].items()}
    figures["nulls"] = {null: _rows(rows) for null, rows in found.items()}
    return Comparison(orjson.loads(orjson.dumps(figures)), maps)


def _served_bin_size(symbol: Symbol, reference: Reference) -> float:
    """The price bins that the API shows by default in the reference's band, USDT."""
    middle = float(reference.prices[len(reference.prices) // 2])
    return default_bin_size(middle, float(symbol.tick_size))


def _our_map(cursor: Any, market: Market, reference: Reference, bin_size: float) -> Result:
    history = market.history
    model = rules.model_for(reference.model)
    request = HeatmapRequest(
        window=None,
        start=int(reference.times[0]),
        end=int(reference.times[-1]),
        interval=None,
        bin_size=max(bin_size, float(market.tick_size)),
        parameters=MODELS[model],
        lookback=0 if model == COINGLASS_3.name else None,
    )
    try:
        columns = columns_of(request, history)
        result = build_heatmap(cursor, market, request, columns)
    except BadRequest as error:
        raise Unreadable(
            f"Our map can't be built over the reference's window: {error.reason}."
        ) from error
    if result is None:
        covered = (
            f"data covers {_iso(history.start)} to {_iso(history.end)}"
            if history.end
            else "nothing is loaded"
        )
        raise Unreadable(
            f"We have no data for {market.symbol} in the reference's window, "
            f"{_iso(request.start or 0)} to {_iso(request.end or 0)}; {covered}. Load the days."
        )
    return result


def _maps(reference: Reference, ours: Result, least_size: float) -> Maps:
    """Both on the reference's cells, at our instants for which the reference has a column."""
    heatmap = ours.heatmap
    try:
        grid = grid_of_cells(
            reference.cell_lower,
            reference.cell_size,
            least_size,
            max(reference.prices[0], heatmap.prices[0]),
            min(reference.prices[-1] + reference.bin_size, heatmap.prices[-1] + heatmap.bin_size),
        )
    except ValueError as error:
        raise Unreadable(f"The reference can't be compared with ours: {error}.") from error
    matching = _matching_columns(reference, ours)
    if not len(matching):
        raise Unreadable("No column of the reference lies within our data; load its days.")
    theirs, own = matching.T
    planes = _planes(ours)
    return Maps(
        grid=grid,
        times=ours.columns.times[own],
        reference=np.column_stack(
            [
                resample(reference.prices, reference.bin_size, reference.intensity[:, one], grid)
                for one in theirs
            ]
        ),
        ours=np.column_stack([_on(grid, ours, planes[one]) for one in own]),
        price=ours.candles["close"][own],
    )


def _columns(maps: Maps, ours: Result) -> list[Column]:
    """The last columns of equal parts of the window, each with ours of other times.

    Not the first column of all: a map that begins empty has nothing to compare there.
    """
    found, planes = [], _planes(ours)
    ends = np.linspace(0, len(maps.times) - 1, COMPARED_COLUMNS + 1)[1:]
    for number in np.unique(ends.astype(int)).tolist():
        others = other_times(ours.columns.times, int(maps.times[number]))
        shifted = [_on(maps.grid, ours, planes[other]) for other in others]
        found.append(
            Column(
                grid=maps.grid,
                reference=maps.reference[:, number],
                ours=maps.ours[:, number],
                other_times=np.column_stack(shifted) if shifted else np.empty((maps.grid.count, 0)),
                price=float(maps.price[number]),
            )
        )
    return found


def _planes(ours: Result) -> FloatArray:
    heatmap = ours.heatmap
    return (heatmap.long_density + heatmap.short_density).astype(np.float64)


def _matching_columns(reference: Reference, ours: Result) -> Any:
    """Pairs of column numbers [N, 2]: for each of ours the nearest of theirs, where it is near."""
    times = ours.columns.times
    right = np.clip(np.searchsorted(reference.times, times), 1, max(len(reference.times) - 1, 1))
    candidates = np.stack([right - 1, np.minimum(right, len(reference.times) - 1)])
    distance = np.abs(reference.times[candidates] - times)
    nearest = candidates[distance.argmin(axis=0), np.arange(len(times))]
    usable = (distance.min(axis=0) <= ours.columns.interval_ms) & np.isfinite(ours.candles["close"])
    return np.column_stack([nearest, np.arange(len(times))])[usable]


def _on(grid: Grid, ours: Result, values: FloatArray) -> FloatArray:
    return resample(ours.heatmap.prices, ours.heatmap.bin_size, values, grid)


def _rows(figures: dict[str, Lift]) -> dict[str, dict[str, float]]:
    return {figure: asdict(lift) for figure, lift in figures.items()}


def _iso(milliseconds: int) -> str:
    return iso(milliseconds // 1000 * 1000)  # to the second
