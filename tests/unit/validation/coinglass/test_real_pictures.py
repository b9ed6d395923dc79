"""Three real pictures. The expected prices were read off them by eye, with a ruler on the ticks."""

import functools
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from tests.unit.validation.coinglass.zones import brightest_zones
from validation.coinglass import Reference, Unreadable, describe_file_name, read_screenshot

pytestmark = pytest.mark.real_data

MODEL_1 = "BTC_model1_24h_2025-10-28.png"
MODEL_3 = "BTC_model3_2w_2025-10-28.png"
MAP = "BTCUSDT_binance_liquidation_map_30d_2025-10-28.png"

# Rows of the picture, and the price there by the rule of three between two distant ticks:
# 120000 at y 175.5 and 110000 at 692.5; 135000 at 177.5 and 85000 at 824.5.
PRICE_OF_ROW = {
    MODEL_1: {160: 120_300, 220: 119_139, 280: 117_979, 340: 116_818, 400: 115_658}
    | {460: 114_497, 520: 113_337, 580: 112_176, 640: 111_015, 700: 109_855},
    MODEL_3: {150: 137_125, 220: 131_716, 290: 126_306, 360: 120_896, 430: 115_487}
    | {500: 110_077, 570: 104_668, 640: 99_258, 710: 93_849, 780: 88_439},
}
ZONES_BY_EYE = {
    MODEL_1: np.array(
        [117_041, 116_683, 116_426, 116_252, 114_000, 113_643, 113_223, 113_055, 112_871, 111_926]
    ),
    MODEL_3: np.array(
        [116_840, 109_550, 109_194, 106_327, 105_498, 103_791, 103_388, 102_678, 89_055, 86_557]
    ),
}
# Lines so far apart, drawn beside the enlarged picture, fall on the edges that the eye sees.
CELL_USD = {MODEL_1: 86.5, MODEL_3: 255.0}
PIXEL_USD = {MODEL_1: 19.34, MODEL_3: 77.28}

HEATMAPS = pytest.mark.parametrize("name", [MODEL_1, MODEL_3])


@functools.cache
def read(real_data: Path, name: str, **options) -> Reference:
    said = describe_file_name(name)
    options = {"symbol": said.symbol, "model": said.model, "range": said.range, **options}
    return read_screenshot((real_data / "coinglass" / name).read_bytes(), **options)


@HEATMAPS
def test_price_of_ten_rows(real_data, name):
    reference = read(real_data, name)
    assert reference.price_fit_residual_px < 1
    assert reference.bin_size == pytest.approx(PIXEL_USD[name], rel=0.002)
    top = {MODEL_1: 148, MODEL_3: 124}[name]
    height = len(reference.prices)
    for row, expected in PRICE_OF_ROW[name].items():
        upper_edge = reference.prices[height - 1 - (row - top)] + reference.bin_size
        assert upper_edge == pytest.approx(expected, abs=PIXEL_USD[name]), row


@HEATMAPS
def test_the_cells_are_found(real_data, name):
    assert read(real_data, name).cell_size == pytest.approx(CELL_USD[name], rel=0.002)


@HEATMAPS
def test_the_ten_brightest_zones_are_those_the_eye_sees(real_data, name):
    zones = np.sort([price for price, _ in brightest_zones(read(real_data, name), 10)])
    np.testing.assert_allclose(zones, np.sort(ZONES_BY_EYE[name]), atol=2 * PIXEL_USD[name])


def test_model_1_over_24_hours(real_data):
    reference = read(real_data, MODEL_1, time_zone=UTC, taken_at=datetime(2025, 10, 28))
    assert (reference.symbol, reference.model, reference.range) == ("BTC", 1, "24h")
    assert reference.maximum_usd == 88_280_000
    assert any("0.85" in remark for remark in reference.remarks)
    # Five minutes are 4.2 px: the first and the last column within two of them.
    ends = [datetime(2025, 10, 27, 16, 20, tzinfo=UTC), datetime(2025, 10, 28, 16, 20, tzinfo=UTC)]
    seconds = reference.times[[0, -1]] / 1000
    np.testing.assert_allclose(seconds, [end.timestamp() for end in ends], atol=600)
    # The candles near 114 500 and the watermark at 110 000 are covered, not read as zones.
    assert 0.01 < np.isnan(reference.intensity).mean() < 0.05
    around = np.abs(reference.prices - 114_500) < 1_000
    assert np.isnan(reference.intensity[around]).mean() > 0.05


def test_model_3_over_2_weeks_has_a_bent_time_axis(real_data):
    reference = read(real_data, MODEL_3, time_zone=UTC)
    assert (reference.symbol, reference.model, reference.range) == ("BTC", 3, "2w")
    assert reference.maximum_usd == 13_070_000
    assert reference.times.size == 0
    assert any("off a straight line" in remark for remark in reference.remarks)


def test_a_liquidation_map_is_told_apart(real_data):
    with pytest.raises(Unreadable, match="liquidation map"):
        read(real_data, MAP)


@pytest.mark.parametrize(
    ("given", "reason"),
    [({"symbol": "ETHUSDT"}, "title says BTC"), ({"range": "12h"}, "range is 24h")],
)
def test_a_wrong_name_is_refused(real_data, given, reason):
    with pytest.raises(Unreadable, match=reason):
        read(real_data, MODEL_1, **given)
