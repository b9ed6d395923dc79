"""The liquidation heatmap engine: pure NumPy and numba, no framework, files, database or clock.

docs/model.md explains the model. Instants are int64 milliseconds UTC, prices USDT, open interest
contracts, densities USDT.
"""

from heatmap.engine.book import Book, BookSide
from heatmap.engine.compute import Heatmap, advance, checkpoints, compute_heatmap, warm_up
from heatmap.engine.explain import Explanation, explain
from heatmap.engine.grid import default_bin_size
from heatmap.engine.liquidation_map import LiquidationMap, liquidation_map
from heatmap.engine.margin import LONG, SHORT, BracketTable, liquidation_price
from heatmap.engine.market import Candles, Gap, OpenInterest, TradedPrices
from heatmap.engine.parameters import (
    DEFAULT_LEVERAGE_WEIGHTS,
    NET_OPEN_INTEREST,
    TURNOVER,
    ModelParameters,
    model_fingerprint,
)
from heatmap.engine.run import SideColumns

__all__ = [
    "DEFAULT_LEVERAGE_WEIGHTS",
    "LONG",
    "NET_OPEN_INTEREST",
    "SHORT",
    "TURNOVER",
    "Book",
    "BookSide",
    "BracketTable",
    "Candles",
    "Explanation",
    "Gap",
    "Heatmap",
    "LiquidationMap",
    "ModelParameters",
    "OpenInterest",
    "SideColumns",
    "TradedPrices",
    "advance",
    "checkpoints",
    "compute_heatmap",
    "default_bin_size",
    "explain",
    "liquidation_map",
    "liquidation_price",
    "model_fingerprint",
    "warm_up",
]
