"""How alike two liquidation maps are at one instant. Prices in USDT; a profile is USDT by bucket.

Every figure compares a reference with ours on a common grid of price buckets. None of them means
anything without its chance level: `validation.compare.nulls` gives that.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

DEFAULT_TOLERANCE = 0.005
"""Share of the price within which two zones count as the same."""

ZONE_QUANTILE = 0.9
OVERLAP_QUANTILE = 0.8
LEAST_KNOWN_SHARE = 0.5


@dataclass(frozen=True)
class Grid:
    """Price buckets: `count` of `size` USDT, the first from `lower` on."""

    lower: float
    size: float
    count: int

    @property
    def edges(self) -> FloatArray:
        """The buckets' edges [count + 1]."""
        return self.lower + self.size * np.arange(self.count + 1, dtype=np.float64)


@dataclass(frozen=True)
class Zones:
    """Price levels that stand out: their prices and how much lies there, the largest first."""

    prices: FloatArray
    weights: FloatArray


@dataclass(frozen=True)
class Figures:
    """What `compare` found; NaN where there was nothing to compare.

    `hit_rate`: share of the reference's zones, by weight, that lie within tolerance of one of ours;
    `hit_rate_unweighted`: by number. `price_level_overlap`: Jaccard index of the buckets above the
    80 % quantile of each. `rank_correlation`: Spearman's, -1 to 1. `earth_movers_distance`: how far
    ours must be shifted to become the reference, in % of the price, when both sum to 1.
    """

    hit_rate: float
    hit_rate_unweighted: float
    price_level_overlap: float
    rank_correlation: float
    earth_movers_distance: float


def grid_of_cells(
    cell_lower: float, cell_size: float, least_size: float, lower: float, upper: float
) -> Grid:
    """Buckets within `lower` and `upper` made of whole cells, one of which begins at `cell_lower`.

    As many cells to a bucket as make it at least `least_size`. No cell is cut in two: a level on a
    border would be spread over two buckets, and the same map would not look the same.
    Raises ValueError where there is no room for two buckets.
    """
    size = cell_size * max(1, math.ceil(least_size / cell_size - 1e-9))
    first = math.ceil((lower - cell_lower) / size - 1e-9)
    count = math.floor((upper - cell_lower) / size + 1e-9) - first
    if count < 2:
        raise ValueError(f"the maps have no prices in common above {lower:g} and below {upper:g}")
    return Grid(cell_lower + first * size, size, count)


def resample(prices: FloatArray, size: float, values: FloatArray, grid: Grid) -> FloatArray:
    """The mean of `values` over each bucket of `grid`, by the share that each covers of it.

    `prices` are the evenly spaced lower edges of buckets of `size`. A mean and not a sum, because
    neighbouring rows of a picture repeat the value of one cell. NaN where less than half of the
    bucket is known.
    """
    known = np.isfinite(values)
    edges = np.append(prices, prices[-1] + size)
    covered = _integral(edges, known * size, grid.edges)
    amount = _integral(edges, np.where(known, values, 0.0) * size, grid.edges)
    enough = covered >= LEAST_KNOWN_SHARE * grid.size
    return np.divide(amount, covered, out=np.full(grid.count, np.nan), where=enough)


def find_zones(
    grid: Grid,
    profile: FloatArray,
    quantile: float = ZONE_QUANTILE,
    tolerance: float = DEFAULT_TOLERANCE,
) -> Zones:
    """Local maxima at or above a quantile of the amounts above zero.

    Of several within `tolerance` (a share of the price) only the largest stays, the lower one of
    equals. A plateau counts once, at its middle.
    """
    values = np.nan_to_num(profile, nan=0.0)
    begins = np.flatnonzero(np.diff(values, prepend=np.nan) != 0)
    ends = np.append(begins[1:], len(values))
    heights = values[begins]
    left, right = np.append(-np.inf, heights[:-1]), np.append(heights[1:], -np.inf)
    positive = values[values > 0]
    floor = np.quantile(positive, quantile) if len(positive) else np.inf
    peaks = (heights > left) & (heights > right) & (heights >= floor)
    middles = grid.lower + grid.size * (begins + ends)[peaks] / 2
    heights = heights[peaks]
    kept: list[int] = []
    for candidate in np.lexsort((middles, -heights)).tolist():
        if all(abs(middles[candidate] / middles[one] - 1) > tolerance for one in kept):
            kept.append(candidate)
    return Zones(middles[kept], heights[kept])


