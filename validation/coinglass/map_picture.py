"""A picture of Coinglass's liquidation map: bars over prices, stacked by leverage."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from validation.coinglass.axes import ABOVE_ITS_TICK, Line, fit_line, parse_number
from validation.coinglass.files import Pixels
from validation.coinglass.reference import FloatArray, Unreadable
from validation.coinglass.text import Box, Mask, Word, read_words

FEWEST_LABELS, FEWEST_TICKS = 5, 3
LIKE_A_BAR = 60.0
"""In RGB: so near to a colour of the legend are bars, also below the tinted areas."""
COVERED_PX = 6
"""So high a piece of a bar may be covered, by a curve that crosses it."""
BARS_PER_LABEL = (3, 60)
CLEAR = 0.6
"""Of the strongest frequency: the lowest one as strong is that of the bars."""

_LEVERAGE = re.compile(r"[0-9]{1,3}x\s*Leverage", re.IGNORECASE)
_PRICE = re.compile(r"Current\s*Price:?\s*([0-9.,]+)", re.IGNORECASE)


@dataclass(frozen=True)
class DrawnMap:
    """`prices` [B]: lower edges of buckets of `bin_size`, USDT, ascending; `usd` [B]: the bars'
    whole heights, 0 where there is no bar. `unsure`: the share of the buckets whose place between
    two labels is not known exactly. `price`: the current one as written."""

    prices: FloatArray
    bin_size: float
    usd: FloatArray
    unsure: float
    price: float


def read_map(picture: Pixels, background: FloatArray) -> DrawnMap:
    """The bars of a map. Raises Unreadable, with the reason.

    The page leaves out prices without a bar and draws the others side by side: so a bar's price is
    exact only where no price is missing between its two labels; elsewhere it is spread evenly.
    """
    words = read_words(picture, Box(0, 0, picture.shape[1], picture.shape[0]), background)
    labels = _labels(words)
    legend = _legend(picture, words)
    price = next((p for word in words if (p := _current_price(word.text))), None)
    if price is None:
        raise Unreadable("The map does not say its current price; take the picture with it.")
    top = max(word.box.bottom for word in words if _LEVERAGE.search(word.text))
    axis = _amounts(picture, background, labels, top)
    places, bars = _bars(picture, labels, legend, axis, top)
    return _on_prices(labels, places, bars, price)


def _labels(words: Sequence[Word]) -> list[tuple[float, float]]:
    """Place and price of the labels below the bars: the longest line of rising numbers."""
    numbers = [(word, number) for word in words if (number := parse_number(word.text))]
    lines: dict[int, list[tuple[float, float]]] = {}
    for word, number in numbers:
        lines.setdefault(word.box.bottom, []).append((word.box.x, number))
    longest = max(lines, key=lambda bottom: len(lines[bottom]), default=0)
    line = sorted(lines.get(longest, []))
    prices = [number for _, number in line]
    if len(line) < FEWEST_LABELS or prices != sorted(prices):
        raise Unreadable("The prices below the bars could not be read; take the whole chart.")
    return line


def _legend(picture: Pixels, words: Sequence[Word]) -> FloatArray:
    """The colours [N, 3] of the squares before "5x Leverage" and its like."""
    found = [word.box for word in words if _LEVERAGE.search(word.text)]
    if not found:
        raise Unreadable("The legend of the bars' leverages could not be read.")
    colours = []
    for box in found:
        left = picture[round(box.y), max(box.left - 2 * box.height, 0) : box.left + box.height]
        chroma = np.ptp(left.astype(int), axis=1)
        colours.append(np.median(left[chroma > 0.5 * chroma.max()], axis=0))
    return np.array(colours, dtype=np.float64)


def _amounts(
    picture: Pixels, background: FloatArray, labels: Sequence[tuple[float, float]], top: int
) -> Line:
    """USD at a height, of the axis on the left."""
    right = int(labels[0][0]) - 6
    words = read_words(picture, Box(0, top, right, picture.shape[0]), background)
    ticks = [
        (word.y + ABOVE_ITS_TICK * word.box.height, number)
        for word in words
        if (number := parse_number(word.text)) is not None
        and word.box.right < right
        and (number == 0 or not word.text.isdigit())
    ]
    if len(ticks) < FEWEST_TICKS:
        raise Unreadable("The amounts left of the bars could not be read; take the whole chart.")
    line = fit_line([y for y, _ in ticks], [number for _, number in ticks])
    if line.residual_px > 2 or line.slope >= 0:
        raise Unreadable("The amounts left of the bars do not lie on a straight line.")
    return line


def _bars(
    picture: Pixels,
    labels: Sequence[tuple[float, float]],
    legend: FloatArray,
    axis: Line,
    top: int,
) -> tuple[FloatArray, FloatArray]:
    """Number of the place of each bar, counted in steps from the first label, and its USD."""
    zero = round(-axis.intercept / axis.slope)
    part = picture[top:zero].astype(np.float64)
    seen = np.min([np.linalg.norm(part - colour, axis=2) for colour in legend], axis=0) < LIKE_A_BAR
    step = fit_line(range(len(labels)), [x for x, _ in labels]).slope
    pitch = step / _per_label(seen[-COVERED_PX:].mean(axis=0), step)
    begin = labels[0][0]
    numbers = np.arange(round((labels[-1][0] - begin) / pitch) + 1)
    usd = []
    for x in begin + numbers * pitch:
        near = seen[:, max(round(x - pitch / 4), 0) : round(x + pitch / 4) + 1]
        usd.append(_height(np.asarray(near.mean(axis=1) >= 0.5)) * -axis.slope)
    return (numbers * pitch / step).astype(np.float64), np.array(usd, dtype=np.float64)


def _per_label(profile: FloatArray, step: float) -> int:
    """How many bars stand from one label to the next: the frequency in where bars stand."""
    counts = np.arange(*BARS_PER_LABEL)
    x = np.arange(len(profile))
    wave = np.exp(2j * np.pi * np.outer(counts, x) / step)
    power = np.abs(wave @ (profile - profile.mean()))
    return int(counts[np.flatnonzero(power >= CLEAR * power.max())[0]])


def _height(rows: Mask) -> int:
    """Pixels from the bottom to the top of a stack, over what a curve covers of it."""
    found = np.flatnonzero(rows[::-1])
    if not len(found) or found[0] > COVERED_PX:
        return 0
    gaps = np.flatnonzero(np.diff(found) > COVERED_PX)
    return int(found[gaps[0]] if len(gaps) else found[-1]) + 1


def _on_prices(
    labels: Sequence[tuple[float, float]], places: FloatArray, usd: FloatArray, price: float
) -> DrawnMap:
    prices = np.array([number for _, number in labels])
    per_label = round(1 / (places[1] - places[0]))
    size = float(np.diff(prices).min() / per_label)
    bucket = np.rint((np.interp(places, np.arange(len(prices)), prices) - prices[0]) / size)
    total = np.zeros(int(bucket.max()) + 1)
    np.add.at(total, bucket.astype(int), usd)
    exact = np.diff(prices) < (per_label + 0.5) * size
    lower = prices[0] - size / 2 + size * np.arange(len(total))
    return DrawnMap(lower, size, total, float(1 - exact.mean()), price)


def _current_price(text: str) -> float | None:
    match = _PRICE.search(text)
    return parse_number(match[1]) if match else None
