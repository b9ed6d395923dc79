import numpy as np
import pytest

from validation.compare.metrics import (
    Grid,
    Zones,
    compare,
    density_percentiles,
    earth_movers_distance,
    find_zones,
    grid_of_cells,
    hit_rate,
    price_level_overlap,
    rank_correlation,
    resample,
)

GRID = Grid(100.0, 1.0, 10)


def test_the_common_grid_is_made_of_whole_cells_within_both_ranges():
    assert grid_of_cells(101.5, 3.0, 2.0, 101.0, 129.0) == Grid(101.5, 3.0, 9)
    assert grid_of_cells(101.5, 3.0, 4.0, 104.0, 129.0) == Grid(107.5, 6.0, 3)
    # As long as they are at least as large as ours, not one more.
    assert grid_of_cells(100.0, 2.0, 4.0, 100.0, 120.0) == Grid(100.0, 4.0, 5)


def test_maps_without_prices_in_common_are_refused():
    with pytest.raises(ValueError, match="no prices in common"):
        grid_of_cells(10.0, 1.0, 1.0, 100.0, 12.0)


def test_a_map_on_cells_that_begin_elsewhere_is_still_the_same_map():
    """What the overlap must not fall for: levels of one map in cells of another size and place."""
    random = np.random.default_rng(3)
    fine = random.exponential(size=2000) ** 3  # a book in buckets of 0.05, from 100 on
    prices = 100.0 + 0.05 * np.arange(2000)
    cells = Grid(100.37, 0.73, 130)
    shown = resample(prices, 0.05, fine, cells)
    rows = np.repeat(shown, 5)  # five rows of pixels a cell
    pixels = cells.lower + cells.size / 5 * np.arange(len(rows))
    grid = grid_of_cells(cells.lower, cells.size, 1.0, 100.0, 195.0)
    assert grid.size == pytest.approx(1.46)
    reference = resample(pixels, cells.size / 5, rows, grid)
    figures = compare(grid, reference, resample(prices, 0.05, fine, grid), 150.0)
    assert figures.price_level_overlap == 1.0
    assert figures.rank_correlation == pytest.approx(1.0)


def test_resampling_takes_means_weighted_by_what_is_covered():
    prices, values = 100.0 + 0.4 * np.arange(5), np.array([1.0, 1.0, 6.0, 3.0, np.nan])
    found = resample(prices, 0.4, values, Grid(100.0, 1.0, 3))
    assert found[0] == pytest.approx((0.4 + 0.4 + 0.2 * 6) / 1.0)
    assert found[1] == pytest.approx((0.2 * 6 + 0.4 * 3) / 0.6)
    assert np.isnan(found[2])


def test_repeated_rows_of_a_picture_do_not_add_up():
    rows = resample(100.0 + 0.1 * np.arange(20), 0.1, np.repeat([2.0, 5.0], 10), GRID)
    assert rows[:2] == pytest.approx([2.0, 5.0])


def test_zones_are_local_maxima_the_largest_first_and_merged():
    profile = np.array([0, 5, 0, 9, 9, 0, 0, 8, 0, 1.0])
    found = find_zones(GRID, profile, quantile=0.2, tolerance=0.001)
    assert found.prices.tolist() == [104.0, 107.5, 101.5]
    assert found.weights.tolist() == [9.0, 8.0, 5.0]
    merged = find_zones(GRID, profile, quantile=0.2, tolerance=0.03)
    assert merged.prices.tolist() == [104.0, 107.5]


def test_an_empty_profile_has_no_zones():
    assert len(find_zones(GRID, np.zeros(10)).prices) == 0
    assert len(find_zones(GRID, np.full(10, np.nan)).prices) == 0


def test_hit_rate_counts_zones_and_weighs_them():
    reference = Zones(np.array([100.0, 200.0, 300.0]), np.array([6.0, 3.0, 1.0]))
    ours = Zones(np.array([100.4, 302.9]), np.array([1.0, 1.0]))
    assert hit_rate(reference, ours, 0.005) == pytest.approx((0.6, 1 / 3))
    assert hit_rate(reference, ours, 0.01) == pytest.approx((0.7, 2 / 3))
    assert hit_rate(reference, Zones(np.empty(0), np.empty(0))) == (0.0, 0.0)
    assert np.isnan(hit_rate(Zones(np.empty(0), np.empty(0)), ours)).all()


def test_overlap_is_jaccards_index_of_the_top_buckets():
    first = np.array([0, 0, 0, 0, 0, 0, 1, 2, 8, 9.0])
    second = np.array([0, 0, 0, 0, 0, 0, 1, 8, 2, 9.0])
    assert price_level_overlap(first, first, 0.8) == 1.0
    assert price_level_overlap(first, second, 0.8) == pytest.approx(1 / 3)
    assert np.isnan(price_level_overlap(first, np.zeros(10)))


def test_overlap_of_independent_profiles_is_a_ninth():
    random = np.random.default_rng(1)
    found = [price_level_overlap(*random.random((2, 1000))) for _ in range(100)]
    assert np.mean(found) == pytest.approx(1 / 9, abs=0.01)


def test_rank_correlation_shares_the_rank_of_equals():
    values = np.array([1.0, 1.0, 2.0, 3.0])
    assert rank_correlation(values, values * 10) == pytest.approx(1.0)
    assert rank_correlation(values, -values) == pytest.approx(-1.0)
    assert np.isnan(rank_correlation(values, np.ones(4)))


def test_earth_movers_distance_is_a_shift_in_buckets():
    assert earth_movers_distance(np.array([0, 4.0, 0, 0]), np.array([0, 0, 0, 1.0])) == 2.0
    assert np.isnan(earth_movers_distance(np.zeros(3), np.ones(3)))


def test_a_map_compared_with_itself_is_perfect_and_unknown_buckets_are_left_out():
    profile = np.random.default_rng(2).exponential(size=10)
    covered = profile.copy()
    covered[4] = np.nan
    figures = compare(GRID, covered, profile, 105.0)
    assert (figures.hit_rate, figures.price_level_overlap) == (1.0, 1.0)
    assert figures.rank_correlation == pytest.approx(1.0)
    assert figures.earth_movers_distance == pytest.approx(0.0)


def test_the_percentile_of_an_events_price():
    profiles = np.array([[0, 0, 0, 0, 1, 2, 3, 4, np.nan, 9.0], np.arange(10.0)])
    assert density_percentiles(GRID, profiles, 109.2) == pytest.approx([8.5 / 9, 0.95])
    assert density_percentiles(GRID, profiles, 101.0) == pytest.approx([2 / 9, 0.15])
    found = density_percentiles(GRID, profiles, 108.5)
    assert np.isnan(found[0]) and found[1] == pytest.approx(0.85)
    assert np.isnan(density_percentiles(GRID, profiles, 110.0)).all()
