"""A plain way to the brightest zones of a column, to compare with what the eye sees."""

import numpy as np

from validation.coinglass import Reference


def brightest_zones(reference: Reference, count: int) -> list[tuple[float, float]]:
    """Price of the middle and USD of the local maxima of the last column, largest first."""
    seen = np.isfinite(reference.intensity[:, -1])
    usd = reference.intensity[seen, -1]
    prices = reference.prices[seen] + reference.bin_size / 2
    starts = np.flatnonzero(np.concatenate(([True], np.diff(usd) != 0)))
    ends = np.append(starts[1:], len(usd)) - 1
    levels = np.concatenate(([-1.0], usd[starts], [-1.0]))
    peaks = (levels[1:-1] > levels[:-2]) & (levels[1:-1] > levels[2:])
    middles = (prices[starts] + prices[ends]) / 2
    zones = zip(middles[peaks].tolist(), levels[1:-1][peaks].tolist(), strict=True)
    return sorted(zones, key=lambda zone: -zone[1])[:count]
