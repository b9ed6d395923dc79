"""The liquidation map and what is behind a cell, against the heatmap's own numbers."""

import numpy as np
import pytest

from heatmap.engine import (
    LONG,
    SHORT,
    Book,
    ModelParameters,
    compute_heatmap,
    explain,
    liquidation_map,
)
from tests.unit.heatmap.engine.markets import (
    BTC_BRACKETS,
    FIVE_MINUTES,
    START,
    candles_of,
    open_interest_of,
)

BIN_SIZE = 0.5


@pytest.fixture
def heatmap():
    rows = [(p, p + 0.3, p - 0.3, p) for p in (100.0, 101.0, 103.0, 99.0, 100.0, 98.0)]
    figures = {FIVE_MINUTES * i: 50.0 + 7 * i for i in range(7)}
    candles = candles_of(rows)
    market = candles, open_interest_of(figures), (BTC_BRACKETS,), ModelParameters()
    return compute_heatmap(*market, candles.end_time, BIN_SIZE, price_range=(60.0, 140.0))


def test_the_map_holds_the_last_column_by_leverage(heatmap):
    map_ = liquidation_map(heatmap.book, 98.0, BIN_SIZE, (60.0, 140.0))
    assert map_.leverages.tolist() == [5, 10, 25, 50, 100]
    assert (map_.prices == heatmap.prices).all()
    np.testing.assert_allclose(map_.long.sum(axis=0), heatmap.long_density[-1], rtol=1e-6)
    np.testing.assert_allclose(map_.short.sum(axis=0), heatmap.short_density[-1], rtol=1e-6)


def test_the_curves_grow_away_from_the_price_to_all_there_is(heatmap):
    map_ = liquidation_map(heatmap.book, 98.0, BIN_SIZE)
    assert map_.prices[0] == 73.5 and map_.prices[-1] == 122.5
    assert (np.diff(map_.cumulative_long) <= 0).all()
    assert (np.diff(map_.cumulative_short) >= 0).all()
    assert map_.cumulative_long[0] == pytest.approx(map_.long.sum())
    assert map_.cumulative_short[-1] == pytest.approx(map_.short.sum())
    assert map_.cumulative_long[np.searchsorted(map_.prices, 98.0)] == 0
    assert map_.cumulative_short[np.searchsorted(map_.prices, 98.0) - 1] == 0


def test_the_map_of_an_empty_book_is_empty():
    map_ = liquidation_map(Book(), 100.0, 1.0)
    assert map_.long.shape == (0, len(map_.prices))
    assert not map_.cumulative_long.any()


def test_too_fine_a_map_is_refused(heatmap):
    with pytest.raises(ValueError, match="bin size above"):
        liquidation_map(heatmap.book, 98.0, 1e-7)


@pytest.mark.parametrize(("side", "name"), [(LONG, "long"), (SHORT, "short")])
def test_a_cell_is_explained_by_its_entries(heatmap, side, name):
    column = getattr(heatmap, name).density[-1]
    for bin_ in np.flatnonzero(column):
        price = float(heatmap.prices[bin_])
        explanation = explain(heatmap.book, side, price, BIN_SIZE)
        assert explanation.notional.sum() == pytest.approx(column[bin_], rel=1e-6)
        assert explanation.share.sum() == pytest.approx(1)
        assert (np.diff(explanation.notional) <= 0).all()
        assert (np.abs(explanation.liquidation_price - price - BIN_SIZE / 2) < BIN_SIZE).all()
        assert set((explanation.entry_time - START) % FIVE_MINUTES) == {0}
    assert len(explain(heatmap.book, side, 1000.0, BIN_SIZE).share) == 0
