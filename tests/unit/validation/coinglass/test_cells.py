"""Cells of equal height, found in rows of pixels; pictures of them are in test_round_trip."""

import numpy as np
import pytest

from validation.coinglass import Reference
from validation.coinglass.cells import find_cells, with_held_prices

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


def picture(cell_size: float, source: str = "screenshot") -> Reference:
    """100 cells drawn from 1000 to 2000 USD, in rows of 2 USD that begin half a row above."""
    return Reference(
        source=source,
        symbol="BTCUSDT",
        model=3,
        range="24h",
        times=np.array([0]),
        prices=1001 + 2.0 * np.arange(499),
        bin_size=2.0,
        cell_lower=1010.0,
        cell_size=cell_size,
        intensity=np.zeros((499, 1)),
        maximum_usd=1.0,
        remarks=(),
        price_fit_residual_px=0.1,
    )


def test_a_cell_holds_what_lies_between_the_price_of_the_cell_below_and_its_own():
    held = with_held_prices(picture(10.0))
    step = 1000 / 99  # the axis runs from the first cell's price to the last cell's
    assert held.cell_size == pytest.approx(step)
    # The cell drawn from 1010 to 1020 is the second one, whose price is one step above 1000.
    assert held.cell_lower == pytest.approx(1000)
    assert held.bin_size == pytest.approx(2 * 100 / 99)
    assert held.prices[0] == pytest.approx(1000 - step + 100 / 99)
    assert held.prices[-1] + held.bin_size == pytest.approx(2000 - 100 / 99)


def test_what_is_no_picture_or_shows_no_cells_stays_as_it_is():
    for reference in (picture(10.0, source="api"), picture(2.0)):
        assert with_held_prices(reference) is reference
