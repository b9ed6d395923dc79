from heatmap.history import Stretch, finest_stretches
from ingestion.lake.read import CandleDay
from ingestion.market.datasets import INTERVALS
from liqheat_project.kernel.instants import DAY_MS


def day(number, interval, rows=None, first=0):
    step = INTERVALS[interval]
    rows = (DAY_MS // step - first) if rows is None else rows
    start = number * DAY_MS
    return CandleDay(interval, start, rows, start + first * step, start + (first + rows - 1) * step)


def test_a_day_uses_the_finest_candles_that_cover_it():
    days = [day(0, "15m"), day(0, "5m"), day(1, "15m"), day(1, "1m"), day(1, "5m"), day(2, "15m")]
    assert finest_stretches(days) == (
        Stretch("5m", 0, DAY_MS),
        Stretch("1m", DAY_MS, 2 * DAY_MS),
        Stretch("15m", 2 * DAY_MS, 3 * DAY_MS),
    )


def test_a_day_that_is_half_loaded_does_not_hide_the_whole_one():
    days = [day(0, "1m", first=600), day(0, "5m")]
    assert finest_stretches(days) == (Stretch("5m", 0, DAY_MS),)


def test_a_few_missing_minutes_do_not_matter():
    assert finest_stretches([day(0, "1m", rows=1430), day(0, "15m")])[0].interval == "1m"


def test_neighbours_are_one_stretch_also_over_missing_days():
    days = [day(0, "5m", first=100), day(1, "5m"), day(9, "5m", rows=10)]
    step = INTERVALS["5m"]
    assert finest_stretches(days) == (Stretch("5m", 100 * step, 9 * DAY_MS + 10 * step),)


def test_no_days_no_stretches():
    assert finest_stretches([]) == ()
