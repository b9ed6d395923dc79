"""The chart in the picture: its plot area, its colour bar, and its colours as values."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from validation.coinglass.files import Pixels
from validation.coinglass.reference import FloatArray, Unreadable
from validation.coinglass.text import Box, Mask, runs

BACKGROUND_DISTANCE = 40
TALL = 0.5  # of the tallest column: a column that belongs to the plot or to the colour bar
FILLED = 0.9
SMALLEST_PLOT = 0.3  # of the picture's width
WIDEST_BAR = 0.1  # of the plot's width
COLOURS_OF_A_BAR = 32

# Off the colour bar's curve by more than this (of 441 in RGB) is not a cell: a candle, the
# watermark, a cursor, a line. Cells lie within 8 in real pictures.
COVERED = 16.0
STEPS_OF_A_BAR = 1024

# At the plot's sides scaling and JPEG leave columns that are blurred with the page.
BLURRED = 0.2
WIDEST_BLUR = 16
MAX_COLOURS = 100_000  # a page has some thousands, a photograph more


@dataclass(frozen=True)
class Layout:
    """Where the plot and the colour bar are, without their blurred edges, and the page's colour."""

    plot: Box
    bar: Box
    background: FloatArray


def page_colour(picture: Pixels) -> FloatArray:
    """The most frequent colour along the picture's edge."""
    edge = np.concatenate((picture[0], picture[-1], picture[:, 0], picture[:, -1]))
    colours, counts = np.unique(edge, axis=0, return_counts=True)
    return np.asarray(colours[counts.argmax()], dtype=np.float64)


def find_layout(picture: Pixels, background: FloatArray) -> Layout:
    """The plot is the widest filled block, the colour bar the narrow one beside it on the left."""
    filled = np.abs(picture - background).max(axis=2) > BACKGROUND_DISTANCE
    counts = filled.sum(axis=0)
    if not counts.any():
        raise Unreadable(
            "The picture shows nothing: it has one colour, or hardly differs from it. Take the "
            "picture again, of the whole chart."
        )
    blocks = runs(counts > TALL * counts.max())
    left, right = max(blocks, key=lambda block: block[1] - block[0])
    if right - left < SMALLEST_PLOT * picture.shape[1]:
        raise Unreadable("No filled plot area found; is this a picture of a liquidation heatmap?")
    plot = _filled_box(filled, left, right)
    bars = [block for block in blocks if block[1] < left]
    bars = [(a, b) for a, b in bars if 4 <= b - a <= WIDEST_BAR * plot.width]
    for a, b in reversed(bars):
        bar = _filled_box(filled, a, b)
        if len(np.unique(_bar_colours(picture, bar), axis=0)) >= COLOURS_OF_A_BAR:
            return Layout(plot, bar, background)
    raise Unreadable("No colour bar found left of the plot; take the picture with it.")


def read_intensity(picture: Pixels, layout: Layout) -> tuple[FloatArray, Box]:
    """0 (the bar's low end) to 1 of each pixel of the plot, NaN where something covers it; and the
    plot without the blurred columns at its sides."""
    colours, place = distinct_colours(picture, layout)
    position, distance = _along_the_bar(colours, bar_curve(picture, layout))
    covered, intensity = (distance > COVERED)[place], position[place]
    intensity[_widened(covered)] = np.nan
    first, last = _clear_columns(covered)
    plot = layout.plot
    clear = Box(plot.left + first, plot.top, plot.left + last, plot.bottom)
    return intensity[:, first:last], clear


def distinct_colours(picture: Pixels, layout: Layout) -> tuple[FloatArray, NDArray[np.int64]]:
    """The plot's colours [N, 3], and which of them each of its pixels has."""
    packed = (layout.plot.cut(picture).astype(np.int64) << np.array([16, 8, 0])).sum(axis=2)
    colours, place = np.unique(packed, return_inverse=True)
    if len(colours) > MAX_COLOURS:
        raise Unreadable(f"The plot has {len(colours):,} colours; is this a photograph?")
    found = colours[:, None] >> np.array([16, 8, 0]) & 255
    return found.astype(np.float64), place.reshape(packed.shape)


def bar_curve(picture: Pixels, layout: Layout) -> FloatArray:
    """The colour bar's colours [STEPS_OF_A_BAR, 3], evenly spaced from its low to its high end."""
    bar = _bar_colours(picture, layout.bar)
    rows = np.linspace(1, 0, len(bar))
    places = np.linspace(0, 1, STEPS_OF_A_BAR)
    return np.column_stack([np.interp(places, rows[::-1], bar[::-1, c]) for c in range(3)])


def _filled_box(filled: Mask, left: int, right: int) -> Box:
    """The longest run of filled rows between two columns, less the blurred pixel at each edge."""
    rows = runs(filled[:, left:right].mean(axis=1) > FILLED)
    if not rows:
        raise Unreadable("No filled plot area found; is this a picture of a liquidation heatmap?")
    top, bottom = max(rows, key=lambda row: row[1] - row[0])
    return Box(left + 1, top + 1, right - 1, bottom - 1)


def _bar_colours(picture: Pixels, bar: Box) -> FloatArray:
    """[rows, 3] from the high end down: the median over the bar's middle half."""
    quarter = bar.width // 4
    middle = picture[bar.top : bar.bottom, bar.left + quarter : bar.right - quarter]
    return np.median(middle.astype(np.float64), axis=1)


def _along_the_bar(colours: FloatArray, curve: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Of each colour [N, 3] the nearest place on the bar, 0 to 1, and the distance to it in RGB."""
    places = np.linspace(0, 1, STEPS_OF_A_BAR)
    position, distance = np.empty(len(colours)), np.empty(len(colours))
    for start in range(0, len(colours), 4096):
        some = colours[start : start + 4096]
        squares = (some**2).sum(1)[:, None] - 2 * some @ curve.T + (curve**2).sum(1)
        nearest = squares.argmin(axis=1)
        position[start : start + len(some)] = places[nearest]
        distance[start : start + len(some)] = np.linalg.norm(some - curve[nearest], axis=1)
    return position, distance


def _clear_columns(covered: Mask) -> tuple[int, int]:
    """The first clear column and the one after the last."""
    clear = covered.mean(axis=0) < BLURRED
    first, behind = int(clear.argmax()), int(clear[::-1].argmax())
    if not clear.any() or max(first, behind) > WIDEST_BLUR:
        raise Unreadable(
            "A side of the plot is covered, or its colours are not those of the colour bar; take "
            "the picture again, as a PNG."
        )
    return first, len(clear) - behind


def _widened(covered: Mask) -> Mask:
    """With one pixel on the left and right: the blurred edges of candles can look like a cell."""
    wide = covered.copy()
    wide[:, 1:] |= covered[:, :-1]
    wide[:, :-1] |= covered[:, 1:]
    return wide
