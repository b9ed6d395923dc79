import numpy as np
import pytest

from heatmap.coarsen import coarser, factors
from heatmap.engine import Book, Heatmap, SideColumns
from heatmap.engine.grid import lower_edges


def heatmap(first, count, size, columns=3):
    random = np.random.default_rng(1)
    flat = np.zeros(columns)
    sides = [
        SideColumns(random.random((columns, count)).astype(np.float32), flat, flat, flat, flat)
        for _ in range(2)
    ]
    times = np.arange(columns, dtype=np.int64)
    return Heatmap(times, lower_edges(first, count, size), size, *sides, gaps=[], book=Book())


@pytest.mark.parametrize(("first", "count"), [(0, 10), (7, 10), (9, 1), (1003, 998)])
def test_every_bin_falls_into_the_one_that_holds_it(first, count):
    fine = heatmap(first, count, 0.2)
    coarse = coarser(fine, 5)
    assert coarse.bin_size == 1.0
    for row, price in enumerate(coarse.prices):
        inside = np.floor(fine.prices / 1.0 + 1e-9) == round(price)
        assert inside.any()
        for side in ("long", "short"):
            expected = getattr(fine, side).density[:, inside].sum(axis=1)
            assert getattr(coarse, side).density[:, row] == pytest.approx(expected, rel=1e-5)
    assert coarse.long.density.sum() == pytest.approx(fine.long.density.sum(), rel=1e-5)


@pytest.mark.parametrize(
    ("size", "expected"),
    [(2.0, [5, 10, 25, 50]), (0.05, [2, 4, 10, 20]), (1e-06, [2, 5, 10, 20])],
)
def test_the_next_sizes_are_one_two_five_steps(size, expected):
    found = factors(size)
    assert [next(found) for _ in range(4)] == expected
