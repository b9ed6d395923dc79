"""The instants of a picture's columns: from the labels below them and the browser's time zone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

import numpy as np

from liqheat_project.kernel.instants import HOUR_MS
from validation.coinglass.axes import LARGEST_RESIDUAL_PX, fit_line
from validation.coinglass.reference import FloatArray, IntArray, TimeLabel

UNEVEN_PX = 1.5
"""A label's middle is known to a pixel: its ink may begin and end with a narrow digit."""
SPARE_PX = 1.0
"""So many pixels more than there is time for may lie between two labels."""
LONGEST_GAP = 1.2
"""Of the median: more time between two labels is no column or two that are missing."""


@dataclass(frozen=True)
class ColumnTimes:
    """`times`: ms UTC of each column [T]. `missing`: hours for which the picture has no column,
    0 where the labels lie on a straight line."""

    times: IntArray
    missing: float


def column_times(
    labels: Sequence[TimeLabel], columns: int, time_zone: tzinfo | None
) -> ColumnTimes:
    """The instants of `columns` columns of pixels. Without a time zone those of a clock in UTC.

    Coinglass draws columns side by side and leaves out those that it does not have: labels then
    stand as far apart as ever with more time between them, and each stretch between two of them is
    a straight line of its own. Raises ValueError, with the reason, where the labels make no axis.
    """
    places = np.array([label.column for label in labels])
    instants = np.array([_milliseconds(label.at, time_zone) for label in labels])
    at = np.arange(columns, dtype=np.float64) + 0.5
    line = fit_line(places.tolist(), instants.tolist())
    if line.slope <= 0:
        raise ValueError("the labels do not rise from left to right")
    if line.residual_px <= LARGEST_RESIDUAL_PX:
        return ColumnTimes(_rounded(line.at(at)), 0.0)
    places = _even(places)
    gaps, steps = np.diff(places), np.diff(instants)
    slope = float(np.median(steps / gaps))
    too_much = steps - slope * gaps
    if (too_much < -SPARE_PX * slope).any() or (steps > LONGEST_GAP * slope * gaps).any():
        raise ValueError(f"the labels lie up to {line.residual_px:.1f} px off a straight line")
    return ColumnTimes(
        _rounded(_between(places, instants, slope, at)),
        float(too_much[too_much > SPARE_PX * slope].sum() / HOUR_MS),
    )


def times_in(
    labels: Sequence[TimeLabel], columns: int, time_zone: tzinfo
) -> tuple[IntArray, tuple[str, ...]]:
    """The columns' instants with a remark, or none with the reason as a remark."""
    try:
        found = column_times(labels, columns, time_zone)
    except ValueError as error:
        return np.zeros(0, dtype=np.int64), (
            f"In the time zone {time_zone} {error} (the clocks change, or a label was misread): "
            "the columns have no times.",
        )
    remarks = [f"Times as of the time zone {time_zone}."]
    if found.missing:
        remarks.append(f"The picture has no columns for {found.missing:.1f} hours in its window.")
    return found.times, tuple(remarks)


def clock_window(labels: Sequence[TimeLabel], columns: int) -> tuple[int, int]:
    """The first and the last column by the picture's clock, ms as though it were of UTC, to an hour
    or so. Raises ValueError for labels that make no axis."""
    line = fit_line(
        [label.column for label in labels], [_milliseconds(label.at, None) for label in labels]
    )
    ends = _rounded(line.at(np.array([0.5, columns - 0.5])))
    return int(ends.min()), int(ends.max())


def instants_of(labels: Sequence[TimeLabel], time_zone: tzinfo) -> tuple[int, ...]:
    """The labels' instants, ms UTC."""
    return tuple(int(_milliseconds(label.at, time_zone)) for label in labels)


def _milliseconds(at: datetime, time_zone: tzinfo | None) -> float:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return (at.replace(tzinfo=time_zone or UTC) - epoch) / timedelta(milliseconds=1)


def _even(places: FloatArray) -> FloatArray:
    """Evenly spaced where they nearly are: labels stand below every so many columns."""
    numbers = np.arange(len(places), dtype=np.float64)
    line = fit_line(numbers.tolist(), places.tolist())
    even = line.at(numbers)
    return even if np.abs(even - places).max() <= UNEVEN_PX else places


def _between(places: FloatArray, instants: FloatArray, slope: float, at: FloatArray) -> FloatArray:
    """Straight lines from label to label, and at the median slope beyond the first and the last."""
    inner = np.interp(at, places, instants)
    before, behind = at < places[0], at > places[-1]
    inner[before] = instants[0] + slope * (at[before] - places[0])
    inner[behind] = instants[-1] + slope * (at[behind] - places[-1])
    return np.asarray(inner)


def _rounded(values: FloatArray) -> IntArray:
    return np.rint(values).astype(np.int64)
