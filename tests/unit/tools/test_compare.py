import pytest

from tools.soak.compare import (
    MINUTE_MS,
    Event,
    compare_liquidations,
    in_none,
    lost_candles,
    lost_figures,
    pauses,
)
from tools.soak.report import Report, readable
from tools.soak.samples import slope


def event(time, symbol="ETHUSDT", quantity=1.0):
    return Event(symbol, time, "long", 100.0, 100.1, quantity)


def test_a_figure_that_is_missing_or_another_is_lost():
    served = {"ETHUSDT": {1: 10.0, 2: 11.0}, "BTCUSDT": {1: 5.0}}
    assert lost_figures(served, served) == []
    assert lost_figures(served, {"ETHUSDT": {1: 10.0, 2: 11.5}}) == [("ETHUSDT", 2), ("BTCUSDT", 1)]


def test_losses_within_a_span_are_not_counted():
    losses = [("ETHUSDT", 9), ("ETHUSDT", 10), ("ETHUSDT", 19), ("ETHUSDT", 20)]
    assert in_none(losses, [(10, 20)]) == [("ETHUSDT", 9), ("ETHUSDT", 20)]


@pytest.mark.parametrize(
    ("instants", "excused", "found"),
    [
        ([10, 20, 30, 40, 50, 60, 70, 80, 90], [], []),
        ([10, 20, 50, 60, 70, 80, 90], [], [(20, 50)]),
        ([10, 20, 50, 60, 70, 80, 90], [(25, 60)], []),
        ([10, 20, 50, 60, 70, 80, 90], [(42, 60)], [(20, 50)]),
        ([10, 20, 50, 60, 70, 80, 90], [(22, 40), (30, 45)], []),
        ([30, 40, 50, 60, 70, 80, 90], [], [(0, 30)]),
        ([10, 20, 30, 40, 50, 60, 70], [], [(70, 100)]),
        ([], [(0, 80)], []),
        ([], [], [(0, 100)]),
    ],
)
def test_pauses_are_found_where_nothing_excuses_them(instants, excused, found):
    assert pauses(instants, (0, 100), 20, excused) == found


def test_a_candle_that_was_never_asked_for_is_lost_as_one_that_was_served():
    first, second, third = (number * MINUTE_MS for number in range(1, 4))
    served = {"ETHUSDT": {first: (1.0,), second: (2.0,)}}
    kept = {"ETHUSDT": {first: (1.0,), second: (2.5,)}}
    span = (first - 10, third + 1)
    assert lost_candles(served, kept, ["ETHUSDT"], span) == [
        ("ETHUSDT", second),
        ("ETHUSDT", third),
    ]
    assert lost_candles({}, {}, ["BTCUSDT"], (first, second)) == [("BTCUSDT", first)]


def test_liquidations_are_there_once_or_lost():
    first, second, third, unsent = (event(number) for number in (10, 20, 30, 40))
    sent = [first, second, third]
    found = compare_liquidations(sent, sent, [first, second, second, unsent], {}, [])
    assert found.lost == [third]
    assert found.doubled == [second]
    assert found.strangers == [unsent]


def test_a_loss_is_excused_unless_the_lake_says_that_it_listened():
    sent = [event(10), event(20)]
    found = compare_liquidations(sent, sent, [], {"ETHUSDT": [(15, 25)]}, [(5, 25)])
    assert found.excused == [event(10)]
    assert found.lost == [event(20)]


def test_the_slope_is_the_growth_an_hour():
    assert slope([0.0, 1800.0, 3600.0], [100.0, 105.0, 110.0]) == pytest.approx(10.0)
    assert slope([60.0], [100.0]) == 0.0


def test_one_failure_fails_the_report_and_is_named():
    report = Report()
    report.hold_none([], "served, and lost")
    assert not report.failures
    report.hold_none([("ETHUSDT", 1_764_000_000_123)], "served, and lost")
    assert report.failures == ["served, and lost: 1"]
    assert "16:00:00.123" in report.text
    assert readable(17) == "17"
