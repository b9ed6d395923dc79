"""The axes: ticks read as numbers and instants, and the straight line through them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from validation.coinglass.reference import FloatArray, Unreadable
from validation.coinglass.text import Word

LARGEST_RESIDUAL_PX = 1.0
FEWEST_TICKS = 3
ABOVE_ITS_TICK = 0.085
"""Of the height of a number's ink: how far its middle stands above its tick.

A browser puts the middle of the em square beside the tick (`textBaseline` "middle"): with ascent a
and descent d of the font (a - d) / (2 (a + d)) em above the baseline. The middle of the digits is
half of their height above it. That makes 0.085 to 0.09 in IBM Plex Sans, Inter, Roboto and Rubik,
0.07 in Arial.
"""
UNITS = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9}

_NUMBER = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,12})?)([KMB]?)")
_GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?[KMB]?")
_DATE = re.compile(r"(20[0-9]{2})-([01][0-9])-([0-3][0-9])")
_TIME = re.compile(r"([0-2][0-9]):([0-5][0-9])")
_DAY = re.compile(r"([0-3]?[0-9]),? *([0-2][0-9]:[0-5][0-9])")


@dataclass(frozen=True)
class Line:
    """value = intercept + slope * pixel; `residual_px`: the worst tick's distance in pixels."""

    slope: float
    intercept: float
    residual_px: float

    def at(self, pixel: FloatArray) -> FloatArray:
        return self.intercept + self.slope * pixel


@dataclass(frozen=True)
class TimeTick:
    """A label of the time axis at `x`. `date` is None where only the day of the month is shown."""

    x: float
    day: int
    hour: int
    minute: int
    date: datetime | None


def fit_line(pixels: Sequence[float], values: Sequence[float]) -> Line:
    """Least squares through at least three ticks. Values may be as large as ms since 1970."""
    x, y = np.asarray(pixels, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if len(x) < FEWEST_TICKS or np.ptp(x) == 0 or np.ptp(y) == 0:
        raise ValueError("a line needs three ticks at different places")
    x_mean, y_mean = x.mean(), y.mean()
    slope = float(((x - x_mean) * (y - y_mean)).sum() / ((x - x_mean) ** 2).sum())
    if slope == 0:
        raise ValueError("the ticks do not rise or fall")
    residual = np.abs(y - y_mean - slope * (x - x_mean)).max() / abs(slope)
    return Line(slope, float(y_mean - slope * x_mean), float(residual))


def parse_number(text: str) -> float | None:
    """88280000.0 of "88.28M", 120000.0 of "120,000"; None for anything that is no number."""
    plain = text.strip().lstrip("$").replace(" ", "")
    if _GROUPED.fullmatch(plain):
        plain = plain.replace(",", "")
    match = _NUMBER.fullmatch(plain)
    return float(match[1]) * UNITS[match[2]] if match else None


def read_price_axis(words: Sequence[Word]) -> Line:
    """The price at a height in pixels. Raises Unreadable where the ticks are not on a line."""
    ticks = [(word, number) for word in words if (number := parse_number(word.text)) is not None]
    if len(ticks) < FEWEST_TICKS:
        raise Unreadable(
            f"Only {len(ticks)} price ticks were read right of the plot, of {FEWEST_TICKS} needed; "
            "take the picture with its whole price axis, larger if the text is small."
        )
    seen = ", ".join(word.text for word, _ in ticks)
    try:
        heights = [word.y + ABOVE_ITS_TICK * word.box.height for word, _ in ticks]
        line = fit_line(heights, [number for _, number in ticks])
    except ValueError as error:
        raise Unreadable(f"The price ticks ({seen}) make no axis: {error}.") from error
    if line.residual_px > LARGEST_RESIDUAL_PX:
        raise Unreadable(
            f"The price ticks ({seen}) lie up to {line.residual_px:.1f} px off a straight line, "
            f"more than {LARGEST_RESIDUAL_PX:g}: one was misread, or the axis is logarithmic."
        )
    if line.slope >= 0:
        raise Unreadable(f"The price ticks ({seen}) do not rise upwards.")
    return line


def read_time_ticks(words: Sequence[Word]) -> list[TimeTick]:
    """The labels below the plot, from left to right: "27, 16:20", or a date with the time under
    it or beside it. Other words are left out."""
    ticks = [tick for word in words if (tick := _single_tick(word)) is not None]
    dates = [(word, m) for word in words if (m := _DATE.fullmatch(word.text.strip()))]
    times = [(word, m) for word in words if (m := _TIME.fullmatch(word.text.strip()))]
    for word, date in dates:
        below = [m for w, m in times if abs(w.box.x - word.box.x) < w.box.height]
        if len(below) == 1:
            ticks.append(_dated_tick(word.box.x, date, below[0]))
    return sorted(ticks, key=lambda tick: tick.x)


def local_instants(ticks: Sequence[TimeTick], taken_at: datetime | None) -> list[datetime] | None:
    """The instants in the picture's own time zone; None where the month is not known.

    Days of the month are counted back from `taken_at`, which may lie a day off in another zone.
    """
    latest = taken_at.replace(tzinfo=None) + timedelta(days=1) if taken_at else None
    instants: list[datetime] = []
    for tick in reversed(ticks):
        if tick.date is not None:
            instant = tick.date
        elif latest is None:
            return None
        else:
            found = _last_with_day(latest, tick)
            if found is None:
                return None
            instant = found
        instants.append(instant)
        latest = instant
    return instants[::-1]


def _last_with_day(latest: datetime, tick: TimeTick) -> datetime | None:
    for days in range(62):
        instant = latest.replace(
            hour=tick.hour, minute=tick.minute, second=0, microsecond=0
        ) - timedelta(days=days)
        if instant.day == tick.day and instant <= latest:
            return instant
    return None


def _single_tick(word: Word) -> TimeTick | None:
    text = word.text.strip()
    if match := _DAY.fullmatch(text):
        hour, minute = (int(part) for part in match[2].split(":"))
        if hour < 24 and 1 <= int(match[1]) <= 31:
            return TimeTick(word.box.x, int(match[1]), hour, minute, None)
    date, time = _DATE.match(text), _TIME.search(text, 10)
    return _dated_tick(word.box.x, date, time) if date and time else None


def _dated_tick(x: float, date: re.Match[str], time: re.Match[str]) -> TimeTick:
    year, month, day = (int(part) for part in date.groups())
    hour, minute = (int(part) for part in time.groups())
    try:
        instant = datetime(year, month, day, hour, minute)  # noqa: DTZ001
    except ValueError as error:
        raise Unreadable(f"The time tick {date[0]} {time[0]} is no date.") from error
    return TimeTick(x, day, hour, minute, instant)
