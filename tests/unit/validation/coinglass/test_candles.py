"""The candles over a map: read to a part of a pixel, and with them the price axis proven."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tests.unit.validation.coinglass.real_candles import hourly
from tests.unit.validation.coinglass.test_real_pictures import MODEL_1, MODEL_3, read
from tests.unit.validation.coinglass.test_round_trip import candles, heatmap, picture
from tests.unit.validation.coinglass.test_round_trip import read as read_drawn
from validation.coinglass.zones import by_interval, find_time_zone

TAKEN_AT = datetime(2025, 10, 28)


def test_drawn_candles_come_back():
    reference = read_drawn(picture(heatmap(118)))
    drawn, width = candles(), len(reference.candle_high)
    middles = ((np.arange(96) + 0.5) * width / 96).astype(int)
    around = middles[:, None] + np.arange(-2, 3)  # a wick is one pixel wide
    high = np.nan_to_num(reference.candle_high[around]).max(axis=1)
    low = np.nan_to_num(reference.candle_low[around], nan=np.inf).min(axis=1)
    seen = high > 0
    assert seen.mean() > 0.9
    for found, price in ((high, drawn[:, 1]), (low, drawn[:, 2])):
        off = (found - price)[seen] / reference.bin_size
        assert abs(np.median(off)) < 0.7  # the pen draws whole pixels


def test_a_map_without_candles_has_none():
    reference = read_drawn(picture(heatmap(118), candles=None))
    assert np.isfinite(reference.candle_high).mean() < 0.01


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "zone"), [(MODEL_1, UTC), (MODEL_3, ZoneInfo("Europe/London"))])
def test_the_price_axis_lies_on_the_real_candles(real_data, name, zone):
    """The picture's own highs and lows against Binance's, an hour each, in rows of pixels."""
    reference = read(real_data, name, taken_at=TAKEN_AT)
    high, low = by_interval(reference, zone, hourly(real_data))
    rows = {MODEL_1: 20, MODEL_3: 300}[name]
    assert len(high) >= rows
    for off in (high, low):
        assert abs(np.median(off)) / reference.bin_size < 0.3
        assert np.median(np.abs(off)) / reference.bin_size < 0.6


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "zone"), [(MODEL_1, "UTC"), (MODEL_3, "Europe/London")])
def test_the_time_zone_of_the_real_pictures_is_found(real_data, name, zone):
    found = find_time_zone(read(real_data, name, taken_at=TAKEN_AT), hourly(real_data))
    assert (found.name, found.is_sure) == (zone, True)
