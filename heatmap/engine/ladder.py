"""Where cohorts lie by their key, and which of them a price sweeps: found without a search.

A key is a liquidation price for longs and its negative for shorts, so that for both sides the
position with the highest key is liquidated first. Cohorts lie on places: a place is one step of
the price inside one price bin. It knows what its cohorts hold together, so that nothing looks at
them when a price sweeps the whole place.
"""

import numpy as np

from heatmap.engine.kernel import kernel

# Levels closer than this (in bins) to an edge of a bin lie on it: see TOUCH_TOLERANCE.
EDGE_TOLERANCE = 1e-9
STEP_BITS = 11
"""A step is 2^-11 of a power of two, 0.02 to 0.05 % of the price: few cohorts share one."""
# A step is what the exponent and the first bits of a float's fraction say.
SHIFT = 52 - STEP_BITS
LOWEST_EXPONENT, EXPONENTS = -34, 64
LOWEST_STEP, STEPS = (1023 + LOWEST_EXPONENT) << STEP_BITS, EXPONENTS << STEP_BITS

PLACE = np.dtype(
    [
        ("count", np.int32),
        ("first", np.int32),
        ("newest", np.int32),
        ("bin", np.int32),
        ("contracts", np.float64),
        ("value", np.float64),
    ]
)
"""A place: how many open cohorts it has, the first and the newest of them, its bin, and what they
hold: contracts and USDT, / scale. All but `count` mean nothing where there are none."""
Ladder = np.ndarray
"""All places, by number."""


def empty_ladder(bin_count: int) -> Ladder:
    """All places, without a cohort.

    The steps are the same for every market and time, so that nothing depends on later prices.
    """
    return np.zeros(STEPS + bin_count + 1, PLACE)


@kernel
def bin_of(price, bins):
    """The bin of a price; -1 is below all, their number above all."""
    position = np.floor(price / bins.size + EDGE_TOLERANCE) - bins.first
    return int(min(max(position, -1.0), float(len(bins.density))))


@kernel
def place_of(price, bin_, bins):
    """The place of a price in the bin `bin_`; a higher key is never on a lower place."""
    step = (np.float64(price).view(np.int64) >> SHIFT) - LOWEST_STEP
    place = min(max(step, 0), STEPS - 1) + bin_ + 1
    return place if bins.side > 0 else STEPS + len(bins.density) - place
