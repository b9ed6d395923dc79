"""The time zone of a picture, found by its candles."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from validation.coinglass import Reference, TimeLabel
from validation.coinglass.times import column_times
from validation.coinglass.zones import KnownCandles, find_time_zone, named_zone

HOUR = 3_600_000


def market(first: datetime, hours: int, seed: int = 1) -> KnownCandles:
    rng = np.random.default_rng(seed)
    opens = int(first.timestamp() * 1000) + HOUR * np.arange(hours)
    close = 100_000 + np.cumsum(rng.normal(0, 400, hours))
    opened = np.concatenate(([100_000], close[:-1]))
    return KnownCandles(opens, np.maximum(opened, close), np.minimum(opened, close), HOUR)


def picture(known: KnownCandles, first: datetime, days: int, zone: ZoneInfo) -> Reference:
    """Ten columns of pixels an hour, a label every eleven hours."""
    columns = days * 240
    starts = int(first.timestamp() * 1000) + HOUR * np.arange(days * 24)
    at = np.searchsorted(known.open_time, np.repeat(starts, 10))
    # The middle of an hour's ten columns, where its label stands, is the hour itself.
    labels = tuple(
        TimeLabel(
            110 * n + 5, (first + timedelta(hours=11 * n)).astimezone(zone).replace(tzinfo=None)
        )
        for n in range(2 * days)
    )
    return Reference(
        source="screenshot",
        symbol="BTCUSDT",
        model=1,
        range=f"{days}d",
        times=np.zeros(0, np.int64),
        prices=np.array([90_000.0, 110_000.0]),
        bin_size=20_000.0,
        cell_lower=90_000.0,
        cell_size=20_000.0,
        intensity=np.zeros((2, columns)),
        maximum_usd=1.0,
        remarks=(),
        price_fit_residual_px=0.0,
        labels=labels,
        candle_high=known.high[at],
        candle_low=known.low[at],
    )


@pytest.mark.parametrize(
    ("zone", "found"),
    [("Asia/Kolkata", "UTC+05:30"), ("America/New_York", "UTC-04:00"), ("UTC", "UTC")],
)
def test_an_offset_is_found(zone, found):
    known = market(datetime(2025, 9, 1, tzinfo=UTC), 200)
    drawn = picture(known, datetime(2025, 9, 3, tzinfo=UTC), 3, ZoneInfo(zone))
    answer = find_time_zone(drawn, known)
    assert (answer.name, answer.is_sure) == (found, True)
    assert answer.difference < 1e-6
    assert answer.matched == 70  # of 72 hours, less those at the ends
    assert named_zone(answer.name).utcoffset(drawn.labels[0].at) == answer.zone.utcoffset(
        drawn.labels[0].at
    )


def test_a_zone_whose_clocks_change_in_the_window_is_found():
    known = market(datetime(2025, 10, 20, tzinfo=UTC), 300)
    drawn = picture(known, datetime(2025, 10, 23, tzinfo=UTC), 6, ZoneInfo("Europe/Berlin"))
    answer = find_time_zone(drawn, known)
    assert (answer.name, answer.is_sure) == ("Europe/Berlin", True)


def test_a_market_that_repeats_itself_leaves_it_open():
    known = market(datetime(2025, 9, 1, tzinfo=UTC), 200)
    daily = np.sin(np.arange(200) * np.pi / 2) * 1000
    known = replace(known, high=100_000 + daily, low=99_000 + daily)
    drawn = picture(known, datetime(2025, 9, 3, tzinfo=UTC), 3, ZoneInfo("UTC"))
    assert not find_time_zone(drawn, known).is_sure


def test_another_market_is_not_laid_over_ours():
    known = market(datetime(2025, 9, 1, tzinfo=UTC), 200)
    other = market(datetime(2025, 9, 1, tzinfo=UTC), 200, seed=2)
    drawn = picture(other, datetime(2025, 9, 3, tzinfo=UTC), 3, ZoneInfo("UTC"))
    assert not find_time_zone(drawn, known).is_sure


def test_without_candles_of_the_window_there_is_nothing_to_find():
    known = market(datetime(2025, 9, 1, tzinfo=UTC), 200)
    late = market(datetime(2025, 11, 1, tzinfo=UTC), 200)
    drawn = picture(known, datetime(2025, 9, 3, tzinfo=UTC), 3, ZoneInfo("UTC"))
    assert find_time_zone(drawn, late) is None


def test_columns_that_are_missing_bend_the_axis_and_no_more():
    """Thirteen labels 50 columns apart, one time 27 hours and else 25."""
    at, labels = datetime(2025, 9, 1), []
    for number in range(13):
        labels.append(TimeLabel(50.0 * number + 25, at))
        at += timedelta(hours=27 if number == 5 else 25)
    found = column_times(labels, 650, UTC)
    assert found.missing == pytest.approx(2)
    steps = np.diff(found.times) / HOUR
    assert (steps.min(), steps.max()) == pytest.approx((0.5, 0.54))
    labels[6] = replace(labels[6], at=labels[6].at - timedelta(hours=4))
    with pytest.raises(ValueError, match="off a straight line"):
        column_times(labels, 650, UTC)
