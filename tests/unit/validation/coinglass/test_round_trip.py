"""A heatmap drawn as Coinglass draws it, read back."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.support.coinglass_picture import draw, encoded
from validation.coinglass import Reference, Unreadable, read_screenshot

LOWEST, HIGHEST = 109_134.0, 120_548.0
USD_PER_INTENSITY = 88_280_000.0
FIRST = datetime(2025, 10, 27, 16, 20, tzinfo=UTC)
LAST = FIRST + timedelta(hours=24)
LABELS = [f"{FIRST + timedelta(hours=n):%d, %H:%M}" for n in range(0, 25, 3)]
TAKEN_AT = datetime(2025, 10, 28, 16, 30)


def heatmap(buckets: int, seed: int = 1) -> np.ndarray:
    """Levels that begin at some column and grow, as real ones do; half of the buckets are empty."""
    rng = np.random.default_rng(seed)
    height = np.where(rng.random((buckets, 1)) < 0.5, rng.random((buckets, 1)) ** 2, 0)
    grown = np.clip(np.linspace(-0.5, 1, 96) + rng.random((buckets, 1)), 0, 1)
    levels = height * grown / (height * grown).max()
    # Colours of 8 bits have some 200 steps: what is weaker than one can't come back.
    return np.where(levels < 0.005, 0, levels)


def candles(seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    close = 114_500 + np.cumsum(rng.normal(0, 80, 96))
    opened = np.concatenate(([114_500.0], close[:-1]))
    high, low = np.maximum(opened, close) + 60, np.minimum(opened, close) - 60
    return np.column_stack([opened, high, low, close])


def picture(intensity: np.ndarray, **options) -> bytes:
    options = {"time_labels": LABELS, "candles": candles(), **options}
    return encoded(draw(intensity, lowest=LOWEST, highest=HIGHEST, **options))


def read(content: bytes, **options) -> Reference:
    options = {"symbol": "BTCUSDT", "model": 1, "time_zone": UTC, "taken_at": TAKEN_AT, **options}
    return read_screenshot(content, **options)


def by_bucket(reference: Reference, column: int, buckets: int) -> np.ndarray:
    """The median of the rows of pixels in each drawn bucket; NaN where all are covered."""
    middles = reference.prices + reference.bin_size / 2
    bucket = np.floor((middles - LOWEST) / (HIGHEST - LOWEST) * buckets)
    rows = pd.Series(reference.intensity[:, column]).groupby(bucket).median()
    return rows.reindex(range(buckets)).to_numpy()


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    both = pd.DataFrame({"one": one, "other": other}).dropna()
    assert len(both) > 0.9 * len(one)
    return both["one"].rank().corr(both["other"].rank())


@pytest.mark.parametrize(("buckets", "seed"), [(60, 1), (118, 2), (200, 3)])
def test_the_profile_comes_back(buckets, seed):
    drawn = heatmap(buckets, seed)
    reference = read(picture(drawn))
    cell = (HIGHEST - LOWEST) / buckets
    assert reference.cell_size == pytest.approx(cell, rel=0.001)
    assert (reference.cell_lower - LOWEST + cell / 2) % cell == pytest.approx(
        cell / 2, abs=0.5 * reference.bin_size
    )
    for column, drawn_column in ((-1, -1), (reference.intensity.shape[1] // 2, 48)):
        profile = by_bucket(reference, column, buckets)
        assert rank_correlation(profile, drawn[:, drawn_column]) > 0.98
    assert rank_correlation(by_bucket(reference, -1, buckets), drawn[::-1, -1]) < 0.5


def test_prices_dollars_and_instants_come_back():
    drawn = heatmap(118)
    reference = read(picture(drawn))
    assert reference.price_fit_residual_px < 1
    np.testing.assert_allclose(np.diff(reference.prices), reference.bin_size)
    assert reference.bin_size == pytest.approx((HIGHEST - LOWEST) / 590, rel=0.01)
    # The plot's outermost rows are left out. Labels stand on whole pixels: half of one is lost.
    lowest_read = LOWEST + reference.bin_size
    assert reference.prices[0] == pytest.approx(lowest_read, abs=0.3 * reference.bin_size)
    assert reference.maximum_usd == USD_PER_INTENSITY
    error = by_bucket(reference, -1, 118) - drawn[:, -1] * USD_PER_INTENSITY
    assert np.nanmax(np.abs(error)) < 0.02 * USD_PER_INTENSITY
    minutes = np.array([reference.times[0], reference.times[-1]]) / 60_000
    expected = np.array([FIRST.timestamp(), LAST.timestamp()]) / 60
    np.testing.assert_allclose(minutes, expected, atol=3)
    assert len(reference.times) == reference.intensity.shape[1]


def test_candles_and_watermark_are_masked_and_little_else():
    blank = np.zeros((118, 96))
    reference = read(picture(blank))
    covered = np.isnan(reference.intensity)
    assert 0.001 < covered.mean() < 0.05
    # What shows beside the candles and the watermark is the blank map.
    assert np.nanmax(reference.intensity) < 0.05 * USD_PER_INTENSITY
    without = read(picture(blank, candles=None))
    assert np.isnan(without.intensity).mean() < covered.mean()


def test_a_map_without_cells_says_so():
    reference = read(picture(np.zeros((118, 96))))
    assert reference.cell_size == reference.bin_size
    assert any("cells begin could not be seen" in remark for remark in reference.remarks)


def test_a_low_end_above_zero_is_kept():
    reference = read(picture(np.zeros((118, 96)), minimum="20.00M", time_labels=()))
    assert np.nanmedian(reference.intensity) == pytest.approx(20e6, rel=0.02)


def test_a_jpeg_is_read():
    drawn = heatmap(60)
    image = draw(drawn, lowest=LOWEST, highest=HIGHEST, time_labels=LABELS)
    reference = read(encoded(image, "JPEG", quality=95, subsampling=0))
    assert rank_correlation(by_bucket(reference, -1, 60), drawn[:, -1]) > 0.9
    assert not any("blurred" in remark for remark in reference.remarks)
    poor = read(encoded(image, "JPEG", quality=60))
    assert any("blurred by scaling or JPEG" in remark for remark in poor.remarks)


def test_a_scaled_picture_loses_its_blurred_sides_only():
    drawn = heatmap(60)
    image = draw(drawn, lowest=LOWEST, highest=HIGHEST, time_labels=LABELS)
    reference = read(encoded(image.resize((1800, 1039), Image.Resampling.BICUBIC)))
    assert 1530 < reference.intensity.shape[1] <= 1547
    assert rank_correlation(by_bucket(reference, -1, 60), drawn[:, -1]) > 0.9


def test_a_dark_page_is_read():
    drawn = heatmap(60)
    reference = read(picture(drawn, dark=True))
    assert rank_correlation(by_bucket(reference, -1, 60), drawn[:, -1]) > 0.98


def test_a_photograph_is_refused():
    image = draw(heatmap(60), lowest=LOWEST, highest=HIGHEST, time_labels=LABELS)
    noise = np.random.default_rng(1).integers(0, 200, (590, 1222, 3), dtype=np.uint8)
    image.paste(Image.fromarray(noise), (120, 148))
    with pytest.raises(Unreadable, match="colours; is this a photograph"):
        read(encoded(image))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize(
    ("drawn", "reason"),
    [
        (Image.new("RGB", (1, 1)), "only 1 x 1 pixels"),
        (Image.new("L", (600, 400)), "shows nothing"),
        (Image.new("RGB", (600, 400), "white"), "shows nothing"),
        (Image.linear_gradient("L").resize((600, 400)), "No colour bar"),
        (Image.effect_noise((600, 400), 100), "No"),
        (Image.effect_mandelbrot((600, 400), (-3, -2.5, 2, 2.5), 100), "No"),
    ],
    ids=["one pixel", "black", "white", "gradient", "noise", "no chart"],
)
def test_what_is_no_chart_is_refused(drawn, reason, kind):
    with pytest.raises(Unreadable, match=reason):
        read(encoded(drawn, kind))


def test_a_covered_side_is_refused():
    image = draw(heatmap(60), lowest=LOWEST, highest=HIGHEST, time_labels=LABELS)
    image.paste((200, 40, 40), (1300, 148, 1342, 738))
    with pytest.raises(Unreadable, match="side of the plot is covered"):
        read(encoded(image))


def test_the_time_zone_is_never_guessed():
    content = picture(heatmap(60))
    unstated = read(content, time_zone=None)
    assert unstated.times.size == 0
    assert any("time zone" in remark for remark in unstated.remarks)
    no_month = read(content, taken_at=None)
    assert no_month.times.size == 0
    assert any("without the month" in remark for remark in no_month.remarks)
    east = read(content, time_zone=timezone(timedelta(hours=2)))
    np.testing.assert_array_equal(east.times, read(content).times - 2 * 3_600_000)


@pytest.mark.parametrize(
    ("drawn", "given", "reason"),
    [
        ({}, {"symbol": "ETHUSDT"}, "title says BTC, but ETHUSDT"),
        ({"title": "Binance ETH/USDT Liquidation Heatmap"}, {"symbol": "ETHUSDC"}, "says ETHUSDT"),
        ({"model_text": "Model 3"}, {"model": 1}, "model 3, but 1"),
        ({}, {"range": "7d"}, "range is 24h, but 7d"),
        ({}, {"range": "today"}, "today is no range"),
        ({"range_text": ""}, {}, "does not say its range"),
        ({"range_text": "", "title": ""}, {"symbol": None, "range": "24h"}, "not say the symbol"),
        ({"range_text": "12 hour"}, {"range": "12h"}, "spans 24 hours, more than"),
        ({"title": "BTC Liquidation Map"}, {}, "liquidation map"),
        ({"bar": False}, {}, "No colour bar"),
        ({"maximum": "-"}, {}, "high end of the colour bar"),
        ({"maximum": "0"}, {}, "runs from 0 to 0"),
        ({"price_ticks": []}, {}, "Only 0 price ticks"),
        (
            {"price_ticks": [(p, f"{p + (500 if p == 116_000 else 0)}") for p in
                             (110_000, 112_000, 114_000, 116_000, 118_000)]},
            {},
            "off a straight line",
        ),
    ],
)  # fmt: skip
def test_a_contradiction_or_a_gap_is_refused(drawn, given, reason):
    with pytest.raises(Unreadable, match=reason):
        read(picture(heatmap(60), **drawn), **given)


def test_the_title_completes_what_was_not_given():
    content = picture(
        heatmap(60), title="Binance ETH/USDT Liquidation Heatmap", model_text="Model 2"
    )
    reference = read(content, symbol=None, model=None)
    assert (reference.symbol, reference.model, reference.range) == ("ETHUSDT", 2, "24h")


def test_no_opencv_is_loaded_so_that_no_graphics_library_is_needed(tmp_path):
    file = tmp_path / "picture.png"
    file.write_bytes(picture(heatmap(60)))
    code = (
        "import pathlib, sys; from validation.coinglass import read_screenshot;"
        f"read_screenshot(pathlib.Path({str(file)!r}).read_bytes());"
        "print([name for name in ('cv2', 'rapidocr', 'django') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (run.stdout.strip(), run.returncode) == ("[]", 0), run.stderr
