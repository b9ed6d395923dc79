"""What is behind a cell of the heatmap."""

from dataclasses import dataclass

import numpy as np

from heatmap.engine.book import Book
from heatmap.engine.grid import bin_index
from heatmap.engine.margin import LONG
from heatmap.engine.market import FloatArray, IntArray


@dataclass(frozen=True)
class Explanation:
    """The entries of one side in one price bin, the largest first: one element for each time of
    entry and leverage.

    `entry_time` int64 ms UTC (end of the candle that opened it), prices and `notional` in USDT,
    `contracts` still open, `share` of the cell (sums to 1). An entry that is spread over several
    prices of the bin has their mean, weighted with its contracts.
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
    inside = np.flatnonzero(
        bin_index(cohorts.liquidation_price, bin_size) == bin_index(price, bin_size)
    )
    times, leverages = cohorts.entry_time[inside], cohorts.leverage[inside]
    order = np.lexsort((leverages, times))
    first = np.flatnonzero(
        np.diff(times[order], prepend=times[order[:1]] - 1).astype(bool)
        | np.diff(leverages[order], prepend=0.0).astype(bool)
    )
    inside = inside[order]

    def summed(values: FloatArray) -> FloatArray:
        return np.add.reduceat(values, first) if len(first) else values

    quantity = cohorts.quantity[inside]
    contracts, notional = summed(quantity), summed(cohorts.notional[inside])
    held = np.where(contracts > 0, contracts, 1)
    entry_price = summed(quantity * cohorts.entry_price[inside]) / held
    liquidation_price = summed(quantity * cohorts.liquidation_price[inside]) / held
    weight = notional if notional.any() else contracts  # at a price of 0 all are worth nothing
    largest = np.argsort(-notional, kind="stable")
    return Explanation(
        entry_time=times[order][first][largest],
        entry_price=entry_price[largest],
        leverage=leverages[order][first][largest],
        liquidation_price=liquidation_price[largest],
        contracts=contracts[largest],
        notional=notional[largest],
        share=(weight / weight.sum() if len(weight) else weight)[largest],
    )
