"""What is drawn where: against the numbers of the API, which the page does not get its picture from
(it asks for codes, these tests for levels)."""

import io
import struct
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.request import urlopen

import numpy as np
import orjson
import pytest
from PIL import Image
from playwright.sync_api import Page

from tests.browser.conftest import HeatmapPage

FROM, TO = "2026-01-07T06:00Z", "2026-01-07T10:00Z"
COLUMNS = 48
DARKEST, BRIGHTEST = (68, 1, 84), (253, 231, 37)
PRICE = (76, 141, 255)
UP, DOWN = (22, 214, 143), (255, 84, 104)


class View(NamedTuple):
    """What the chart shows, as the tests ask for it, and the numbers behind it."""

    low: float
    high: float
    opens: list[str]
    amounts: np.ndarray  # [columns, price buckets of the view], USDT
    prices: np.ndarray
    bin_size: float
    candles: list[dict[str, float]]


@pytest.fixture(scope="module")
def truth(server: Any) -> View:
    asked = "symbol=BTCUSDT&start_time=2026-01-07T06:05:00Z&end_time=2026-01-07T10:00:00Z"
    body = fetched(f"{server.url}/liquidations/heatmap-timeseries?{asked}&interval=5m")
    asked = "symbol=BTCUSDT&start_time=2026-01-07T06:00:00Z&end_time=2026-01-07T10:00:00Z"
    candles = fetched(f"{server.url}/prices/klines?{asked}&interval=5m")["data"]
    step = body["meta"]["price_bin_size"]
    low = np.floor(min(candle["low"] for candle in candles) * 0.985 / step) * step
    high = np.ceil(max(candle["high"] for candle in candles) * 1.015 / step) * step
    prices = np.arange(low, high, step)
    amounts = np.zeros((COLUMNS, len(prices)))
    for column, snapshot in enumerate(body["data"]):
        for level in snapshot["levels"]:
            row = round((level["price"] - low) / step)
            if 0 <= row < len(prices):
                amounts[column, row] = level["long_density"] + level["short_density"]
    opens = [candle["timestamp"] for candle in candles]
    return View(low, high, opens, amounts, prices, step, candles)


def fetched(url: str) -> Any:
    with urlopen(url) as response:
        return orjson.loads(response.read())


def opened(page: HeatmapPage, truth: View, more: str = "") -> tuple[np.ndarray, "Scale"]:
    """The picture of the chart's pane in the truth's view, and where things are in it."""
    page.open(
        f"?symbol=BTCUSDT&window=24h&from={FROM}&to={TO}"
        f"&low={truth.low}&high={truth.high}&threshold=0.05{more}"
    )
    page.tab.mouse.move(5, 5)
    pane = page.pane()
    ratio = page.tab.evaluate("devicePixelRatio")
    clip = {name: round(value) for name, value in pane.items()}
    image = picture(page.tab.screenshot(clip=clip))
    return image, Scale(truth, clip["width"], clip["height"], ratio)


