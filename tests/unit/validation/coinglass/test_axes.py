from datetime import datetime

import numpy as np
import pytest

from validation.coinglass import Unreadable
from validation.coinglass.axes import (
    fit_line,
    local_instants,
    parse_number,
    read_price_axis,
    read_time_ticks,
)
from validation.coinglass.text import Box, Word


def words(*places: tuple[str, int, int]) -> list[Word]:
    return [Word(text, Box(x - 20, y - 5, x + 20, y + 5), y) for text, x, y in places]


def test_numbers_as_they_are_printed():
    printed = {"88.28M": 88_280_000.0, "120,000": 120_000.0, "0": 0.0, "0.00001234": 0.00001234}
    assert {text: parse_number(text) for text in printed} == printed
    assert parse_number("5.77B") == 5.77e9
    for text in ("", "12:30", "1,2", "1O0", "1e5", "-3", "١٢٣"):
        assert parse_number(text) is None


def test_a_line_through_ticks():
    line = fit_line([10, 20, 30], [300.0, 200.0, 100.0])
    assert line.residual_px == pytest.approx(0)
    np.testing.assert_allclose(line.at(np.array([0.0, 15.0])), [400, 250])


def test_one_misread_tick_is_refused():
    ticks = [("120000", 0, 100), ("118000", 0, 200), ("116000", 0, 300), ("114000", 0, 400)]
    assert read_price_axis(words(*ticks)).residual_px < 1e-6
    ticks[2] = ("115000", 0, 300)
    with pytest.raises(Unreadable, match=r"115000.* px off a straight line"):
        read_price_axis(words(*ticks))


def test_two_ticks_are_too_few():
    with pytest.raises(Unreadable, match="Only 2 price ticks"):
        read_price_axis(words(("120000", 0, 100), ("118000", 0, 200), ("x", 0, 300)))


def test_an_axis_must_rise():
    with pytest.raises(Unreadable, match="do not rise"):
        read_price_axis(words(("1", 0, 100), ("2", 0, 200), ("3", 0, 300)))


def test_days_are_counted_back_from_when_the_picture_was_taken():
    ticks = read_time_ticks(words(("31, 23:30", 0, 0), ("1, 00:45", 60, 0), ("01,02:00", 120, 0)))
    assert local_instants(ticks, None) is None
    assert local_instants(ticks, datetime(2026, 1, 1, 3)) == [
        datetime(2025, 12, 31, 23, 30),
        datetime(2026, 1, 1, 0, 45),
        datetime(2026, 1, 1, 2, 0),
    ]


def test_a_date_over_its_time_is_one_tick():
    ticks = read_time_ticks(
        words(
            ("2025-10-15", 100, 0), ("05:30", 101, 20), ("2025-10-16", 200, 0), ("06:00", 199, 20)
        )
    )
    assert local_instants(ticks, None) == [
        datetime(2025, 10, 15, 5, 30),
        datetime(2025, 10, 16, 6),
    ]


def test_an_impossible_date_is_refused():
    with pytest.raises(Unreadable, match="2025-02-30"):
        read_time_ticks(words(("2025-02-30", 100, 0), ("05:30", 101, 20)))
