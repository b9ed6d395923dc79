"""Where an event lies in our candles and in our map just before it."""

from dataclasses import replace

import numpy as np
import pytest

from heatmap.engine import LONG, SHORT, Book, BookSide, Candles
from validation.backtest.events import UNKNOWN, Events
from validation.backtest.sights import (
    Levels,
    buckets_of,
    levels_of,
    median_age,
    place,
    sights,
)

MINUTE = 60_000
CLOSES = np.array([100.0, 101.0, 100.0, 102.0])
CANDLES = Candles(
    open_time=MINUTE * np.array([10, 11, 12, 14]),  # one is missing
    open=CLOSES,
    high=CLOSES + 0.5,
    low=CLOSES - 0.5,
    close=CLOSES,
    volume=np.ones(4),
    quote_volume=CLOSES,
    taker_buy_volume=np.ones(4),
    interval_ms=MINUTE,
)


def events(*rows: tuple[int, int, float]) -> Events:
    time, side, price = (np.array(column) for column in zip(*rows, strict=True))
    return Events(time, side, price.astype(float), np.ones(len(time)))


def test_an_event_is_seen_from_the_end_of_the_candle_before_it():
    placed, outside, off_market = place(
        events((11 * MINUTE, LONG, 100.7), (12 * MINUTE - 1, SHORT, 101.2)), [CANDLES]
    )
    assert (outside, off_market) == (0, 0)
    assert placed.instant.tolist() == [11 * MINUTE, 11 * MINUTE]
    assert (placed.instant <= placed.time).all()
    assert placed.last_price.tolist() == [100.0, 100.0]


def test_events_without_their_candle_or_the_one_before_are_outside():
    times = (9 * MINUTE, 10 * MINUTE + 1, 13 * MINUTE + 1, 14 * MINUTE + 1, 15 * MINUTE)
    placed, outside, _ = place(events(*((time, LONG, 100.0) for time in times)), [CANDLES])
    assert (len(placed), outside) == (0, 5)


def test_a_limit_beyond_the_candle_is_moved_to_its_end_and_another_market_s_price_is_refused():
    placed, _, off_market = place(
        events(
            (11 * MINUTE, LONG, 100.9), (11 * MINUTE + 1, LONG, 99.0), (11 * MINUTE + 2, LONG, 50.0)
        ),
        [CANDLES],
    )
    assert placed.price.tolist() == [100.9, 100.5]
    assert placed.moved.tolist() == [False, True]
    assert off_market == 1


def test_a_side_that_is_not_said_follows_from_where_the_price_lies():
    rows = [(12 * MINUTE, UNKNOWN, 100.2), (12 * MINUTE + 1, UNKNOWN, 101.3)]
    placed, *_ = place(events(*rows, (12 * MINUTE + 2, SHORT, 99.9)), [CANDLES])
    assert placed.side.tolist() == [LONG, SHORT, SHORT]
    assert placed.inferred.tolist() == [True, True, False]


def test_only_the_liquidated_side_is_ranked_and_only_where_it_can_be():
    placed, *_ = place(events((11 * MINUTE, LONG, 100.6), (11 * MINUTE, SHORT, 100.6)), [CANDLES])
    placed = replace(placed, price=np.array([99.2, 103.7]))
    first, count = buckets_of(placed, 1.0)
    longs, shorts = np.zeros(count), np.zeros(count)
    longs[99 - first], shorts[103 - first] = 5.0, 7.0
    seen = sights(placed, {11 * MINUTE: Levels(first, {LONG: longs, SHORT: shorts})}, 1.0)
    assert [sight.column.grid.lower for sight in seen] == [90.0, 100.0]
    assert [sight.column.grid.count for sight in seen] == [11, 11]
    assert [sight.column.ours.sum() for sight in seen] == [5.0, 7.0]
    assert [sight.column.ours[int(sight.price - sight.column.grid.lower)] for sight in seen] == [
        5.0,
        7.0,
    ]
    assert [sight.distance for sight in seen] == pytest.approx([0.008, 0.037])


def test_levels_are_the_books_amounts_by_bucket():
    cohorts = BookSide(
        liquidation_price=np.array([99.5, 99.7, 80.0]),
        quantity=np.array([1.0, 2.0, 4.0]),
        entry_time=np.array([100, 300, 0]),
        entry_price=np.full(3, 110.0),
        leverage=np.full(3, 10.0),
    )
    levels = levels_of(Book(longs=cohorts), 95, 10, 1.0)
    assert levels.by_side[LONG].tolist() == [0] * 4 + [99.5 + 2 * 99.7] + [0] * 5
    assert levels.by_side[SHORT].sum() == 0
    # Of the two in the bucket the younger one holds more than half.
    assert median_age(Book(longs=cohorts), LONG, 99.1, 1.0, 1000) == 700
    assert np.isnan(median_age(Book(longs=cohorts), SHORT, 99.1, 1.0, 1000))
