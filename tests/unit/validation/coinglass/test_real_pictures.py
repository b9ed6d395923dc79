"""Three real pictures. The expected prices were read off them by eye, with a ruler on the ticks."""

import functools
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tests.unit.validation.coinglass.zones import brightest_zones
from validation.coinglass import Reference, Unreadable, describe_file_name, read_screenshot

pytestmark = pytest.mark.real_data

MODEL_1 = "BTC_model1_24h_2025-10-28.png"
MODEL_3 = "BTC_model3_2w_2025-10-28.png"
MAP = "BTCUSDT_binance_liquidation_map_30d_2025-10-28.png"

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
def test_the_price_ticks_lie_on_a_line(real_data, name):
    reference = read(real_data, name)
    assert reference.price_fit_residual_px < 1
    assert reference.bin_size == pytest.approx(PIXEL_USD[name], rel=0.002)


def test_the_ends_of_the_axis_are_those_that_are_written_at_them(real_data):
    """120548 at the plot's upper edge and 109134 at its lower one, blurred over a row each."""
    reference = read(real_data, MODEL_1)
    top = reference.prices[-1] + reference.bin_size
    assert top + 0.4 * reference.bin_size == pytest.approx(120_548, abs=reference.bin_size)
    bottom = reference.prices[0]
    assert bottom - 0.73 * reference.bin_size == pytest.approx(109_134, abs=reference.bin_size)


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


def test_model_3_over_2_weeks_lacks_columns(real_data):
    """Its labels are as far apart as ever with half an hour more between them, twice."""
    reference = read(real_data, MODEL_3, time_zone=ZoneInfo("Europe/London"))
    assert (reference.symbol, reference.model, reference.range) == ("BTC", 3, "2w")
    assert reference.maximum_usd == 13_070_000
    assert any("no columns for 1.0 hours" in remark for remark in reference.remarks)
    ends = [datetime(2025, 10, 14, 16, 30, tzinfo=UTC), datetime(2025, 10, 28, 16, tzinfo=UTC)]
    seconds = reference.times[[0, -1]] / 1000
    np.testing.assert_allclose(seconds, [end.timestamp() for end in ends], atol=1800)
    wrong = read(real_data, MODEL_3, time_zone=UTC)
    assert wrong.times.size == 0
    assert any("off a straight line" in remark for remark in wrong.remarks)


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
