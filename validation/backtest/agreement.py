"""How well the volume that a map sweeps agrees with what was really liquidated. Pure.

Arrays are [2, N]: longs first, then shorts, over N intervals of time.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from heatmap.engine.market import FloatArray, IntArray
from liqheat_project.kernel.instants import DAY_MS, HOUR_MS
from validation.compare.metrics import ranks
from validation.compare.nulls import BOOTSTRAPS, INTERVAL, Lift

SIDES = ("long", "short", "both")
FIGURES = ("rank", "rank_given_move", "rank_given_extremes", "direct")
BACKGROUND = 0.02
"""Share of the volume that `direct` spreads evenly, so that an interval without any sweep may still
see a liquidation."""
SMALLEST_VARIANCE = 1e-9
"""Of ranks, by their number squared: below it nothing varies but rounding."""
LEAST_DAYS = 10
"""Days from which on blocks are days; below, they are of SHORT_BLOCK_MS."""
SHORT_BLOCK_MS = 6 * HOUR_MS


@dataclass(frozen=True)
class Intervals:
    """What happened in N intervals that begin at `start` (int64 ms UTC, ascending).

    `recorded` [2, N]: USD really liquidated. `price` [N]: at which the interval opens. `move`
    [2, N]: how far the price went from it towards the side's liquidations, a share of it, 0 or
    more. `beyond` [2, N, 3]: how far beyond the extremes of the 1, 4 and 24 hours before, likewise.
    """

    start: IntArray
    interval_ms: int
    recorded: FloatArray
    price: FloatArray
    move: FloatArray
    beyond: FloatArray

    def __len__(self) -> int:
        return len(self.start)

    def known(self) -> "Intervals":
        """Those in which the price is known, and in the day before."""
        there = np.isfinite(self.move).all(axis=0) & np.isfinite(self.beyond).all(axis=(0, 2))
        return Intervals(
            self.start[there],
            self.interval_ms,
            self.recorded[:, there],
            self.price[there],
            self.move[:, there],
            self.beyond[:, there],
        )

    @property
    def block_ms(self) -> int:
        """The length of the blocks over which intervals of confidence are drawn."""
        days = len(np.unique(self.start // DAY_MS))
        return DAY_MS if days >= LEAST_DAYS else max(SHORT_BLOCK_MS, self.interval_ms)


@dataclass(frozen=True)
class Agreement:
    """A figure of one side with its 95 % interval, and its lift over each null model."""

    value: float
    low: float
    high: float
    lifts: dict[str, Lift]


BySide = dict[str, dict[str, Agreement]]
"""By side (SIDES), then by figure (FIGURES)."""


def direct_share(
    recorded: FloatArray, swept: FloatArray, weights: FloatArray | None = None
) -> FloatArray:
    """The share of Poisson deviance that the shape of `swept` [N] alone explains, [W].

    `swept` is scaled to the total of `recorded` [N], with BACKGROUND spread evenly: 1 is all of the
    deviance from the mean, 0 none; below 0 the mean says more. `weights` [W, N] count each
    observation; without them each counts once. NaN where nothing was recorded or it does not vary.
    """
    weights = np.ones((1, len(recorded))) if weights is None else weights
    total, count = weights @ recorded, weights.sum(axis=1)
    sweep = weights @ swept
    with np.errstate(divide="ignore", invalid="ignore"):
        shape = np.where(sweep[:, None] > 0, swept / sweep[:, None], 1 / count[:, None])
        expected = total[:, None] * ((1 - BACKGROUND) * shape + BACKGROUND / count[:, None])
        mean = (total / count)[:, None]
        # Both expectations sum to the total, so the deviances keep their logarithms only.
        left = np.where(recorded > 0, recorded * np.log(recorded / expected), 0.0)
        whole = np.where(recorded > 0, recorded * np.log(recorded / mean), 0.0)
        share: FloatArray = 1 - (weights * left).sum(axis=1) / (weights * whole).sum(axis=1)
    return np.where(np.isfinite(share), share, np.nan)


def rank_share(
    recorded: FloatArray,
    swept: FloatArray,
    given: FloatArray,
    weights: FloatArray | None = None,
) -> FloatArray:
    """The rank correlation of `swept` with `recorded` [N], given the columns of `given` [N, G].

    What the ranks of `given` say of both in a straight line is taken out (partial correlation); no
    columns give Spearman's. [W] by the `weights` [W, N]. NaN where one of the two does not vary.
    """
    weights = np.ones((1, len(recorded))) if weights is None else weights
    columns = np.column_stack([ranks(column) for column in (swept, recorded, *given.T)])
    columns -= columns.mean(axis=0)
    count = weights.sum(axis=1)
    means = weights @ columns / count[:, None]
    products = np.einsum("ni,nj->nij", columns, columns).reshape(len(columns), -1)
    moments = (weights @ products / count[:, None]).reshape(-1, columns.shape[1], columns.shape[1])
    covariance = moments - means[:, :, None] * means[:, None, :]
    pair = covariance[:, :2, :2]
    if given.shape[1]:
        others, cross = covariance[:, 2:, 2:], covariance[:, :2, 2:]
        pair = pair - cross @ np.linalg.pinv(others, hermitian=True) @ cross.transpose(0, 2, 1)
    spread = np.minimum(pair[:, 0, 0], pair[:, 1, 1])
    varies = spread > SMALLEST_VARIANCE * len(recorded) ** 2
    found = np.full(len(pair), np.nan)
    found[varies] = pair[varies, 0, 1] / np.sqrt(pair[varies, 0, 0] * pair[varies, 1, 1])
    return found


def agreement(
    intervals: Intervals,
    swept: FloatArray,
    nulls: Mapping[str, FloatArray],
    *,
    seed: int,
) -> BySide:
    """The figures of `swept` [2, N], beside those of null models [K, 2, N].

    Intervals of confidence are a bootstrap over blocks of time (`Intervals.block_ms`): what is
    liquidated within a few hours is one move of the market. Each draw compares with one of a null
    model's K variants.
    """
    weights = _block_weights(intervals, np.random.default_rng(seed))
    return {
        side: {
            figure: _agreement(intervals, side, figure, swept, nulls, weights) for figure in FIGURES
        }
        for side in SIDES
    }


def _agreement(
    intervals: Intervals,
    side: str,
    figure: str,
    swept: FloatArray,
    nulls: Mapping[str, FloatArray],
    weights: FloatArray,
) -> Agreement:
    value = float(_figure(intervals, side, figure, swept, None)[0])
    draws = _figure(intervals, side, figure, swept, weights)
    lifts = {}
    for name, variants in nulls.items():
        chance = [_figure(intervals, side, figure, one, None)[0] for one in variants]
        drawn = np.full(len(weights), np.nan)
        for number, one in enumerate(variants):
            part = slice(number, None, len(variants))
            drawn[part] = _figure(intervals, side, figure, one, weights[part])
        by_chance = _mean(np.array(chance))
        lifts[name] = Lift(value, by_chance, value - by_chance, *_bounds(draws - drawn))
    return Agreement(value, *_bounds(draws), lifts)


def _figure(
    intervals: Intervals, side: str, figure: str, swept: FloatArray, weights: FloatArray | None
) -> FloatArray:
    chosen = {"long": [0], "short": [1], "both": [0, 1]}[side]
    recorded, mine = intervals.recorded[chosen].ravel(), swept[chosen].ravel()
    if weights is not None:
        weights = np.tile(weights, len(chosen))
    if figure == "direct":
        return direct_share(recorded, mine, weights)
    move, beyond = intervals.move[chosen].ravel(), intervals.beyond[chosen]
    given = {
        "rank": np.empty((len(mine), 0)),
        "rank_given_move": move[:, None],
        "rank_given_extremes": np.column_stack([move, beyond.reshape(len(move), -1)]),
    }[figure]
    return rank_share(recorded, mine, given, weights)


def _block_weights(intervals: Intervals, random: np.random.Generator) -> FloatArray:
    """How often each interval is drawn [BOOTSTRAPS, N]."""
    blocks, which = np.unique(intervals.start // intervals.block_ms, return_inverse=True)
    even = np.full(len(blocks), 1 / len(blocks))
    return random.multinomial(len(blocks), even, size=BOOTSTRAPS).astype(np.float64)[:, which]


def _bounds(draws: FloatArray) -> tuple[float, float]:
    known = draws[np.isfinite(draws)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, INTERVAL).tolist()
    return low, high


def _mean(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
