"""The liquidation heatmap engine: pure NumPy and numba, no framework, files, database or clock.

docs/model.md explains the model. Instants are int64 milliseconds UTC, prices USDT, open interest
contracts, densities USDT.
"""

from heatmap.engine.book import Book, BookSide
from heatmap.engine.coinglass import COINGLASS_3, coinglass_book, coinglass_heatmap, traded_usdt
from heatmap.engine.compute import Heatmap, advance, checkpoints, compute_heatmap
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
from heatmap.engine.warm_up import warm_up

__all__ = [
    "COINGLASS_3",
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
    "coinglass_book",
    "coinglass_heatmap",
    "compute_heatmap",
    "default_bin_size",
    "explain",
    "liquidation_map",
    "liquidation_price",
    "model_fingerprint",
    "traded_usdt",
    "warm_up",
]
