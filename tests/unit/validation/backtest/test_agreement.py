"""The figures against cases that are known by hand."""

import numpy as np
import pytest

from liqheat_project.kernel.instants import DAY_MS, HOUR_MS
from validation.backtest.agreement import Intervals, agreement, direct_share, rank_share

RANDOM = np.random.default_rng(5)


def intervals(recorded: np.ndarray, move: np.ndarray) -> Intervals:
    count = recorded.shape[1]
    start = np.arange(count, dtype=np.int64) * HOUR_MS
    beyond = np.zeros((2, count, 3))
    return Intervals(start, HOUR_MS, recorded, np.full(count, 100.0), move, beyond)


def test_the_direct_share_is_that_of_the_shape_with_a_background():
    recorded = np.array([0.0, 0.0, 30.0, 10.0])
    # By hand: expected 40 (.98 x / 4 + .005), against the mean 10.
    expected = 40 * (0.98 * np.array([0, 1, 2, 1]) / 4 + 0.005)
    left = 30 * np.log(30 / expected[2]) + 10 * np.log(10 / expected[3])
    whole = 30 * np.log(3)
    (found,) = direct_share(recorded, np.array([0.0, 1.0, 2.0, 1.0]))
    assert found == pytest.approx(1 - left / whole)
    assert direct_share(recorded, 1e6 * recorded)[0] == pytest.approx(1, abs=0.03)
    assert direct_share(recorded, np.zeros(4))[0] == pytest.approx(0, abs=1e-12)
    assert direct_share(recorded, np.array([1.0, 1.0, 0.0, 0.0]))[0] < -1


def test_weights_count_observations_as_often_as_they_say():
    recorded, swept = RANDOM.exponential(size=(2, 6))
    weights = np.array([[2.0, 0, 1, 1, 3, 0]])
    often = np.repeat(np.arange(6), weights[0].astype(int))
    assert direct_share(recorded, swept, weights)[0] == pytest.approx(
        direct_share(recorded[often], swept[often])[0]
    )


def test_the_partial_rank_correlation_takes_out_what_the_move_says():
    move = RANDOM.exponential(size=5000)
    both = np.stack([move * RANDOM.lognormal(0, 0.3, 5000) for _ in range(2)])
    nothing = np.empty((5000, 0))
    assert rank_share(*both, nothing)[0] > 0.8
    assert abs(rank_share(*both, move[:, None])[0]) < 0.05
    hidden = RANDOM.lognormal(0, 1, 5000)
    assert rank_share(move * hidden, move * hidden, move[:, None])[0] == pytest.approx(1)
    assert np.isnan(rank_share(np.ones(9), np.arange(9.0), np.empty((9, 0)))[0])


def test_a_map_that_knows_beats_one_that_knows_the_move_only():
    move = RANDOM.exponential(size=(2, 24 * 20)) / 100
    level = RANDOM.lognormal(0, 1.5, move.shape)
    recorded = move * level * RANDOM.lognormal(0, 0.2, move.shape)
    hours = intervals(recorded, move)
    assert hours.block_ms == DAY_MS
    found = agreement(hours, move * level, {"distance_only": move[None]}, seed=1)
    for side in ("long", "short", "both"):
        for figure in ("rank", "rank_given_move", "direct"):
            one = found[side][figure]
            assert one.low < one.value < one.high
            if figure != "rank_given_move":
                assert one.lifts["distance_only"].low > 0.05
    same = agreement(hours, move, {"distance_only": move[None]}, seed=1)["both"]["direct"]
    assert same.lifts["distance_only"].lift == same.lifts["distance_only"].high == 0