def picture(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


class Scale:
    """Pixels of times and prices: the first bar begins at the left edge, `high` is at the top."""

    def __init__(self, truth: View, width: int, height: int, ratio: float) -> None:
        self.truth, self.width, self.height = truth, width * ratio, height * ratio

    def x(self, column: float) -> float:
        return column * self.width / COLUMNS

    def y(self, price: float) -> float:
        return (self.truth.high - price) / (self.truth.high - self.truth.low) * self.height


def is_colour(pixels: np.ndarray, colour: tuple[int, int, int], tolerance: int = 12) -> np.ndarray:
    return (np.abs(pixels - np.array(colour)) <= tolerance).all(axis=-1)


@pytest.mark.parametrize("ratio", [1, 2])
def test_heat_is_where_its_bucket_and_its_time_are(
    new_page: Callable[..., HeatmapPage], truth: View, ratio: int
) -> None:
    page = new_page(device_scale_factor=ratio)
    image, scale = opened(page, truth, "&candles=off")
    top = brightest_from(page.tab)
    checked = {True: 0, False: 0}
    for column in range(1, COLUMNS, 3):
        for row in range(2, len(truth.prices) - 2):
            amount = truth.amounts[column, row]
            if 0 < amount < 1.02 * top:
                continue
            x = round(scale.x(column + 0.5))
            y = scale.y(truth.prices[row] + truth.bin_size / 2)
            line = image[round(y - 1) : round(y + 2), x]
            colour = BRIGHTEST if amount else DARKEST
            if not is_colour(line, colour).any():
                price_line = abs(truth.prices[row] - closing(truth)) <= 2 * truth.bin_size
                assert price_line, (truth.opens[column], truth.prices[row], amount, line.tolist())
            checked[amount > 0] += 1
    assert min(checked.values()) > 50


def closing(truth: View) -> float:
    return truth.candles[-1]["close"]


def brightest_from(tab: Page) -> float:
    text = tab.locator("#legend-top").inner_text().replace("≥", "").strip()
    return float(text[:-1]) * {"K": 1e3, "M": 1e6, "B": 1e9}[text[-1]] * 1.01


def test_heat_begins_and_ends_between_the_bars(page: HeatmapPage, truth: View) -> None:
    image, scale = opened(page, truth, "&candles=off")
    top = brightest_from(page.tab)
    dim, bright = truth.amounts < 0.6 * top, truth.amounts > 1.02 * top
    shown = (truth.prices > truth.prices[2]) & (truth.prices < truth.prices[-3])
    changes = [
        (column, row, later)
        for later, pair in ((1, dim[:-1] & bright[1:]), (0, bright[:-1] & dim[1:]))
        for column, row in zip(*np.nonzero(pair & shown), strict=True)
    ]
    assert len(changes) >= 5
    for column, row, later in changes:
        y = round(scale.y(truth.prices[row] + truth.bin_size / 2))
        edge = int(scale.x(column + 1))
        sides = [is_colour(image[y, at], BRIGHTEST) for at in (edge - 3, edge + 2)]
        assert sides == [not later, bool(later)], (truth.opens[column], truth.prices[row])


def test_candles_stand_on_the_columns_of_the_heat(page: HeatmapPage, truth: View) -> None:
    image, scale = opened(page, truth)
    for column, candle in enumerate(truth.candles):
        colour = UP if candle["close"] >= candle["open"] else DOWN
        x = round(scale.x(column + 0.5)) - 1
        wick = [is_colour(image[:, at], colour) for at in (x - 1, x, x + 1)]
        rows = np.flatnonzero(np.logical_or.reduce(wick))
        assert len(rows), f"no candle at {truth.opens[column]}"
        assert abs(rows[0] - scale.y(candle["high"])) <= 2, truth.opens[column]
        assert abs(rows[-1] - scale.y(candle["low"])) <= 2, truth.opens[column]


def test_gaps_are_hatched(page: HeatmapPage) -> None:
    page.open("?symbol=ETHUSDT&window=3d&candles=off")
    pane = page.pane()
    image = picture(page.tab.screenshot(clip=pane))
    third = image.shape[1] // 3
    changes = np.abs(np.diff(image[300], axis=0)).sum(axis=1) > 30  # along one line of pixels
    before, within = changes[20 : third - 20].sum(), changes[third + 20 : 2 * third - 20].sum()
    assert within > 2 * third / 10
    assert before < within / 3


def test_the_picture_has_the_size_of_the_chart_and_its_frame(page: HeatmapPage) -> None:
    page.open("?symbol=BTCUSDT&window=24h")
    chart = page.tab.locator("#chart").bounding_box()
    with page.tab.expect_download() as download:
        page.tab.click("#snapshot")
    assert download.value.suggested_filename == "BTCUSDT-heatmap-24h-20260108T0000Z.png"
    png = download.value.path().read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", png[16:24])
    assert abs(width - (chart["width"] + 84 + 16)) <= 2
    assert abs(height - (chart["height"] + 2 * 16 + 28 + 2 * 20 + 20)) <= 2
    image = picture(png)
    assert len(np.unique(image[:80].reshape(-1, 3), axis=0)) > 10  # the title is written


def test_the_map_s_picture_names_its_colours(page: HeatmapPage) -> None:
    page.open("?symbol=BTCUSDT&tab=map")
    # 5x, 100x and the two curves, in light colours.
    with page.tab.expect_download() as download:
        page.tab.click("#snapshot")
    head = picture(download.value.path().read_bytes())[:106]
    for colour in ((127, 216, 212), (238, 132, 52), (198, 33, 57), (8, 122, 85)):
        assert is_colour(head, colour, 2).sum() >= 11 * 11


def test_the_price_is_the_last_one_wherever_the_view_is(page: HeatmapPage, truth: View) -> None:
    last = fetched(f"{page.server.url}/prices/klines?symbol=BTCUSDT&interval=5m&limit=1")
    price = last["data"][-1]["close"]
    low, high = min(truth.low, price * 0.99), max(truth.high, price * 1.01)
    page.open(f"?symbol=BTCUSDT&window=24h&from={FROM}&to={TO}&low={low}&high={high}")
    assert abs(price / truth.candles[-1]["close"] - 1) > 0.002
    pane = page.pane()
    axis = {**pane, "x": pane["x"] + pane["width"] + 4, "width": 40}
    image = picture(page.tab.screenshot(clip=axis))
    rows = np.flatnonzero(is_colour(image, PRICE).mean(axis=1) > 0.3)
    assert len(rows) > 10
    expected = (high - price) / (high - low) * pane["height"]
    assert abs(rows.mean() - expected) <= 3


@pytest.mark.parametrize(("width", "height"), [(390, 844), (2560, 1300)])
def test_narrow_and_wide_screens_are_filled_and_not_overrun(
    new_page: Callable[..., HeatmapPage], width: int, height: int
) -> None:
    page = new_page(width, height).open("?symbol=BTCUSDT&window=24h")
    assert page.tab.evaluate("document.documentElement.scrollWidth") == width
    pane = page.pane()
    assert pane["width"] > 0.7 * width
    assert pane["height"] > 0.45 * height


def test_a_phone_on_its_side_shows_the_chart_and_not_the_settings(
    new_page: Callable[..., HeatmapPage],
) -> None:
    page = new_page(844, 390).open("?symbol=BTCUSDT&window=24h")
    assert page.pane()["y"] < 150
    page.tab.click("#settings > summary")
    assert page.tab.locator("#threshold").is_visible()
