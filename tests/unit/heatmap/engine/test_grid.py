"""Price bins: sizes, edges, ranges."""

import numpy as np
import pytest

from heatmap.engine import default_bin_size
from heatmap.engine.grid import bin_index, bin_span, default_price_range, lower_edges


@pytest.mark.parametrize(
    ("price", "tick", "size"),
    [
        (100_000, 0.1, 100),
        (99_999, 0.1, 50),
        (60_000, 0.1, 50),
        (3_000, 0.01, 2),
        (0.12, 0.00001, 0.0001),
        (0.00001, 0.0000001, 0.0000001),
        (2.0, 0.001, 0.002),
        (1.0, 0.01, 0.01),
    ],
)
def test_default_bin_size_is_a_round_step_near_a_thousandth(price, tick, size):
    assert default_bin_size(price, tick) == size


def test_default_bin_size_is_between_0_04_and_0_1_percent():
    for price in np.geomspace(1e-7, 1e6, 500):
        assert 0.0004 * price <= default_bin_size(price, 1e-12) <= 0.001 * price * (1 + 1e-8)


@pytest.mark.parametrize("bad", [(0, 1), (-1, 1), (1, 0), (np.nan, 1), (np.inf, 1)])
def test_default_bin_size_refuses_what_is_no_price(bad):
    with pytest.raises(ValueError, match="positive"):
        default_bin_size(*bad)


def test_a_price_on_an_edge_is_in_the_bin_above_it():
    edges = lower_edges(0, 2000, 0.1)
    assert bin_index(edges, 0.1).tolist() == list(range(2000))
    assert edges[3] == 0.3
    assert lower_edges(97, 1, 1e-7)[0] == pytest.approx(9.7e-6, rel=1e-12)


def test_a_span_holds_its_ends():
    assert bin_span(0.0, 1.0, 0.5) == (0, 3)
    assert bin_span(99.9, 100.1, 50) == (1, 2)
    with pytest.raises(ValueError, match="range"):
        bin_span(2.0, 1.0, 0.5)
    with pytest.raises(ValueError, match="bin size"):
        bin_span(1.0, 2.0, 0.0)


def test_the_default_range_reaches_beyond_the_lowest_leverage():
    low, high = default_price_range(np.array([90.0, 80.0]), np.array([100.0, 120.0]), 5.0)
    assert (low, high) == (60.0, 150.0)
