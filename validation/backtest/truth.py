"""The use case: what our models sweep against what was really liquidated, interval by interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np

from heatmap.build import (
    MODELS,
    HeatmapRequest,
    build_candles,
    build_heatmap,
    columns_of,
)
from heatmap.coinglass import is_coinglass
from heatmap.engine import Heatmap, ModelParameters
from heatmap.engine.market import FloatArray, IntArray
from heatmap.history import History, engine_candles, load_open_interest
from heatmap.market import Market, market_of
from ingestion.lake import read
from ingestion.lake.liquidations import heard_share, heard_spans
from ingestion.models import Symbol
from liqheat_project.kernel.instants import DAY_MS, HOUR_MS
from validation.backtest.agreement import BySide, Intervals, agreement
from validation.backtest.events import Events
from validation.backtest.intervals import intervals_of, recorded_in, sweeping_nulls, swept_by
from validation.backtest.liquidated import FACTOR
from validation.backtest.run import NoData
from validation.backtest.sights import place
from validation.backtest.sums import Sums

MOST_INTERVALS = 2_000
"""Intervals that are compared, the newest ones; 83 days of hours."""
LEAST_HEARD = 0.99
"""Share of an hour in which liquidations must have been listened for."""
COINGLASS_WINDOW_MS = 14 * DAY_MS
"""How long before the first interval a map by Coinglass's rule, which begins empty, begins."""
INTERVALS = {HOUR_MS: "1h", DAY_MS: "1d"}


@dataclass(frozen=True)
class Truth:
    """What `truth` found: by model how well it agrees, and how much it sweeps.

    `swept` [2, N] USDT by model, `intervals` what it is held against. `fall`: USDT by which open
    interest fell, from figure to figure, in the intervals together; each side fell by as much.
    """

    intervals: Intervals
    models: dict[str, BySide]
    swept: dict[str, FloatArray]
    fall: float

    def usd_a_day(self) -> dict[str, FloatArray]:
        """USD of longs and of shorts: recorded, by model, and the fall of open interest."""
        days = len(self.intervals) * self.intervals.interval_ms / DAY_MS
        amounts = {
            "recorded": self.intervals.recorded.sum(axis=1),
            **{model: swept.sum(axis=1) for model, swept in self.swept.items()},
            "fall of open interest": np.full(2, self.fall),
        }
        return {name: usd / days for name, usd in amounts.items()}

    def remarks(self) -> list[str]:
        """Amounts that are more than a factor of FACTOR apart; empty where none are."""
        usd = self.usd_a_day()
        return [
            f"{model} sweeps {usd[model][number] / usd[other][number]:,.3g} times as many USD of "
            f"{side} as {what}"
            for model in self.swept
            for other, what in (("recorded", "were recorded"), ("fall of open interest", "left"))
            for number, side in enumerate(("longs", "shorts"))
            if usd[other][number] > 0
            and not 1 / FACTOR <= usd[model][number] / usd[other][number] <= FACTOR
        ]


def truth(
    symbol: Symbol,
    found: Events | Sums,
    models: Sequence[str],
    *,
    seed: int,
    recorded: bool = False,
) -> Truth:
    """Hold what each of `models` (names of MODELS) sweeps against real liquidations.

    Which hours count: of sums those that are there; of events the lake recorded, those in which it
    listened; of others, which do not say when they listened, those with any event. Beside each
    model stand a book that knows the distance only, our book at another time, and the first model.
    Raises NoData.
    """
    with read.snapshot() as cursor:
        market = market_of(cursor, symbol)
        history = market.history
        intervals = intervals_with(cursor, history, found, recorded)
        heatmaps = {model: heatmap_of(cursor, market, intervals, MODELS[model]) for model in models}
        fall = _fall(cursor, history, intervals)
    swept = {model: swept_by(heatmap, intervals) for model, heatmap in heatmaps.items()}
    compared = {}
    for model, heatmap in heatmaps.items():
        nulls = sweeping_nulls(heatmap, intervals)
        if model != models[0]:
            nulls[models[0]] = swept[models[0]][None]
        compared[model] = agreement(intervals, swept[model], nulls, seed=seed)
    return Truth(intervals, compared, swept, fall)


def _fall(cursor: duckdb.DuckDBPyConnection, history: History, intervals: Intervals) -> float:
    start, length = intervals.start, intervals.interval_ms
    figures = load_open_interest(cursor, history, int(start[0]), int(start[-1]) + length)
    number = np.searchsorted(start, figures.time[1:], side="left") - 1
    number = np.maximum(number, 0)
    inside = (figures.time[1:] > start[number]) & (figures.time[1:] <= start[number] + length)
    falls = np.maximum(-np.diff(figures.contracts), 0) * intervals.price[number]
    return float(np.nansum(falls[inside]))


def intervals_with(
    cursor: duckdb.DuckDBPyConnection, history: History, found: Events | Sums, recorded: bool
) -> Intervals:
    """The newest MOST_INTERVALS that lie within our candles, a day after they begin.

    `recorded`: whether `found` are the lake's own events. Raises NoData.
    """
    length = found.interval_ms if isinstance(found, Sums) else HOUR_MS
    if isinstance(found, Sums):
        start, usd = found.start, found.usd
    else:
        start = _hours(cursor, history.symbol, found, recorded)
        usd = np.zeros((2, len(start)))
    newest = int(start[-1]) if len(start) else 0
    inside = (start >= history.start + DAY_MS) & (start + length <= history.end)
    inside &= start > newest - MOST_INTERVALS * length
    start, usd = start[inside], usd[:, inside]
    if not len(start):
        raise NoData(
            f"No hour or day of the liquidations of {history.symbol} lies within its candles, a "
            "day after they begin. Load the days (ingest_klines, ingest_oi)."
        )
    hours = build_candles(cursor, history, "1h", int(start[0]) - DAY_MS, int(start[-1]) + length)
    candles = engine_candles(hours, HOUR_MS)
    if isinstance(found, Events):
        placed, _, _ = place(found, [candles])
        usd = recorded_in(placed, start, length)
    return intervals_of(start, length, usd, candles).known()


def _hours(
    cursor: duckdb.DuckDBPyConnection, symbol: str, events: Events, recorded: bool
) -> IntArray:
    if not recorded:
        return np.unique(events.time // HOUR_MS) * HOUR_MS
    first, last = int(events.time[0]) // HOUR_MS, int(events.time[-1]) // HOUR_MS + 1
    spans = heard_spans(cursor, first * HOUR_MS, last * HOUR_MS).get(symbol, [])
    hours = np.arange(first, last, dtype=np.int64) * HOUR_MS
    heard = [heard_share(spans, hour, hour + HOUR_MS) >= LEAST_HEARD for hour in hours.tolist()]
    return hours[np.array(heard, dtype=bool)]


def heatmap_of(
    cursor: duckdb.DuckDBPyConnection,
    market: Market,
    intervals: Intervals,
    parameters: ModelParameters,
) -> Heatmap:
    """Our map at the ends of all intervals from before the first to the last. Raises NoData."""
    request = HeatmapRequest(
        window=None,
        start=int(intervals.start[0]),
        end=int(intervals.start[-1]) + intervals.interval_ms,
        interval=INTERVALS[intervals.interval_ms],
        bin_size=None,
        parameters=parameters,
        lookback=COINGLASS_WINDOW_MS if is_coinglass(parameters) else None,
    )
    columns = columns_of(request, market.history)
    result = build_heatmap(cursor, market, request, columns)
    if result is None:
        raise NoData(f"{market.symbol} has no candles between its liquidations.")
    return result.heatmap
