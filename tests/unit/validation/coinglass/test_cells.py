"""Cells of equal height, found in rows of pixels; pictures of them are in test_round_trip."""

import numpy as np
import pytest

from validation.coinglass.cells import find_cells

ROWS = np.arange(590)


def map_of(height: float, begin: float, empty: float, seed: int) -> np.ndarray:
    """Rows of cells `height` high, one of which begins at `begin`; a share is `empty`."""
    random = np.random.default_rng(seed)
    levels = np.where(random.random((600, 1)) < empty, 0, random.random((600, 1)))
    grown = np.clip(np.linspace(-0.5, 1, 96) + random.random((600, 1)), 0, 1)
    return (levels * grown)[np.floor((ROWS + 0.5 - begin) / height).astype(int) + 1]


@pytest.mark.parametrize("height", [2.4, 3.3, 4.47, 5.0, 9.83, 19.67])
@pytest.mark.parametrize("empty", [0.0, 0.5])
def test_their_height_and_where_they_begin(height, empty):
    begin, found = find_cells(map_of(height, 1.7, empty, 1))
    assert found == pytest.approx(height, rel=0.002)
    assert (begin - 1.7 + height / 2) % height == pytest.approx(height / 2, abs=0.3)


def test_unknown_pixels_do_not_matter():
    shares = map_of(4.47, 1.7, 0.5, 2)
    shares[200:260, ::3] = np.nan
    assert find_cells(shares)[1] == pytest.approx(4.47, rel=0.002)


@pytest.mark.parametrize("seed", range(10))
def test_rows_that_change_anywhere_are_no_cells(seed):
    random = np.random.default_rng(seed)
    sparse = (random.random((590, 1)) < 0.05) * np.ones((1, 20))
    rows = random.random((590, 1)) ** 3 * np.ones((1, 20))
    for shares in (sparse, rows, np.zeros((590, 20)), np.full((590, 20), np.nan)):
        assert find_cells(shares) is None


def test_a_plot_too_low_for_cells():
    assert find_cells(np.random.default_rng(1).random((30, 20))) is None
