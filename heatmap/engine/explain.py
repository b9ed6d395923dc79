"""What is behind a cell of the heatmap."""

from dataclasses import dataclass

import numpy as np

from heatmap.engine.book import Book
from heatmap.engine.grid import bin_index
from heatmap.engine.margin import LONG
from heatmap.engine.market import FloatArray, IntArray


@dataclass(frozen=True)
class Explanation:
    """The cohorts of one side in one price bin, the largest first, one element per cohort.

    `entry_time` int64 ms UTC (end of the candle that opened it), prices and `notional` in USDT,
    `contracts` still open, `share` of the cell (sums to 1).
    """

    entry_time: IntArray
    entry_price: FloatArray
    leverage: FloatArray
    liquidation_price: FloatArray
    contracts: FloatArray
    notional: FloatArray
    share: FloatArray


def explain(book: Book, side: int, price: float, bin_size: float) -> Explanation:
    """What stands behind the bin that holds `price`, on `side` (LONG or SHORT), at the book's time.

    For a cell of an earlier column compute the heatmap of that one column and ask its book.
    """
    cohorts = book.longs if side == LONG else book.shorts
    inside = bin_index(cohorts.liquidation_price, bin_size) == bin_index(price, bin_size)
    order = np.flatnonzero(inside)
    order = order[np.argsort(-cohorts.notional[order], kind="stable")]
    notional, contracts = cohorts.notional[order], cohorts.quantity[order]
    weight = notional if notional.any() else contracts  # at a price of 0 all are worth nothing
    return Explanation(
        entry_time=cohorts.entry_time[order],
        entry_price=cohorts.entry_price[order],
        leverage=cohorts.leverage[order],
        liquidation_price=cohorts.liquidation_price[order],
        contracts=contracts,
        notional=notional,
        share=weight / weight.sum() if len(order) else weight,
    )
