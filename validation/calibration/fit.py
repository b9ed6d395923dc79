"""Fits E[USD liquidated] = scale x swept^power per side, and says what that gains. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from heatmap.engine.market import BoolArray, FloatArray, IntArray
from liqheat_project.kernel.instants import DAY_MS
from validation.backtest.agreement import BACKGROUND, Intervals
from validation.compare.nulls import BOOTSTRAPS, INTERVAL

TRAINING_SHARE = 0.6
LEAST_DAYS = 14
LEAST_INTERVALS = 200
STEPS = 100
SETTLED = 1e-10


@dataclass(frozen=True)
class Power:
    """E[USD] = scale x swept^power, `swept` in USDT; at least `floor`."""

    scale: float
    power: float
    floor: float

    def expected(self, swept: FloatArray) -> FloatArray:
        """USD liquidated where `swept` USDT are [N]."""
        there = np.maximum(swept, 1e-300)
        found: FloatArray = np.where(swept > 0, self.scale * there**self.power, 0.0)
        return np.maximum(found, self.floor)


@dataclass(frozen=True)
class Fit:
    """What was fitted on all intervals, and its gain on the part that the choice did not see.

    `gain`: share of the Poisson deviance from the training's mean that the fit of the training
    explains in the rest, with the 95 % interval over its days.
    """

    turnover: float
    long: Power
    short: Power
    days: int
    intervals: int
    gain: float
    low: float
    high: float


class NotFitted(Exception):
    """Why nothing is calibrated."""


def fit(intervals: Intervals, swept: Mapping[float, FloatArray]) -> Fit:
    """Choose the turnover and fit both sides; `swept` [2, N] by turnover, of the same intervals.

    Forward-chained: turnover and fit are chosen on the first 60 % of the time, judged on the rest.
    Raises NotFitted for too few days or intervals with events, and unless the lower bound of the
    gain is above 0.
    """
    days = len(np.unique(intervals.start // DAY_MS))
    with_events = int((intervals.recorded > 0).any(axis=0).sum())
    if days < LEAST_DAYS or with_events < LEAST_INTERVALS:
        raise NotFitted(
            f"{days} days and {with_events} intervals with events are recorded; at least "
            f"{LEAST_DAYS} and {LEAST_INTERVALS} are needed"
        )
    span = intervals.start[-1] - intervals.start[0]
    first = intervals.start < intervals.start[0] + TRAINING_SHARE * span
    recorded = intervals.recorded
    trained = {
        turnover: [
            fit_power(one[first], usd[first]) for one, usd in zip(both, recorded, strict=True)
        ]
        for turnover, both in swept.items()
    }
    turnover = min(
        swept, key=lambda one: _deviances(trained[one], swept[one], recorded)[first].sum()
    )
    gain, low, high = _gain(trained[turnover], swept[turnover], recorded, first, intervals.start)
    if not low > 0:
        raise NotFitted(
            f"the gain over the mean is {gain:+.2f} ({low:+.2f} to {high:+.2f}) in the last "
            f"{1 - TRAINING_SHARE:.0%} of the time: it may be none"
        )
    long, short = (fit_power(one, usd) for one, usd in zip(swept[turnover], recorded, strict=True))
    return Fit(turnover, long, short, days, with_events, gain, low, high)


def fit_power(swept: FloatArray, recorded: FloatArray) -> Power:
    """The quasi-Poisson fit with a logarithmic link of `recorded` on log(`swept`), both [N].

    Where nothing is swept, 2 % of the mean are expected. By iteratively reweighted least squares
    (McCullagh and Nelder 1989, 2.5). Raises NotFitted where there is nothing to fit.
    """
    there = swept > 0
    if not recorded[there].any() or np.ptp(swept[there]) == 0:
        raise NotFitted("what is swept or what was recorded does not vary on one side")
    middle = np.log(swept[there]).mean()
    columns = np.column_stack([np.ones(there.sum()), np.log(swept[there]) - middle])
    target = recorded[there]
    beta = np.array([np.log(target.mean()), 0.0])
    for _ in range(STEPS):
        rate = np.exp(columns @ beta)
        working = columns @ beta + (target - rate) / rate
        weighted = columns * rate[:, None]
        following = np.linalg.solve(weighted.T @ columns, weighted.T @ working)
        # Steps of at most 1 keep a far start from running away.
        step = np.clip(following - beta, -1, 1)
        beta = beta + step
        if np.abs(step).max() < SETTLED:
            break
    else:
        raise NotFitted("the fit did not settle")
    power = float(beta[1])
    return Power(float(np.exp(beta[0] - power * middle)), power, BACKGROUND * recorded.mean())


def _deviances(fitted: list[Power], swept: FloatArray, recorded: FloatArray) -> FloatArray:
    """Poisson deviance of each interval [N], both sides together."""
    expected = np.stack([one.expected(usd) for one, usd in zip(fitted, swept, strict=True)])
    return _deviance(recorded, expected)


def _deviance(recorded: FloatArray, expected: FloatArray) -> FloatArray:
    ratio = np.where(recorded > 0, recorded, 1.0) / expected
    found: FloatArray = 2 * (recorded * np.log(ratio) - (recorded - expected)).sum(axis=0)
    return found


def _gain(
    trained: list[Power],
    swept: FloatArray,
    recorded: FloatArray,
    first: BoolArray,
    start: IntArray,
) -> tuple[float, float, float]:
    mean = recorded[:, first].mean(axis=1, keepdims=True)
    left = _deviances(trained, swept, recorded)[~first]
    whole = _deviance(recorded, np.broadcast_to(mean, recorded.shape))[~first]
    _, which = np.unique(start[~first] // DAY_MS, return_inverse=True)
    count = which.max() + 1
    by_day = np.stack([np.bincount(which, part, count) for part in (left, whole)])
    random = np.random.default_rng(0)
    drawn = random.multinomial(count, np.full(count, 1 / count), size=BOOTSTRAPS) @ by_day.T
    low, high = np.quantile(1 - drawn[:, 0] / drawn[:, 1], INTERVAL).tolist()
    return float(1 - left.sum() / whole.sum()), low, high
