"""The browser's time zone, found by laying the candles of a picture over known ones."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, available_timezones

import numpy as np

from liqheat_project.kernel.instants import MINUTE_MS
from validation.coinglass.reference import FloatArray, IntArray, Reference, TimeLabel
from validation.coinglass.times import column_times, instants_of

WEST, EAST = -12, 14
"""Hours between which the world's clocks differ from UTC."""
QUARTER = 900_000
LENGTHS = (1, 3, 5, 15, 30, 60, 120, 240, 360, 480, 720, 1440)
FEWEST_CANDLES = 50
WELL_KNOWN = (
    "Europe/London",
    "Europe/Berlin",
    "America/New_York",
    "America/Chicago",
    "America/Los_Angeles",
    "Australia/Sydney",
)
FEWEST_MATCHED = 12
OVERLAP = 0.8
"""Of the most intervals that any zone has in common with ours: a zone with fewer is not tried."""
WORST = 0.01
"""Share of the price at which a difference is cut off: a misread candle is no measure."""
FITS = 0.002
"""Share of the price by which candles of the right zone may differ in the mean."""
CLEARLY = 1.5
APART = 0.0001
"""So many times must the second best zone differ, and by so large a share of the price more."""


@dataclass(frozen=True)
class KnownCandles:
    """Candles of one length in order of time, from the window's begin to its end and 14 hours on
    both sides as far as they are known."""

    open_time: IntArray
    high: FloatArray
    low: FloatArray
    interval_ms: int


@dataclass(frozen=True)
class FoundZone:
    """The zone whose candles differ least, by `difference` in the mean of `matched` intervals, and
    the next best one's, as shares of the price. `name`: as a run keeps it; `is_sure`: it may be
    taken."""

    name: str
    zone: tzinfo
    matched: int
    difference: float
    second_name: str
    second_difference: float

    @property
    def is_sure(self) -> bool:
        fits = self.matched >= FEWEST_MATCHED and self.difference <= FITS
        least = max(CLEARLY * self.difference, self.difference + APART)
        return fits and self.second_difference >= least


def find_time_zone(reference: Reference, known: KnownCandles) -> FoundZone | None:
    """The zone in which the picture's candles lie nearest to the known ones; None where nothing
    can be compared.

    Per interval the highest high and the lowest low of its columns are compared. Zones that give
    the labels the same instants are one. Zones with which the labels make no axis are left out.
    """
    tried = [
        (name, zone, *_difference(reference, known, zone))
        for name, zone in _distinct(reference.labels)
    ]
    most = max((matched for *_, matched in tried), default=0)
    ranked = sorted(
        (one for one in tried if one[3] >= max(OVERLAP * most, 1)), key=lambda one: one[2]
    )
    if len(ranked) < 2:
        return None
    (name, zone, difference, matched), second = ranked[:2]
    return FoundZone(name, zone, matched, difference, second[0], second[2])


def named_zone(name: str) -> tzinfo:
    """The zone of a name that a run keeps: UTC, UTC+05:30 or one of IANA's."""
    if name.startswith(("UTC+", "UTC-")):
        hours, minutes = name[4:].split(":")
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        return timezone(offset if name[3] == "+" else -offset)
    return ZoneInfo(name)


def by_interval(
    reference: Reference, zone: tzinfo, known: KnownCandles
) -> tuple[FloatArray, FloatArray]:
    """How far the picture's highs and lows lie above the known ones in each interval that both have
    [N], in USD. The first and the last one are left out, which may be cut off.

    Raises ValueError where the labels make no axis in `zone`.
    """
    times = column_times(reference.labels, len(reference.candle_high), zone).times
    drawn = _drawn_length(reference.labels, zone)
    length = known.interval_ms * -(-max(drawn, QUARTER) // known.interval_ms)
    opens, high, low = _grouped(known.open_time, known.high, known.low, length)
    seen = np.isfinite(reference.candle_high)
    # A label stands below the middle of the candle that opens then.
    opened = times[seen] + drawn // 2
    theirs, their_high, their_low = _grouped(
        opened, reference.candle_high[seen], reference.candle_low[seen], length
    )
    _, ours_at, theirs_at = np.intersect1d(opens, theirs, return_indices=True)
    ours_at, theirs_at = ours_at[1:-1], theirs_at[1:-1]
    return their_high[theirs_at] - high[ours_at], their_low[theirs_at] - low[ours_at]


def _difference(reference: Reference, known: KnownCandles, zone: tzinfo) -> tuple[float, int]:
    """The mean difference as a share of the price, and of how many intervals."""
    try:
        off = np.abs(by_interval(reference, zone, known))
    except ValueError:
        return float("inf"), 0
    if not off.size:
        return float("inf"), 0
    price = float(np.nanmedian(reference.candle_high))
    return float(np.minimum(off.mean(axis=0) / price, WORST).mean()), off.shape[1]


def _grouped(
    times: IntArray, high: FloatArray, low: FloatArray, length: int
) -> tuple[IntArray, FloatArray, FloatArray]:
    interval = times // length
    first = np.flatnonzero(np.diff(interval, prepend=interval[:1] - 1))
    if not len(first):
        return times[:0], high[:0], low[:0]
    return (
        interval[first],
        np.maximum.reduceat(high, first),
        np.minimum.reduceat(low, first),
    )


def _drawn_length(labels: Sequence[TimeLabel], zone: tzinfo) -> int:
    """How long the picture's candles are, ms, if `zone` is right: the longest usual length of which
    the labels' instants are multiples and of which many have room."""
    instants = instants_of(labels, zone)
    most = (instants[-1] - instants[0]) / FEWEST_CANDLES
    common = math.gcd(*instants) // MINUTE_MS
    fitting = [one for one in LENGTHS if common % one == 0 and one * MINUTE_MS <= most]
    return MINUTE_MS * max(fitting, default=1)


def _distinct(labels: Sequence[TimeLabel]) -> Iterator[tuple[str, tzinfo]]:
    """The zones that give the labels different instants, each kind once: as an offset from UTC
    where the clocks do not change within the labels."""
    seen = set()
    for name in (*WELL_KNOWN, *sorted(available_timezones() - set(WELL_KNOWN))):
        zone: tzinfo = ZoneInfo(name)
        instants = instants_of(labels, zone)
        if instants in seen:
            continue
        seen.add(instants)
        offsets = {label.at.replace(tzinfo=zone).utcoffset() for label in labels}
        if len(offsets) == 1 and (offset := offsets.pop()) is not None:
            zone = timezone(offset)
            name = str(zone)
        yield name, zone
