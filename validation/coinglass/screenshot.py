"""A picture of Coinglass's liquidation heatmap page, read as a heatmap."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, tzinfo
from typing import TypeVar

import numpy as np

from liqheat_project.kernel.instants import HOUR_MS, milliseconds_of
from validation.coinglass.axes import (
    Line,
    local_instants,
    parse_number,
    read_price_axis,
    read_time_ticks,
)
from validation.coinglass.candles import read_candles
from validation.coinglass.cells import find_cells
from validation.coinglass.colours import Layout, find_layout, page_colour, read_intensity
from validation.coinglass.files import Limits, Pixels, decode_picture
from validation.coinglass.map_picture import DrawnMap, read_map
from validation.coinglass.names import base_coin, parse_range, range_hours
from validation.coinglass.reference import (
    FloatArray,
    IntArray,
    MapMoment,
    Reference,
    TimeLabel,
    Unreadable,
)
from validation.coinglass.text import Box, Word, read_words
from validation.coinglass.times import clock_window, times_in

DEFAULT_LIMITS = Limits()
HEAD = 0.25  # of the picture's height: where a title is looked for when no chart was found
LABEL_REACH = 45  # px above and below the colour bar
TIME_LABEL_LINES = 5
LONGER_THAN_RANGE = 1.1
MUCH_COVERED = 0.1
CELLS_UNSEEN = (
    "Where the picture's cells begin could not be seen: its rows of pixels are compared, which "
    "repeat a cell, so that the overlap comes out too low."
)
NO_MONTH = (
    "The time axis shows days of a month without the month, and when the picture was taken was not "
    "stated: the columns have no times."
)
T = TypeVar("T")
NO_TIMES: IntArray = np.zeros(0, dtype=np.int64)

_HEATMAP = re.compile(
    r"(?:^|\s)([A-Z0-9]{1,15}?)(/[A-Z]{3,5})?\s*Liquidation\s*(?:Heat\s*map|Map)", re.ASCII
)
_MAP = re.compile(r"Liquidation\s*Map", re.IGNORECASE)
_MODEL = re.compile(r"Model\s*([123])\b", re.IGNORECASE)
_THRESHOLD = re.compile(r"Threshold\s*=?\s*([0-9.]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Title:
    """What the page says above the chart; None for what it does not say. `symbol` is a coin where
    the map is of all exchanges together."""

    symbol: str | None
    model: int | None
    range: str | None
    threshold: str | None


def read_screenshot(
    content: bytes,
    *,
    symbol: str | None = None,
    model: int | None = None,
    range: str | None = None,
    time_zone: tzinfo | None = None,
    taken_at: datetime | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Reference:
    """The heatmap in a PNG or JPEG. Raises Unreadable, with the reason, for whatever it is not.

    `symbol`, `model` and `range` are checked against the page's title and complete it.
    `time_zone`: that of the browser, which no picture shows; without it there are no times.
    `taken_at`: needed where the time axis shows the day of the month only.
    """
    picture = decode_picture(content, limits)
    background = page_colour(picture)
    layout, head = _layout_and_head(picture, background)
    title = _read_title(head)
    if layout is None:
        return _map_reference(
            read_map(picture, background), title, symbol, range, time_zone, taken_at
        )
    symbol = _agreed_symbol(symbol, title.symbol)
    model = _agreed("model", model, title.model)
    range = _agreed_range(range, title.range)
    price_axis, text_height = _price_axis(picture, layout)
    low, high = _colour_scale(picture, layout)
    shares, clear = read_intensity(picture, layout)
    cells = find_cells(shares[::-1])
    layout = replace(layout, plot=clear)
    labels = _labels(picture, layout, text_height, taken_at)
    times, time_remarks = _times(labels, clear.width, range, time_zone)
    candles = read_candles(picture, layout)
    prices = price_axis.at(layout.plot.bottom - np.arange(layout.plot.height, dtype=np.float64))
    if prices[0] <= 0:
        raise Unreadable(f"The price axis reaches {prices[0]:g}, below zero.")
    bin_size = -price_axis.slope
    first, height = cells or (0.0, 1.0)
    return Reference(
        source="screenshot",
        symbol=symbol,
        model=model,
        range=range,
        times=times,
        prices=prices,
        bin_size=bin_size,
        cell_lower=float(prices[0]) + first * bin_size,
        cell_size=height * bin_size,
        intensity=low + (high - low) * shares[::-1],
        maximum_usd=high,
        remarks=(
            *_title_remarks(title, symbol, model),
            *time_remarks,
            *(() if cells else (CELLS_UNSEEN,)),
            *_cover_remarks(shares),
        ),
        price_fit_residual_px=price_axis.residual_px,
        labels=labels,
        candle_high=price_axis.at(candles.upper),
        candle_low=price_axis.at(candles.lower),
    )


def _map_reference(
    drawn: DrawnMap,
    title: Title,
    symbol: str | None,
    range: str | None,
    time_zone: tzinfo | None,
    taken_at: datetime | None,
) -> Reference:
    """A liquidation map as a reference of one column."""
    if taken_at is None:
        raise Unreadable(
            "A liquidation map does not say when it was taken; say it in the file's name, like "
            "BTCUSDT_map_30d_2025-10-28T1600.png."
        )
    is_day = taken_at.time() == time()
    known = time_zone is not None and not is_day
    instant = [milliseconds_of(taken_at.replace(tzinfo=time_zone))] if known else []
    remarks = [
        f"Of the buckets {drawn.unsure:.0%} lie between labels of which prices are left out: they "
        "may be some buckets off."
    ]
    return Reference(
        source="screenshot",
        symbol=_agreed_symbol(symbol, title.symbol),
        model=None,
        range=_agreed_range(range, title.range),
        times=np.array(instant, dtype=np.int64),
        prices=drawn.prices,
        bin_size=drawn.bin_size,
        cell_lower=float(drawn.prices[0]),
        cell_size=drawn.bin_size,
        intensity=drawn.usd[:, None],
        maximum_usd=float(drawn.usd.max()),
        remarks=tuple(remarks),
        price_fit_residual_px=None,
        map_at=MapMoment(taken_at.date(), drawn.price),
    )


def _layout_and_head(picture: Pixels, background: FloatArray) -> tuple[Layout | None, list[Word]]:
    """Where the chart is, and the words above it; no chart where these name a liquidation map."""
    height, width = picture.shape[:2]
    missing: Unreadable | None = None
    layout: Layout | None = None
    try:
        layout = find_layout(picture, background)
    except Unreadable as error:
        missing = error
    bottom = layout.plot.top - 2 if layout else round(HEAD * height)
    head = read_words(picture, Box(0, 0, width, max(bottom, 0)), background)
    if any(_MAP.search(word.text) for word in head):
        return None, head
    if layout is None:
        raise missing or Unreadable("No chart found.")
    return layout, head


def _read_title(head: Sequence[Word]) -> Title:
    texts = [word.text for word in head]
    heatmap = next((m for text in texts if (m := _HEATMAP.search(text))), None)
    return Title(
        symbol=(heatmap[1] + (heatmap[2] or "")).replace("/", "") if heatmap else None,
        model=_only(int(m[1]) for text in texts if (m := _MODEL.search(text))),
        range=_only(found for text in texts if (found := parse_range(text))),
        threshold=_only(m[1] for text in texts if (m := _THRESHOLD.search(text))),
    )


def _only(found: Iterable[T]) -> T | None:
    """The value if there is exactly one."""
    values = set(found)
    return values.pop() if len(values) == 1 else None


def _agreed_symbol(given: str | None, shown: str | None) -> str:
    if given is None and shown is None:
        raise Unreadable("The title does not say the symbol; give it, or name the file after it.")
    if given is None or shown is None:
        return (given or shown or "").upper()
    coin_only = base_coin(shown) == shown
    if (base_coin(given) if coin_only else given.upper()) != shown:
        raise Unreadable(f"The title says {shown}, but {given} was given; correct the symbol.")
    return given.upper()


def _agreed(name: str, given: int | None, shown: int | None) -> int | None:
    if given is not None and shown is not None and given != shown:
        raise Unreadable(f"The page says {name} {shown}, but {given} was given; correct it.")
    return shown if given is None else given


def _agreed_range(given: str | None, shown: str | None) -> str:
    if given is None and shown is None:
        raise Unreadable("The page does not say its range; give it, such as 24h.")
    if given is not None and range_hours(given) is None:
        raise Unreadable(f"{given} is no range; write it as 24h, 7d or 2w.")
    if given is not None and shown is not None and range_hours(given) != range_hours(shown):
        raise Unreadable(f"The page's range is {shown}, but {given} was given; correct the range.")
    return given or shown or ""


def _price_axis(picture: Pixels, layout: Layout) -> tuple[Line, int]:
    """The axis right of the plot, and the height of its text."""
    plot, width = layout.plot, picture.shape[1]
    region = Box(plot.right + 2, max(plot.top - 20, 0), width, plot.bottom + 20)
    if region.width < 10:
        raise Unreadable("The price axis right of the plot is cut off; take a wider picture.")
    words = [
        word
        for word in read_words(picture, region, layout.background)
        if abs(word.box.y - plot.y) < plot.height / 2 + word.box.height / 2
    ]
    axis = read_price_axis(words)
    return axis, max(word.box.height for word in words)


def _colour_scale(picture: Pixels, layout: Layout) -> tuple[float, float]:
    """USD of the bar's low and high end, as printed below and above it."""
    bar, left, right = layout.bar, 0, layout.plot.left - 2
    above = Box(left, max(bar.top - LABEL_REACH, 0), right, bar.top - 2)
    below = Box(left, bar.bottom + 2, right, min(bar.bottom + LABEL_REACH, picture.shape[0]))
    ends = []
    for name, region in (("low", below), ("high", above)):
        numbers = [
            number
            for word in read_words(picture, region, layout.background)
            if abs(word.box.x - bar.x) < bar.width
            and (number := parse_number(word.text)) is not None
        ]
        if len(numbers) != 1:
            raise Unreadable(
                f"The number at the {name} end of the colour bar could not be read; take the "
                "picture with the whole bar."
            )
        ends.append(numbers[0])
    if ends[0] >= ends[1]:
        raise Unreadable(f"The colour bar runs from {ends[0]:g} to {ends[1]:g}.")
    return ends[0], ends[1]


