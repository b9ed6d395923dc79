import numpy as np
import pytest

from heatmap.api.packed import (
    CODES_PER_DECADE,
    COLUMNS_AT_ONCE,
    DECADES,
    differences,
    largest_exponent,
    log_codes,
)


def decoded(codes, exponent):
    power = exponent / CODES_PER_DECADE + (codes.astype(float) - 1) / CODES_PER_DECADE - DECADES
    return np.where(codes > 0, 10**power, 0.0)


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1.0, 1e9, 1e30])
@pytest.mark.parametrize("columns", [1, COLUMNS_AT_ONCE, COLUMNS_AT_ONCE + 1])
def test_a_code_names_its_density_to_little_more_than_a_percent(scale, columns):
    random = np.random.default_rng(2)
    plane = (scale * 10 ** random.uniform(-5.9, 0, (columns, 50))).astype(np.float32)
    exponent = largest_exponent(plane)
    codes = log_codes(plane, exponent)
    assert codes.shape == (50, columns) and codes.dtype == np.uint16
    np.testing.assert_allclose(decoded(codes, exponent).T, plane, rtol=0.0122)
    assert codes.max() <= DECADES * CODES_PER_DECADE + 1


def test_nothing_and_next_to_nothing_are_zero():
    plane = np.array([[1000.0, 0.0009, 0.0, 1e-38]], np.float32)
    assert log_codes(plane, largest_exponent(plane)).ravel().tolist() == [601, 0, 0, 0]


def test_larger_densities_have_larger_codes():
    plane = np.geomspace(2e-6, 1, 5000, dtype=np.float32)[None]
    assert np.all(np.diff(log_codes(plane, largest_exponent(plane)).ravel().astype(int)) >= 0)


def test_an_empty_plane_has_no_codes():
    plane = np.zeros((3, 4), np.float32)
    assert not log_codes(plane, largest_exponent(plane)).any()


def test_differences_add_up_to_the_codes_and_are_nothing_where_a_level_stays():
    codes = np.array([[600, 600, 0, 601], [0, 0, 5, 5]], np.uint16)
    changes = differences(codes)
    assert changes.dtype == np.dtype("<u2") and changes.flags.c_contiguous
    assert np.cumsum(changes, axis=1, dtype=np.uint16).tolist() == codes.tolist()
    assert changes.tolist() == [[600, 0, 65536 - 600, 601], [0, 0, 5, 0]]
