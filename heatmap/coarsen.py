"""A heatmap with larger price bins, out of one with smaller ones. Pure NumPy."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import numpy as np

from heatmap.engine import Heatmap
from heatmap.engine.grid import lower_edges

LARGEST_FACTOR = 10_000
STEPS = ((1,), (2,), (5,))


def coarser(heatmap: Heatmap, factor: int) -> Heatmap:
    """The same heatmap with bins `factor` times as large, again at multiples of their size."""
    bins = round(float(heatmap.prices[0]) / heatmap.bin_size) + np.arange(len(heatmap.prices))
    groups = bins // factor
    starts = np.flatnonzero(np.diff(groups, prepend=groups[0] - 1))
    size = float(Decimal(repr(heatmap.bin_size)) * factor)
    return replace(
        heatmap,
        prices=lower_edges(int(groups[0]), len(starts), size),
        bin_size=size,
        long=replace(heatmap.long, density=_summed(heatmap.long.density, starts)),
        short=replace(heatmap.short, density=_summed(heatmap.short.density, starts)),
    )


def factors(bin_size: float) -> Iterator[int]:
    """Ascending factors that lead from a bin size to 1-2-5 steps above it."""
    size = Decimal(repr(bin_size))
    for factor in range(2, LARGEST_FACTOR + 1):
        if (size * factor).normalize().as_tuple().digits in STEPS:
            yield factor


def _summed(density: np.ndarray, starts: np.ndarray) -> np.ndarray:
    return np.add.reduceat(density, starts, axis=1)
