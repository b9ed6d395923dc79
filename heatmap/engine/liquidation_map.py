"""The liquidation map: one instant of the book, by price and leverage."""

from dataclasses import dataclass

import numpy as np

from heatmap.engine import grid
from heatmap.engine.book import Book, BookSide
from heatmap.engine.market import FloatArray


@dataclass(frozen=True)
class LiquidationMap:
    """USDT to be liquidated at B price bins by N leverages.

    `prices` [B]: lower edges, USDT; `leverages` [N] ascending; `long` and `short` [N, B].
    `cumulative_long` [B]: all longs liquidated when the price falls to the bin's lower edge;
    `cumulative_short` [B]: all shorts liquidated when it rises through the bin.
    """

    prices: FloatArray
    bin_size: float
    leverages: FloatArray
    long: FloatArray
    short: FloatArray
    cumulative_long: FloatArray
    cumulative_short: FloatArray


def liquidation_map(
    book: Book, price: float, bin_size: float, price_range: tuple[float, float] | None = None
) -> LiquidationMap:
    """The map of `book` around the current `price`, with bins of `bin_size` USDT.

    By default the range is that of a heatmap of one candle at `price`, with the lowest leverage
    in the book. Levels beyond the range are in neither the bins nor the curves.
    """
    sides = (book.longs, book.shorts)
    leverages = np.unique(np.concatenate([side.leverage for side in sides]))
    if price_range is None:
        lowest = float(leverages[0]) if len(leverages) else np.inf
        price_range = grid.default_price_range(np.array([price]), np.array([price]), lowest)
    first, count = grid.bin_span(*price_range, bin_size)
    if count * max(len(leverages), 1) > grid.LARGEST_PLANE:
        raise ValueError(f"{count} price bins are too many: choose a bin size above {bin_size}")
    long, short = (_by_leverage(side, leverages, first, count, bin_size) for side in sides)
    return LiquidationMap(
        prices=grid.lower_edges(first, count, bin_size),
        bin_size=bin_size,
        leverages=leverages,
        long=long,
        short=short,
        cumulative_long=np.cumsum(long.sum(axis=0)[::-1])[::-1],
        cumulative_short=np.cumsum(short.sum(axis=0)),
    )


def _by_leverage(
    side: BookSide, leverages: FloatArray, first: int, count: int, bin_size: float
) -> FloatArray:
    position = grid.bin_index(side.liquidation_price, bin_size) - first
    shown = (position >= 0) & (position < count)
    row = np.searchsorted(leverages, side.leverage[shown])
    cell = row * count + position[shown]
    plane = np.bincount(cell, side.notional[shown], minlength=len(leverages) * count)
    return plane.astype(np.float64).reshape(len(leverages), count)
