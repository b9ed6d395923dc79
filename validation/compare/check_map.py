"""A picture of Coinglass's liquidation map against ours of the same instant and lookback."""

from dataclasses import asdict
from datetime import UTC, datetime, time
from typing import Any

import numpy as np
import orjson

from heatmap.build import BadRequest, HeatmapRequest
from heatmap.engine import COINGLASS_3, default_bin_size
from heatmap.history import History
from heatmap.instant import build_map
from heatmap.market import Market, market_of
from ingestion.lake import read
from ingestion.models import Symbol
from liqheat_project.kernel.instants import HOUR_MS, iso
from validation.coinglass import Reference, Unreadable
from validation.coinglass.names import range_hours
from validation.coinglass.zones import EAST, WEST
from validation.compare.check_heatmap import FINER, Comparison, Maps
from validation.compare.metrics import (
    DEFAULT_TOLERANCE,
    FloatArray,
    Grid,
    compare,
    grid_of_cells,
    resample,
)
from validation.compare.nulls import Column, lifts

LIQUIDATION_MAP = "liquidation map"
OTHER_TIMES = (0.25, 0.5, 0.75)
"""Shares of the range by which our maps at other times are older."""
MEANING = (
    "Compared with our map by Coinglass's rule for heatmaps of model 3 over the map's range. "
    "Whether Coinglass makes its liquidation map by that rule is not known: the run is a finding "
    "and counts neither for nor against an approval."
)


def check_map(symbol: Symbol, reference: Reference, seed: int) -> Comparison:
    """Compare a liquidation map with ours; `seed` draws the null models.

    Raises Unreadable, with what to do, where there is nothing to compare.
    """
    with read.snapshot() as cursor:
        market = market_of(cursor, symbol)
        history = market.history
        instant = _instant(cursor, history, reference)
        lookback = (range_hours(reference.range) or 0) * HOUR_MS
        least_size = default_bin_size(_price(reference), float(symbol.tick_size))
        instants = [instant, *(instant - round(share * lookback) for share in OTHER_TIMES)]
        built = [_profile(cursor, market, one, lookback, least_size) for one in instants]
    if built[0] is None:
        raise Unreadable(
            f"We have no data for {symbol.name} in the {reference.range} before {iso(instant)}. "
            "Load the days."
        )
    ours = built[0]
    grid = _grid(reference, ours, least_size)
    column = Column(
        grid=grid,
        reference=resample(reference.prices, reference.bin_size, reference.intensity[:, 0], grid),
        ours=resample(*ours[:3], grid),
        other_times=np.column_stack(
            [resample(*one[:3], grid) for one in built[1:] if one] or [np.empty((grid.count, 0))]
        ),
        price=ours[3],
    )
    return _comparison(reference, history, instant - lookback, instant, column, seed)


Profile = tuple[FloatArray, float, FloatArray, float]


def _profile(
    cursor: Any, market: Market, instant: int, lookback: int, least_size: float
) -> Profile | None:
    """Lower edges, size and USD of our buckets, and the price; None without data."""
    request = HeatmapRequest(
        window=None,
        start=None,
        end=None,
        interval=None,
        bin_size=max(least_size / FINER, float(market.tick_size)),
        parameters=COINGLASS_3,
        lookback=lookback,
    )
    try:
        found = build_map(cursor, market, request, instant)
    except BadRequest as error:
        raise Unreadable(f"Our map can't be built at {iso(instant)}: {error.reason}.") from error
    if found is None:
        return None
    built, _, price = found
    return built.prices, built.bin_size, (built.long + built.short).sum(axis=0), price


def _grid(reference: Reference, ours: Profile, least_size: float) -> Grid:
    try:
        return grid_of_cells(
            reference.cell_lower,
            reference.cell_size,
            least_size,
            max(reference.prices[0], ours[0][0]),
            min(reference.prices[-1] + reference.bin_size, ours[0][-1] + ours[1]),
        )
    except ValueError as error:
        raise Unreadable(f"The reference can't be compared with ours: {error}.") from error


def _instant(cursor: Any, history: History, reference: Reference) -> int:
    """The stated instant, or the end of the last candle of the stated day, wherever on Earth it is,
    that the map's current price lies in."""
    if len(reference.times):
        return int(reference.times[0])
    assert reference.map_at is not None
    midnight = datetime.combine(reference.map_at.day, time(), UTC).timestamp() * 1000
    begin, end = int(midnight) - EAST * HOUR_MS, int(midnight) + (24 - WEST) * HOUR_MS
    ends = [
        int(candles["open_time"][within][-1]) + stretch.interval_ms
        for stretch in history.within(begin, end)
        for candles in [read.candles(cursor, history.symbol, *stretch)]
        if (
            within := (candles["low"] <= _price(reference)) & (candles["high"] >= _price(reference))
        ).any()
    ]
    if not ends:
        raise Unreadable(
            f"On {reference.map_at.day} we have no candle at the map's current price, "
            f"{_price(reference):g}. Load that day."
        )
    return max(ends)


def _price(reference: Reference) -> float:
    assert reference.map_at is not None, "a liquidation map has its moment"
    return reference.map_at.price


def _comparison(
    reference: Reference, history: History, start: int, end: int, column: Column, seed: int
) -> Comparison:
    found = lifts([column], seed=seed)
    remarks = list(reference.remarks)
    if not len(reference.times):
        remarks.append(
            f"The instant was not stated: {iso(end)} is the last one of its day at which we have "
            f"the map's current price, {_price(reference):g}."
        )
    figures = {
        "source": reference.source,
        "kind": LIQUIDATION_MAP,
        "our_model": COINGLASS_3.name,
        "counted": False,
        "meaning": MEANING,
        "model": None,
        "range": reference.range,
        "window_start": iso(start),
        "window_end": iso(end),
        "data_start": iso(history.start),
        "data_end": iso(history.end),
        "columns": 1,
        "tolerance": DEFAULT_TOLERANCE,
        "bucket_size": column.grid.size,
        "price_fit_residual_px": None,
        "remarks": [MEANING, *remarks],
        "last_column": asdict(compare(column.grid, column.reference, column.ours, column.price)),
        "gaps": 0,
        "missing": [],
    }
    figures |= {figure: lift.ours for figure, lift in found["uniform"].items()}
    figures["nulls"] = {
        null: {figure: asdict(lift) for figure, lift in rows.items()}
        for null, rows in found.items()
    }
    maps = Maps(
        grid=column.grid,
        times=np.array([end], dtype=np.int64),
        reference=column.reference[:, None],
        ours=column.ours[:, None],
        price=np.array([column.price]),
    )
    return Comparison(orjson.loads(orjson.dumps(figures)), maps)
