"""Compile the engine before the first question."""

import numpy as np

from heatmap.engine.coinglass import COINGLASS_3, coinglass_heatmap
from heatmap.engine.compute import compute_heatmap
from heatmap.engine.margin import BracketTable
from heatmap.engine.market import Candles, OpenInterest
from heatmap.engine.parameters import TURNOVER


def warm_up() -> None:
    """Compile the engine (some seconds, once per machine: numba keeps the result on disk)."""
    ones = np.ones(3)
    candles = Candles(np.arange(3), ones, ones, ones, ones, ones, ones, ones, interval_ms=1)
    open_interest = OpenInterest(np.arange(4), np.array([1.0, 2.0, 1.0, 2.0]), interval_ms=1)
    brackets = (BracketTable(0, *(np.array([value]) for value in (0, 1, 0, 0, 100))),)
    columns = np.array([2, 3])
    compute_heatmap(candles, open_interest, brackets, TURNOVER, columns, 1.0)
    coinglass_heatmap(candles, COINGLASS_3, columns, 1.0)
