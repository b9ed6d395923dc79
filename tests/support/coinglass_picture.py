"""Draws a known heatmap the way Coinglass's page shows one, for the reader to read back."""

import functools
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 1422, 821
LEFT, TOP, RIGHT, BOTTOM = 120, 148, 1342, 738
BAR_LEFT, BAR_TOP, BAR_RIGHT, BAR_BOTTOM = 60, 176, 89, 735
LIGHT = ((249, 249, 249), (33, 33, 36))  # page, ink
DARK = ((15, 16, 20), (220, 220, 225))
RISING, FALLING = (14, 203, 129), (246, 70, 93)
# The colours of the page's bar at heights from 0 to 1.
COLOURS = np.array(
    [(68, 2, 86), (60, 41, 110), (42, 108, 142), (33, 161, 131), (68, 189, 101), (240, 232, 5)]
)
PLACES = np.array([0, 0.1, 0.24, 0.51, 0.72, 1])


def colour(share: NDArray) -> NDArray:
    """RGB of intensities from 0 to 1, of any shape."""
    return np.stack([np.interp(share, PLACES, COLOURS[:, c]) for c in range(3)], axis=-1)


def draw(
    intensity: NDArray,
    *,
    lowest: float,
    highest: float,
    maximum: str = "88.28M",
    minimum: str = "0",
    title: str = "BTC Liquidation Heatmap",
    range_text: str = "24 hour",
    model_text: str = "",
    price_ticks: Sequence[tuple[float, str]] | None = None,
    time_labels: Sequence[str] = (),
    candles: NDArray | None = None,
    bar: bool = True,
    dark: bool = False,
) -> Image.Image:
    """`intensity` [B, T] from 0 to 1, of evenly spaced buckets from `lowest` to `highest` price.

    `price_ticks`: price and text, by default every sixth of the axis. `time_labels` stand at evenly
    spaced instants, the first at the left edge and the last at the right. `candles` [N, 4]: open,
    high, low, close.
    """
    page, ink = DARK if dark else LIGHT
    image = Image.new("RGB", (WIDTH, HEIGHT), page)
    pen = ImageDraw.Draw(image)
    write = functools.partial(_write, pen, ink=ink)
    buckets, columns = intensity.shape
    rows = ((np.arange(BOTTOM - TOP) + 0.5) / (BOTTOM - TOP) * buckets).astype(int)[::-1]
    across = ((np.arange(RIGHT - LEFT) + 0.5) / (RIGHT - LEFT) * columns).astype(int)
    plot = np.rint(colour(intensity[rows[:, None], across])).astype(np.uint8)
    image.paste(Image.fromarray(plot), (LEFT, TOP))
    if bar:
        heights = np.linspace(1, 0, BAR_BOTTOM - BAR_TOP)
        column = np.rint(colour(heights)).astype(np.uint8)[:, None]
        image.paste(
            Image.fromarray(np.repeat(column, BAR_RIGHT - BAR_LEFT, axis=1)), (BAR_LEFT, BAR_TOP)
        )
        write(maximum, 74, BAR_TOP - 17)
        write(minimum, 74, BAR_BOTTOM + 16)
    write(title, 166, 22, size=20)
    write(range_text, 1230, 22)
    write(model_text, 1000, 22)
    scale = (BOTTOM - TOP) / (highest - lowest)
    if price_ticks is None:
        inner = np.linspace(lowest, highest, 7)
        price_ticks = [(float(price), f"{price:.0f}") for price in inner]
    for price, text in price_ticks:
        _write_beside_tick(pen, text, 1351, BOTTOM - (price - lowest) * scale, ink)
    for x, text in zip(np.linspace(LEFT, RIGHT, len(time_labels)), time_labels, strict=True):
        write(text, float(x), BOTTOM + 14)
    if candles is not None:
        _draw_candles(pen, candles, lowest, scale)
    write("coinglass", 1280, 700, size=18, ink=(131, 110, 140))
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _draw_candles(pen: ImageDraw.ImageDraw, candles: NDArray, lowest: float, scale: float) -> None:
    step = (RIGHT - LEFT) / len(candles)
    for number, prices in enumerate(candles):
        x = LEFT + (number + 0.5) * step
        opened, high, low, close = BOTTOM - (prices - lowest) * scale
        ink = RISING if close <= opened else FALLING
        pen.line((x, high, x, low), fill=ink)
        pen.rectangle(
            (x - step / 4, min(opened, close), x + step / 4, max(opened, close)), fill=ink
        )


def _write(
    pen: ImageDraw.ImageDraw,
    text: str,
    x: float,
    y: float,
    *,
    size: int = 12,
    ink: tuple[int, int, int],
) -> None:
    """With the middle of its ink at a place, as near as whole pixels allow."""
    font = ImageFont.load_default(size)
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    pen.text((round(x - (left + right) / 2), round(y - (top + bottom) / 2)), text, ink, font)


def _write_beside_tick(
    pen: ImageDraw.ImageDraw, text: str, left: float, y: float, ink: tuple[int, int, int]
) -> None:
    """As a canvas does with the text baseline "middle": the middle of the em square, whose ascent
    and descent are the font's, stands at the tick; the baseline on a whole pixel."""
    size = 12
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    ascent, descent = ImageFont.load_default(1000).getmetrics()
    middle = size * (ascent - descent) / (ascent + descent) / 2
    pen.text((left, round(y + middle)), text, ink, font, anchor="ls")
