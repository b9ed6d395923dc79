"""The fit against markets whose scale and power are known."""

import numpy as np
import pytest

from liqheat_project.kernel.instants import HOUR_MS
from validation.backtest.agreement import Intervals
from validation.calibration.fit import NotFitted, fit, fit_power

HOURS = 24 * 30


def market(seed: int, hours: int = HOURS) -> tuple[Intervals, np.ndarray]:
    """Recorded USD are 0.02 x swept^0.8 for longs and twice that for shorts, with noise."""
    random = np.random.default_rng(seed)
    swept = random.lognormal(14, 1, (2, hours)) * (random.random((2, hours)) < 0.7)
    noise = random.gamma(2, 0.5, swept.shape)
    recorded = np.array([[0.02], [0.04]]) * swept**0.8 * noise
    start = np.arange(hours, dtype=np.int64) * HOUR_MS
    nothing = np.zeros((2, hours))
    hours_ = Intervals(start, HOUR_MS, recorded, np.ones(hours), nothing, np.zeros((2, hours, 3)))
    return hours_, swept


def test_scale_and_power_come_back():
    _, swept = market(1)
    for number, scale in enumerate((0.02, 0.04)):
        recorded = scale * swept[number] ** 0.8
        found = fit_power(swept[number], recorded)
        assert found.power == pytest.approx(0.8)
        at = np.array([np.exp(16)])
        assert found.expected(at)[0] == pytest.approx(scale * np.exp(16 * 0.8))
        assert found.expected(np.zeros(1))[0] == pytest.approx(0.02 * recorded.mean())


def test_the_turnover_that_says_most_is_chosen_and_its_gain_is_sure():
    hours, swept = market(2)
    random = np.random.default_rng(3)
    worse = swept * random.lognormal(0, 1.5, swept.shape)
    found = fit(hours, {0.1: worse, 0.3: swept, 0.5: worse[:, ::-1]})
    assert found.turnover == 0.3
    assert 0.5 < found.low < found.gain < found.high <= 1
    assert (found.days, found.intervals > 600) == (30, True)


def test_nothing_is_fitted_to_a_map_that_knows_nothing():
    hours, swept = market(4)
    shuffled = np.random.default_rng(5).permutation(swept, axis=1)
    with pytest.raises(NotFitted, match="it may be none"):
        fit(hours, {0.3: shuffled})


def test_the_rest_is_not_seen_by_the_choice():
    """What holds in the first 60 % only gives nothing."""
    hours, swept = market(6)
    turned = swept.copy()
    turned[:, int(0.6 * HOURS) :] = np.random.default_rng(7).permutation(
        turned[:, int(0.6 * HOURS) :], axis=1
    )
    with pytest.raises(NotFitted, match="it may be none"):
        fit(hours, {0.3: turned})


def test_too_few_days_or_events_are_named():
    with pytest.raises(NotFitted, match=r"13 days and 2\d\d intervals with events"):
        fit(*_with_grid(market(8, hours=24 * 13)))
    hours, swept = market(9, hours=24 * 20)
    hours.recorded[:, 150:] = 0
    with pytest.raises(NotFitted, match=r"20 days and 1\d\d intervals"):
        fit(hours, {0.3: swept})


def _with_grid(made: tuple[Intervals, np.ndarray]) -> tuple[Intervals, dict[float, np.ndarray]]:
    return made[0], {0.3: made[1]}