def _labels(
    picture: Pixels, layout: Layout, text_height: int, taken_at: datetime | None
) -> tuple[TimeLabel, ...]:
    """The labels of the time axis; none where they do not say the month."""
    plot = layout.plot
    bottom = min(plot.bottom + 2 + TIME_LABEL_LINES * text_height, picture.shape[0])
    below = Box(0, plot.bottom + 2, picture.shape[1], bottom)
    ticks = read_time_ticks(read_words(picture, below, layout.background))
    instants = local_instants(ticks, taken_at)
    if instants is None:
        return ()
    pairs = zip(ticks, instants, strict=True)
    return tuple(TimeLabel(tick.x - plot.left, at) for tick, at in pairs)


def _times(
    labels: Sequence[TimeLabel], columns: int, range: str, time_zone: tzinfo | None
) -> tuple[IntArray, tuple[str, ...]]:
    """The columns' instants, or none with the reason among the remarks."""
    if not labels:
        return NO_TIMES, (NO_MONTH,)
    try:
        first, last = clock_window(labels, columns)
    except ValueError:
        return NO_TIMES, ("The time axis could not be read: the columns have no times.",)
    hours = (last - first) / HOUR_MS
    if hours > LONGER_THAN_RANGE * (range_hours(range) or 0):
        raise Unreadable(f"The time axis spans {hours:.0f} hours, more than the range {range}.")
    if time_zone is None:
        return NO_TIMES, (
            f"The last label is {labels[-1].at:%Y-%m-%d %H:%M} in the browser's time zone, which "
            "was not stated.",
        )
    return times_in(labels, columns, time_zone)


def _title_remarks(title: Title, symbol: str, model: int | None) -> tuple[str, ...]:
    remarks = []
    if title.symbol is None:
        remarks.append(f"The title does not say the symbol; {symbol} was given.")
    elif base_coin(title.symbol) == title.symbol:
        remarks.append(
            f"The title names the coin {title.symbol}: a map of all exchanges together, not of one "
            "contract."
        )
    if title.range is None:
        remarks.append("The page does not show its range; the given one was taken.")
    if title.model is None:
        remarks.append(
            "The page does not show the model"
            + ("." if model is None else f"; model {model} was given.")
        )
    if title.threshold is not None:
        remarks.append(
            f"The page's liquidity threshold stood at {title.threshold}. Coinglass does not say "
            "what it does: the highest colour may stand for its number or more."
        )
    return tuple(remarks)


def _cover_remarks(shares: FloatArray) -> tuple[str, ...]:
    covered = float(np.isnan(shares[:, -1]).mean())
    if covered < MUCH_COVERED:
        return ()
    return (
        f"{covered:.0%} of the last column is covered, or blurred by scaling or JPEG, and left "
        "out; a PNG as the browser saves it shows more.",
    )
