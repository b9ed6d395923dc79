"""Price bins: their size, their range, and which prices they hold.

Bins are anchored at multiples of the bin size and labelled by their lower edge, so a level is in
the same bin whatever window is asked for.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from heatmap.engine.ladder import EDGE_TOLERANCE
from heatmap.engine.market import FloatArray, IntArray

LARGEST_BIN = 0.001
LARGEST_PLANE = 50_000_000
WIDEST_REACH = 0.5


def default_bin_size(price: float, tick_size: float) -> float:
    """The largest 1-2-5 step that is at most 0.1 % of the price (so above 0.04 %), in USDT.

    Never below the tick. Raises ValueError for prices or ticks that are not positive.
    """
    if not (0 < price < math.inf and 0 < tick_size < math.inf):
        raise ValueError(f"price {price} and tick size {tick_size} must be positive numbers")
    largest = price * LARGEST_BIN * (1 + EDGE_TOLERANCE)
    exponent = math.floor(math.log10(largest))
    # 10^exponent by way of text, so that 0.0001 is the float that "0.0001" names.
    steps = [float(f"{digit}e{power}") for power in (exponent, exponent + 1) for digit in (1, 2, 5)]
    return max(max(step for step in steps if step <= largest), tick_size)


def coarsest_needed(low: float, high: float, most_bins: int) -> float:
    """The smallest 1-2-5 step (USDT) that holds [low, high] in at most `most_bins`, 3 or more."""
    size = (high - low) / (most_bins - 2)  # both ends may lie in the middle of a bin
    exponent = math.floor(math.log10(size))
    steps = [float(f"{digit}e{power}") for power in (exponent, exponent + 1) for digit in (1, 2, 5)]
    return min(step for step in steps if step >= size)


def default_price_range(
    lows: FloatArray, highs: FloatArray, lowest_leverage: float
) -> tuple[float, float]:
    """From below the lowest low to above the highest high, in USDT.

    The reach on both sides is one and a quarter of the distance at which the lowest leverage is
    liquidated (25 % for 5x), at most half the price: what opens in the window stays visible.
    """
    reach = min(1.25 / lowest_leverage, WIDEST_REACH)
    return float(lows.min()) * (1 - reach), float(highs.max()) * (1 + reach)


def bin_index(price: ArrayLike, bin_size: float) -> IntArray:
    """Which multiple of the bin size is the lower edge of the bin that holds the price."""
    return np.floor(np.asarray(price) / bin_size + EDGE_TOLERANCE).astype(np.int64)


def bin_span(low: float, high: float, bin_size: float) -> tuple[int, int]:
    """First bin and number of bins that hold [low, high]. Raises ValueError if not low <= high."""
    if not (0 < bin_size < math.inf):
        raise ValueError(f"the bin size must be a positive number, not {bin_size}")
    if not (0 <= low <= high < math.inf):
        raise ValueError(f"the price range {low} to {high} is not one")
    first, last = math.floor(low / bin_size), math.floor(high / bin_size + EDGE_TOLERANCE)
    return first, last - first + 1


def lower_edges(first: int, count: int, bin_size: float) -> FloatArray:
    """The lower edges of `count` bins from bin `first` on, in USDT, without binary dust."""
    decimals = max(0, 9 - math.floor(math.log10(bin_size)))
    return np.round(np.arange(first, first + count) * bin_size, decimals)