def hit_rate(
    reference: Zones, ours: Zones, tolerance: float = DEFAULT_TOLERANCE
) -> tuple[float, float]:
    """Share of the reference's zones within `tolerance` of one of ours: by weight, by number.

    NaN without a zone in the reference, 0 without one of ours.
    """
    if not len(reference.prices):
        return float("nan"), float("nan")
    distance = np.abs(ours.prices[None, :] / reference.prices[:, None] - 1)
    hit = (distance <= tolerance).any(axis=1)
    return float(reference.weights[hit].sum() / reference.weights.sum()), float(hit.mean())


def price_level_overlap(
    reference: FloatArray, ours: FloatArray, quantile: float = OVERLAP_QUANTILE
) -> float:
    """Jaccard index of the buckets above zero and at or above each profile's own quantile.

    Of two independent profiles without ties it is 0.11 at a quantile of 0.8. NaN where one of
    them is empty.
    """
    known = np.isfinite(reference) & np.isfinite(ours)
    tops = [_top(profile[known], quantile) for profile in (reference, ours)]
    if not all(top.any() for top in tops):
        return float("nan")
    return float((tops[0] & tops[1]).sum() / (tops[0] | tops[1]).sum())


def rank_correlation(first: FloatArray, second: FloatArray) -> float:
    """Spearman's rank correlation, equal values sharing their mean rank; NaN without variation."""
    both = ranks(first), ranks(second)
    if any(len(rank) < 2 or np.ptp(rank) == 0 for rank in both):
        return float("nan")
    return float(np.corrcoef(both[0], both[1])[0, 1])


def earth_movers_distance(first: FloatArray, second: FloatArray) -> float:
    """How many buckets the one must be shifted to become the other when both sum to 1.

    In one dimension the area between the two cumulative distributions. NaN where one is empty.
    """
    if not (first.sum() > 0 and second.sum() > 0):
        return float("nan")
    return float(np.abs(np.cumsum(first / first.sum() - second / second.sum())).sum())


def compare(
    grid: Grid,
    reference: FloatArray,
    ours: FloatArray,
    price: float,
    tolerance: float = DEFAULT_TOLERANCE,
) -> Figures:
    """All figures of two profiles on `grid`; buckets unknown to either are left out of both."""
    known = np.isfinite(reference) & np.isfinite(ours)
    reference, ours = np.where(known, reference, np.nan), np.where(known, ours, np.nan)
    weighted, unweighted = hit_rate(
        find_zones(grid, reference, tolerance=tolerance),
        find_zones(grid, ours, tolerance=tolerance),
        tolerance,
    )
    distance = earth_movers_distance(reference[known], ours[known])
    return Figures(
        hit_rate=weighted,
        hit_rate_unweighted=unweighted,
        price_level_overlap=price_level_overlap(reference, ours),
        rank_correlation=rank_correlation(reference[known], ours[known]),
        earth_movers_distance=distance * grid.size / price * 100,
    )


def density_percentiles(grid: Grid, profiles: FloatArray, price: float) -> FloatArray:
    """Share of the buckets that hold less than the one at `price`, equals counting half; 0 to 1.

    One for each of the D `profiles` [D, B]. Give it the book just before an event: 0.5 is what a
    random price gets in the mean. NaN where the price lies outside of the grid or its bucket is
    unknown.
    """
    bucket = int(np.floor((price - grid.lower) / grid.size))
    if not 0 <= bucket < grid.count:
        return np.full(len(profiles), np.nan)
    here = profiles[:, bucket, None]
    known = np.isfinite(profiles)
    below = (known & (profiles < here)).sum(axis=1)
    equal = (known & (profiles == here)).sum(axis=1)
    return np.where(
        known[:, bucket], (below + equal / 2) / np.maximum(known.sum(axis=1), 1), np.nan
    )


def _top(profile: FloatArray, quantile: float) -> NDArray[np.bool_]:
    if not len(profile):
        return np.zeros(0, dtype=bool)
    return (profile > 0) & (profile >= np.quantile(profile, quantile))


def _integral(edges: FloatArray, amounts: FloatArray, at: FloatArray) -> FloatArray:
    return np.diff(np.interp(at, edges, np.append(0.0, np.cumsum(amounts))))


def ranks(values: FloatArray) -> FloatArray:
    """Ranks from 1 on, equal values sharing their mean rank."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[which]
