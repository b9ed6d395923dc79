"""Coinglass's rule over a symbol's history: which candles a window has, and how much is usual."""

from dataclasses import dataclass

import duckdb
import numpy as np

from heatmap import candles
from heatmap.engine import COINGLASS_3, Candles, ModelParameters, traded_usdt
from heatmap.history import History, engine_candles, load_candles
from ingestion.market.datasets import INTERVALS

MOST_CANDLES = 720
"""In a window. So 24 hours have candles of 5m and two weeks of 30m, as in Coinglass's pictures."""
FINEST_MS = INTERVALS["5m"]
USUAL_MS = 7 * INTERVALS["1d"]
"""The time before a window that says how much is usually traded."""


@dataclass(frozen=True)
class Window:
    """The candles that a map by the rule is made of, and the USDT usually traded in one of them
    (None where nothing before the window is known)."""

    candles: Candles
    usual_volume: float | None


def is_coinglass(parameters: ModelParameters) -> bool:
    """Whether the parameters are those of Coinglass's rule, with its leverage mix or another."""
    return parameters.name == COINGLASS_3.name


def load_window(
    cursor: duckdb.DuckDBPyConnection, history: History, start: int, end: int
) -> Window:
    """The window from `start` to `end` (ms); candles that end later are not in it.

    It begins with the candle in which `start` lies.
    """
    step = candle_ms(history, start, end)
    start = start // step * step
    parts = [
        candles.aggregate(load_candles(cursor, history, stretch), step)
        for stretch in history.within(start, end)
    ]
    found = engine_candles(candles.joined(parts or [candles.NO_CANDLES]), step)
    complete = int(np.searchsorted(found.end_time, end, side="right"))
    return Window(found.slice(0, complete), _usual_volume(cursor, history, start, step))


def candle_ms(history: History, start: int, end: int) -> int:
    """Length (ms) of the candles of a window: the shortest from 5m on that gives at most 720 of
    them, never shorter than those loaded."""
    loaded = [stretch.interval_ms for stretch in history.within(start, end)]
    least = max((end - start) / MOST_CANDLES, FINEST_MS, *loaded)
    return next((length for length in INTERVALS.values() if length >= least), INTERVALS["1d"])


def _usual_volume(
    cursor: duckdb.DuckDBPyConnection, history: History, start: int, step: int
) -> float | None:
    traded, length = 0.0, 0
    for stretch in history.within(start - USUAL_MS, start):
        before = engine_candles(load_candles(cursor, history, stretch), stretch.interval_ms)
        traded += float(traded_usdt(before).sum())
        length += len(before.open_time) * stretch.interval_ms
    return traded / length * step if traded > 0 else None
