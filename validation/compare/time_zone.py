"""The instants of a picture's columns where its browser's time zone was not stated."""

from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any

import numpy as np

from heatmap.history import History
from ingestion.lake import read
from liqheat_project.kernel.instants import HOUR_MS
from validation.coinglass import Reference, Unreadable
from validation.coinglass.names import range_hours
from validation.coinglass.times import clock_window, times_in
from validation.coinglass.zones import EAST, WEST, FoundZone, KnownCandles, find_time_zone


def place_in_time(cursor: Any, history: History, reference: Reference) -> Reference:
    """The picture with its columns' instants, as they are or by the time zone in which its candles
    lie on ours, and a remark on how sure that is.

    Raises Unreadable, and says what is needed, where no zone is found surely.
    """
    if len(reference.times):
        return reference
    found = None
    if reference.labels and np.isfinite(reference.candle_high).any():
        first, last = window_of(reference)
        known = _candles(cursor, history, first - EAST * HOUR_MS, last - WEST * HOUR_MS)
        found = find_time_zone(reference, known) if known else None
    if found is None or not found.is_sure:
        raise Unreadable(
            f"The columns have no times: {_why_not(found)} State the browser's time zone. "
            + " ".join(reference.remarks),
            needs_time_zone=bool(reference.labels),
        )
    times, remarks = times_in(reference.labels, len(reference.candle_high), found.zone)
    said = (
        f"The time zone was not stated and was found by the picture's candles: {found.name}. "
        + _differences(found)
    )
    return replace(
        reference, times=times, time_zone=found.name, remarks=(*reference.remarks, said, *remarks)
    )


def window_of(reference: Reference) -> tuple[int, int]:
    """The first and the last instant, ms UTC; by the picture's clock where no zone is known.

    Raises ValueError where there is neither.
    """
    if len(reference.times):
        return int(reference.times[0]), int(reference.times[-1])
    if reference.map_at is not None:
        taken = int(datetime.combine(reference.map_at.day, time(), UTC).timestamp()) * 1000
        return taken - (range_hours(reference.range) or 0) * HOUR_MS, taken
    return clock_window(reference.labels, len(reference.candle_high))


def _candles(cursor: Any, history: History, begin: int, end: int) -> KnownCandles | None:
    """Ours from `begin` to `end`, of the coarsest length among their days."""
    stretches = history.within(begin, end)
    if not stretches:
        return None
    length = max(stretch.interval_ms for stretch in stretches)
    parts = [
        read.candles(cursor, history.symbol, stretch.interval, stretch.start, stretch.end)
        for stretch in stretches
    ]
    opens, high, low = (
        np.concatenate([part[name] for part in parts]) for name in ("open_time", "high", "low")
    )
    return KnownCandles(opens, high, low, length)


def _why_not(found: FoundZone | None) -> str:
    if found is None:
        return "the picture does not show its time zone, and there are no candles to find it by."
    return (
        "the picture does not show its time zone, and by its candles it is not sure: "
        f"{found.name} fits best. " + _differences(found)
    )


def _differences(found: FoundZone) -> str:
    return (
        f"Its candles differ from ours by {found.difference:.3%} of the price in the mean of "
        f"{found.matched} intervals, in the next best zone, {found.second_name}, by "
        f"{found.second_difference:.3%}."
    )
