"""What maps without knowledge reach: the chance level of every figure.

With twenty zones and a tolerance of 1 %, random zones within 10 % of the price hit 86 % of
anything. So each figure is compared with those of four kinds of maps that know nothing of who holds
what, drawn many times.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from validation.compare.metrics import DEFAULT_TOLERANCE, FloatArray, Grid, compare

DRAWS = 200
BOOTSTRAPS = 1000
INTERVAL = (0.025, 0.975)
ROUND_STEP_SHARE = 0.01
ROUND_WIDTH = 0.1

LEAST_SHIFT = 0.25
"""Share of the window by which our map must be older or newer to be one at another time."""
MOST_OTHER_TIMES = 20

IntArray = NDArray[np.int64]
Generator = np.random.Generator


@dataclass(frozen=True, kw_only=True)
class OurColumn:
    """Our map at one instant on a grid [B] and at other times [B, K], and the price then."""

    grid: Grid
    ours: FloatArray
    other_times: FloatArray
    price: float


@dataclass(frozen=True, kw_only=True)
class Column(OurColumn):
    """One instant on a grid: ours and the reference [B]."""

    reference: FloatArray


@dataclass(frozen=True)
class Lift:
    """A figure of ours beside that of a null model, as means over the columns.

    `lift` is ours - chance, the sign turned where less is better; `low` and `high` bound its
    95 % interval. NaN where there was nothing to compare.
    """

    ours: float
    chance: float
    lift: float
    low: float
    high: float


def uniform(column: OurColumn, random: Generator, draws: int) -> FloatArray:
    """Our amounts at random places of the visible band: [draws, B]."""
    return random.permuted(np.tile(column.ours, (draws, 1)), axis=1)


def distance_only(column: OurColumn, random: Generator, draws: int) -> FloatArray:
    """Our mean amount by the distance from the price, on both sides alike, with random heights:
    [draws, B]."""
    distance = np.abs(_middles(column.grid) - column.price)
    step = np.minimum((distance / column.grid.size).astype(np.int64), column.grid.count)
    known = np.isfinite(column.ours)
    sums = np.bincount(step[known], column.ours[known], column.grid.count + 1)
    counts = np.bincount(step[known], minlength=column.grid.count + 1)
    window = np.ones(max(3, column.grid.count // 20 * 2 + 1))
    smooth = np.convolve(sums, window, "same") / np.maximum(np.convolve(counts, window, "same"), 1)
    return smooth[step] * random.exponential(size=(draws, column.grid.count))


def round_numbers(column: OurColumn, random: Generator, draws: int) -> FloatArray:
    """Peaks of random height at the multiples of a 1-2-5 step near 1 % of the price: [draws, B]."""
    decade = 10.0 ** np.floor(np.log10(column.price * ROUND_STEP_SHARE))
    chosen = random.choice([1, 2, 5], size=draws)
    middles = _middles(column.grid)
    found = np.empty((draws, column.grid.count))
    for times in np.unique(chosen):
        step = times * decade
        multiple = np.rint(middles / step)
        _, which = np.unique(multiple, return_inverse=True)
        here = chosen == times
        heights = random.exponential(size=(here.sum(), which.max() + 1))
        shape = np.exp(-(((middles - multiple * step) / (ROUND_WIDTH * step)) ** 2))
        found[here] = heights[:, which] * shape
    return found


def shifted_in_time(column: OurColumn, random: Generator, draws: int) -> FloatArray:
    """Our own map at random other times, unknown where there is none: [draws, B]."""
    others = column.other_times.shape[1]
    if not others:
        return np.full((draws, column.grid.count), np.nan)
    return column.other_times[:, random.integers(others, size=draws)].T


def other_times(times: IntArray, instant: int) -> IntArray:
    """Which of the ascending `times` [T] are other times than `instant`, for `shifted_in_time`.

    Those at least LEAST_SHIFT of their span away, evenly spread; none where all are too near.
    """
    distance = np.abs(times - instant)
    others = np.flatnonzero((distance >= LEAST_SHIFT * (times[-1] - times[0])) & (distance > 0))
    return others[:: max(1, math.ceil(len(others) / MOST_OTHER_TIMES))]


NULL_MODELS: Mapping[str, Callable[[OurColumn, Generator, int], FloatArray]] = {
    "uniform": uniform,
    "distance_only": distance_only,
    "round_numbers": round_numbers,
    "shifted_in_time": shifted_in_time,
}
LESS_IS_BETTER = frozenset({"earth_movers_distance"})


def lifts(
    columns: Sequence[Column],
    *,
    seed: int,
    tolerance: float = DEFAULT_TOLERANCE,
    draws: int = DRAWS,
) -> dict[str, dict[str, Lift]]:
    """The lift of every figure over every null model: by null model, then by figure.

    `draws` maps of each null model are shared out over the columns. The interval is a bootstrap
    over the columns, in which each is compared with one draw: of a single column the lower bound
    is above 0 where ours beats 97.5 % of the draws. Neighbouring columns are alike, so give some
    that lie apart. Raises ValueError without columns.
    """
    if not columns:
        raise ValueError("no columns to compare")
    random = np.random.default_rng(seed)
    ours = [_compare(column, column.ours, tolerance) for column in columns]
    found = {}
    for name, model in NULL_MODELS.items():
        chance = [
            [
                _compare(column, profile, tolerance)
                for profile in model(column, random, -(-draws // len(columns)))
            ]
            for column in columns
        ]
        found[name] = {
            figure: _lift(
                np.array([values[figure] for values in ours]),
                np.array([[values[figure] for values in row] for row in chance]),
                -1.0 if figure in LESS_IS_BETTER else 1.0,
                random,
            )
            for figure in ours[0]
        }
    return found


def _lift(ours: FloatArray, chance: FloatArray, sign: float, random: Generator) -> Lift:
    """`ours` [C] against `chance` [C, D]; columns without a figure are left out."""
    known = np.isfinite(ours) & np.isfinite(chance).all(axis=1)
    if not known.any():
        return Lift(*[float("nan")] * 5)
    ours, chance = ours[known], chance[known]
    columns = random.integers(len(ours), size=(BOOTSTRAPS, len(ours)))
    picks = random.integers(chance.shape[1], size=columns.shape)
    differences = sign * (ours[columns] - chance[columns, picks]).mean(axis=1)
    low, high = np.quantile(differences, INTERVAL).tolist()
    lift = sign * float(ours.mean() - chance.mean())
    return Lift(float(ours.mean()), float(chance.mean()), lift, low, high)


def _compare(column: Column, profile: FloatArray, tolerance: float) -> dict[str, float]:
    return asdict(compare(column.grid, column.reference, profile, column.price, tolerance))


def _middles(grid: Grid) -> FloatArray:
    return grid.edges[:-1] + grid.size / 2
