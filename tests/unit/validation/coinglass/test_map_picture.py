"""The real picture of a liquidation map. Its own cumulative curves end at 3.79B and 5.23B."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from validation.coinglass import Reference, Unreadable, read_screenshot

pytestmark = pytest.mark.real_data

MAP = "BTCUSDT_binance_liquidation_map_30d_2025-10-28.png"
# Read off the enlarged picture by eye: the price of the highest bars, by their labels, and USD.
HIGHEST = {126_543: 166e6, 108_943: 155e6, 117_215: 152e6, 119_063: 137e6, 104_631: 136e6}


@pytest.fixture(scope="module")
def reference(real_data: Path) -> Reference:
    content = (real_data / "coinglass" / MAP).read_bytes()
    return read_screenshot(content, symbol="BTCUSDT", taken_at=datetime(2025, 10, 28))


def test_its_bars_are_read(reference):
    assert (reference.symbol, reference.range, reference.model) == ("BTCUSDT", "30d", None)
    assert (reference.map_at.price, reference.bin_size) == (114_620, 88)
    for price, usd in HIGHEST.items():
        bucket = int((price - reference.prices[0]) / reference.bin_size)
        assert reference.intensity[bucket, 0] == pytest.approx(usd, rel=0.02)


def test_its_bars_sum_up_to_its_curves(reference):
    long = reference.prices < reference.map_at.price
    usd = reference.intensity[:, 0]
    assert usd[long].sum() == pytest.approx(3.79e9, rel=0.03)
    # The watermark hides the foot of some bars, the curve the top of others.
    assert usd[~long].sum() == pytest.approx(5.23e9, rel=0.06)
    assert np.isfinite(usd).all()


def test_it_must_be_said_when_it_was_taken(real_data):
    with pytest.raises(Unreadable, match="does not say when it was taken"):
        read_screenshot((real_data / "coinglass" / MAP).read_bytes(), symbol="BTCUSDT")
