"""What files and collectors bring that can't be true, or is less than what is there."""

from datetime import UTC, datetime, timedelta

import pytest

from ingestion.errors import FewerRows
from ingestion.lake import read, writer
from ingestion.lake.ledger import lines_of
from ingestion.lake.live import add_candles, add_open_interest
from ingestion.lake.schema import QUARANTINE
from ingestion.market.files import ArchiveFile
from ingestion.market.plausibility import COMES_BACK, IS_ZERO, WAITS
from ingestion.market.records import Candle, OpenInterestFigure
from tests.support.archive_files import agg_trades_csv, klines_csv, metrics_csv
from tests.support.lake_days import FIRST, count, day, ledger_rows, put

MIDNIGHT = datetime(2024, 11, 3, tzinfo=UTC)


def metrics(number, false=()):
    """A day of open interest with other figures on some lines."""
    file = day(number=number, dataset="metrics")
    lines = metrics_csv(file).splitlines()
    for line, figure in false:
        cells = lines[line].split(",")
        lines[line] = ",".join([*cells[:2], str(figure), *cells[3:]])
    return file, "\n".join(lines) + "\n"


def load_metrics(number, false=(), sha256="0" * 64):
    file, content = metrics(number, false)
    put(file, content=content, sha256=sha256)


def reasons():
    rows = writer().cursor().execute(f"SELECT reason FROM {QUARANTINE}").fetchall()
    return sorted(reason for (reason,) in rows)


def rows_of(number):
    with read.snapshot() as cursor:
        found = [line for line in lines_of(cursor, "ETHUSDT")]
    return {line.range_start.day - FIRST.day: (line.rows, line.quarantined) for line in found}[
        number
    ]


def test_false_figures_between_good_ones_are_set_aside(lake):
    load_metrics(0, [(100, 0), (101, 0), (150, 0.001), (200, 30_000)])
    assert count(table="open_interest_history") == ledger_rows("ETHUSDT") == 284
    assert reasons() == sorted([IS_ZERO, IS_ZERO, COMES_BACK, COMES_BACK])


def test_a_whole_file_of_zeros_has_no_rows_and_goes_on(lake):
    load_metrics(0, [(line, 0) for line in range(1, 289)])
    load_metrics(1)
    assert count(table="open_interest_history") == 288
    assert rows_of(0) == (0, 288)


def test_the_last_figures_of_a_day_wait_for_the_next_day(lake):
    load_metrics(0, [(287, 40), (288, 41)])
    assert reasons() == [WAITS, WAITS]
    load_metrics(1)
    assert reasons() == [COMES_BACK, COMES_BACK]
    assert rows_of(0) == (286, 2)


def test_a_fall_that_lasts_lets_the_waiting_figures_in(lake):
    load_metrics(0, [(288, 40)])
    load_metrics(1, [(line, 41) for line in range(1, 289)])
    assert reasons() == []
    assert count(table="open_interest_history") == ledger_rows("ETHUSDT") == 576


def test_a_day_that_was_believed_is_set_aside_when_the_next_comes_back(lake):
    load_metrics(0)
    load_metrics(1, [(line, 0.01) for line in range(1, 289)])
    assert rows_of(1) == (288, 0)
    load_metrics(2)
    assert rows_of(1) == (0, 288)
    assert count(table="open_interest_history") == ledger_rows("ETHUSDT") == 576


def add_figures(*contracts, first=0):
    for place, figure in enumerate(contracts, first):
        at = MIDNIGHT + timedelta(minutes=5 * (place + 1))
        one = OpenInterestFigure("ETHUSDT", int(at.timestamp() * 1000), figure)
        add_open_interest(
            writer(), [one], [figure * 100], "http://exchange", lambda: ["ETHUSDT"], at
        )


def test_a_live_figure_that_falls_is_held_back_until_the_next_one(lake):
    add_figures(1000.0, 0.0, 1001.0, 20.0)
    assert count(table="open_interest_history") == 2
    assert reasons() == sorted([IS_ZERO, WAITS])
    add_figures(20.0, 1002.0, first=4)
    assert count(table="open_interest_history") == ledger_rows("ETHUSDT") == 3
    assert reasons() == sorted([IS_ZERO, COMES_BACK, COMES_BACK])


def test_the_same_false_live_rows_are_set_aside_once(lake):
    for _ in range(2):
        add_figures(1000.0, 0.0)
        opened = int(MIDNIGHT.timestamp() * 1000)
        candles = [
            Candle("ETHUSDT", opened + at, price, price, price, price, 5.0, 500.0, 3, 2.0, 200.0)
            for at, price in ((0, 100.0), (60_000, 1e308), (120_000, 101.0), (600_000_000, 100.0))
        ]
        now = MIDNIGHT + timedelta(minutes=3)
        add_candles(writer(), candles, "http://exchange", lambda: ["ETHUSDT"], now)
    assert count(table="klines_1m_history") == 2
    assert len(reasons()) == 3


def candles(number, rows=288):
    file = day(number=number, dataset="klines", interval="5m")
    return file, "\n".join(klines_csv(file).splitlines()[: rows + 1]) + "\n"


def test_a_file_with_fewer_rows_replaces_nothing(lake):
    file, content = candles(0)
    put(file, content=content)
    with pytest.raises(FewerRows, match=r"has 90 rows on 2024-11-01, and the lake holds 288"):
        put(file, content=candles(0, 90)[1], sha256="1" * 64)
    assert count(table="klines_5m_history") == 288


def test_a_month_leaves_the_days_that_it_lacks(lake):
    month = ArchiveFile("ETHUSDT", "klines", "5m", FIRST, "monthly")
    first, second = candles(0), candles(1)
    put(first[0], content=first[1])
    put(second[0], content=second[1])
    put(month, content=first[1], sha256="1" * 64)
    assert count(table="klines_5m_history") == ledger_rows("ETHUSDT") == 576
    put(month, content=first[1], sha256="1" * 64)  # once more: its line lacks the day, too
    put(second[0], content=second[1], sha256="3" * 64)
    put(month, content=first[1], sha256="1" * 64)
    assert count(table="klines_5m_history") == ledger_rows("ETHUSDT") == 576
    put(month, content=second[1], sha256="2" * 64)
    assert count(table="klines_5m_history") == ledger_rows("ETHUSDT") == 576


def test_a_trade_in_two_days_is_kept_once_and_a_day_without_trades_is_loaded(lake):
    first, second = day(), day(number=1)
    lines = agg_trades_csv(second).splitlines()
    later = [f"{int(line.partition(',')[0]) + 99},{line.partition(',')[2]}" for line in lines[1:]]
    put(first)
    put(second, content="\n".join([lines[0], *later]) + "\n")
    assert count() == ledger_rows("ETHUSDT") == 199
    assert ["another file" in reason for reason in reasons()] == [True]
    put(day(number=2), content=lines[0] + "\n")
    assert rows_of(2) == (0, 0)
