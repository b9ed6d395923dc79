"""The candles drawn over a picture's map: how high and how low they reach in each column."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from validation.coinglass.colours import COVERED, Layout, bar_curve, distinct_colours
from validation.coinglass.files import Pixels
from validation.coinglass.reference import FloatArray
from validation.coinglass.text import runs

COLOURFUL = 40
"""Largest less smallest of a candle's red, green and blue; watermark and cursor are grey."""
FEWEST_PIXELS = 50
GROUPS = 16
"""Levels of each channel that count as one colour when the most frequent is looked for."""
CAUTION = 25.0
"""In RGB: so much better must a mixture with a candle's colour be than a colour of the bar."""
CLEAR, EDGE = 0.4, 0.3
"""The least share of a candle's colour in its clearest pixel, and in its others."""
CLEAR_ROW = 0.7
"""Likewise where it is one row high, as the blurred borders between cells are."""
NEAR_AN_END = 3
FARTHEST = 0.12
"""Of the plot's height: a candle does not lie farther from those around it."""
NEIGHBOURS = 30


@dataclass(frozen=True)
class DrawnCandles:
    """Per column of the plot's pixels [T] the upper and the lower end, in pixels from the picture's
    top and to a part of one; NaN where no candle is seen. `rising` [T]: green, not red."""

    upper: FloatArray
    lower: FloatArray
    rising: NDArray[np.bool_]


def read_candles(picture: Pixels, layout: Layout) -> DrawnCandles:
    """The candles over the plot: what is green or red and of no colour of the bar.

    Of several pieces of a column the one nearest to the candles around it is taken. Where candles
    are so narrow that no pixel of a column is half covered, the column has none.
    """
    plot = layout.plot
    green, red = _shares(picture, layout)
    share = np.maximum(green, red)
    pieces = [_pieces(share[:, column]) for column in range(plot.width)]
    around = _around(pieces, share)
    upper, lower = np.full((2, plot.width), np.nan)
    rising = np.zeros(plot.width, dtype=bool)
    for column, found in enumerate(pieces):
        apart = [abs((top + bottom) / 2 - around[column]) for top, bottom in found]
        if not apart or not min(apart) < FARTHEST * plot.height:
            continue
        top, bottom = found[int(np.argmin(apart))]
        ends = _ends(share[:, column], top, bottom)
        upper[column], lower[column] = plot.top + ends[0], plot.top + ends[1]
        rising[column] = green[top:bottom, column].sum() > red[top:bottom, column].sum()
    return DrawnCandles(upper, lower, rising)


def _shares(picture: Pixels, layout: Layout) -> tuple[FloatArray, FloatArray]:
    """How much of each pixel of the plot is of the green and of the red candles' colour, 0 to 1."""
    colours, place = distinct_colours(picture, layout)
    bar = bar_curve(picture, layout)[::16]
    distance = np.sqrt(((colours[:, None] - bar) ** 2).sum(axis=2).min(axis=1))
    counts = np.bincount(place.ravel(), minlength=len(colours)) * (distance > COVERED)
    red, green, blue = colours.T
    colourful = (np.ptp(colours, axis=1) >= COLOURFUL) & (distance > COVERED)
    shares = []
    for alike in ((green > red) & (green > blue), (red > green) & (red > blue)):
        ink = _ink(colours, counts * distance * (alike & colourful), counts)
        found = np.zeros(len(colours)) if ink is None else _mixed(colours, bar, ink)
        shares.append(np.where(alike & colourful, found, 0.0)[place])
    return shares[0], shares[1]


def _ink(colours: FloatArray, weights: FloatArray, counts: NDArray[np.int64]) -> FloatArray | None:
    """The colour that most pixels have, mixtures with what is behind them being less frequent."""
    groups = (colours // GROUPS).astype(np.int64) @ np.array([1024, 32, 1])
    names, group = np.unique(groups, return_inverse=True)
    most = int(np.bincount(group, weights, minlength=len(names)).argmax())
    chosen = np.where(group == most, weights, 0.0)
    if counts[chosen > 0].sum() < FEWEST_PIXELS:
        return None
    return np.asarray(chosen @ colours / chosen.sum())


def _mixed(colours: FloatArray, bar: FloatArray, ink: FloatArray) -> FloatArray:
    """The share of `ink` in each colour, of the mixture with a colour of the bar that fits best."""
    best, share = np.full(len(colours), np.inf), np.zeros(len(colours))
    for under in bar:
        way = ink - under
        part = np.clip((colours - under) @ way / max(way @ way, 1.0), 0, 1)
        error = ((colours - under - part[:, None] * way) ** 2).sum(axis=1) + (CAUTION * part) ** 2
        better = error < best
        best, share = np.where(better, error, best), np.where(better, part, share)
    return share


def _pieces(share: FloatArray) -> list[tuple[int, int]]:
    found = runs(share > EDGE)
    return [(a, b) for a, b in found if share[a:b].max() >= (CLEAR if b - a > 1 else CLEAR_ROW)]


def _around(pieces: list[list[tuple[int, int]]], share: FloatArray) -> FloatArray:
    """Of each column where candles are: the median row of all pieces around it."""
    rows = [[row for top, bottom in found for row in range(top, bottom)] for found in pieces]
    around = np.full(len(pieces), np.nan)
    for column in range(len(pieces)):
        near = [r for some in rows[max(column - NEIGHBOURS, 0) : column + NEIGHBOURS] for r in some]
        if near:
            around[column] = np.median(near)
    return around


def _ends(share: FloatArray, top: int, bottom: int) -> tuple[float, float]:
    """Both ends to a part of a pixel: how much of the last pixel and of the next one is covered,
    compared with those inside. A wick may be fainter than the body, being narrower."""
    padded = np.append(share, 0.0)  # row -1 is the 0 behind the last
    first = padded[top : min(top + NEAR_AN_END, bottom)].max()
    last = padded[max(bottom - NEAR_AN_END, top) : bottom].max()
    above, below = padded[[top - 1, top]] / first, padded[[bottom - 1, bottom]] / last
    return float(top + 1 - above.sum()), float(bottom - 1 + below.sum())
