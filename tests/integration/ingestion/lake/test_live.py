"""Rows that collectors bring, written by several processes at once."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ingestion.lake import configure, live, read, remove_symbol, undo_removal, writer
from ingestion.lake.ledger import lines_of
from ingestion.lake.live import add_candles
from ingestion.market.records import Candle
from liqheat_project.kernel.instants import MINUTE_MS
from tests.integration.ingestion.lake.test_remove_days import everything
from tests.support.lake_days import count, ledger_rows, run_in_processes

pytestmark = pytest.mark.postgresql

MIDNIGHT = 1_795_651_200_000  # 2026-11-26
NOW = datetime(2026, 11, 30, tzinfo=UTC)  # after every candle below


def candle(number, symbol="ETHUSDT", price=100.0):
    opened = MIDNIGHT + number * MINUTE_MS
    return Candle(symbol, opened, price, price + 1, price - 1, price, 5.0, 500.0, 3, 2.0, 200.0)


def add(first, until, symbol="ETHUSDT"):
    candles = [candle(number, symbol) for number in range(first, until)]
    return add_candles(writer(), candles, "http://exchange", lambda: ["ETHUSDT"], NOW)


def test_two_processes_at_once_write_every_candle_once(lake):
    written = run_in_processes(lake, [(add, (-60, 60)), (add, (0, 120)), (add, (-30, 30))])
    assert sum(written) == 180
    assert count(table="klines_1m_history") == ledger_rows("ETHUSDT") == 180
    with read.snapshot() as cursor:
        lines = lines_of(cursor, "ETHUSDT")
    assert [(line.range_start.day, line.rows) for line in lines] == [(25, 60), (26, 120)]


def test_only_wanted_symbols_are_written_and_a_known_candle_stays_as_it_is(lake):
    assert add(0, 3, "BTCUSDT") == 0
    assert add(0, 3) == 3
    changed = [candle(2, price=50.0), candle(3, price=50.0)]
    assert add_candles(writer(), changed, "http://exchange", lambda: ["ETHUSDT"], NOW) == 1
    with read.snapshot() as cursor:
        found = read.candles(cursor, "ETHUSDT", "1m", MIDNIGHT, MIDNIGHT + 10 * MINUTE_MS)
    assert found["close"].tolist() == [100.0, 100.0, 100.0, 50.0]
    assert found["count"].tolist() == [3] * 4


def test_more_candles_than_the_catalogue_keeps_are_written_too(lake):
    assert add(0, 5000) == 5000
    assert add(4990, 5010) == 10
    assert ledger_rows("ETHUSDT") == 5010


def test_days_of_live_rows_keep_a_line_each_over_a_roll_back_and_its_undo(lake):
    assert add(-60, 60) == 120
    was = everything("ETHUSDT")
    remove_symbol(writer(), "ETHUSDT", keep_as="first")
    assert ledger_rows("ETHUSDT") == 0
    undo_removal(writer(), "first")
    assert everything("ETHUSDT") == was


def test_a_catch_up_of_many_symbols_fits_into_little_memory(lake, monkeypatch):
    """The minutes that many symbols missed, beside as many that are there."""
    configure(replace(lake, memory_limit_mb=100))
    symbols = [f"A{number}USDT" for number in range(20)]
    candles = [candle(minute, symbol) for minute in range(499) for symbol in symbols]
    monkeypatch.setattr(live, "ROWS_A_COMMIT", 4_000)
    for later in (0, 499):
        moved = [replace(one, open_time=one.open_time + later * MINUTE_MS) for one in candles]
        args = (moved, "http://exchange", lambda: symbols, NOW)
        before = states()
        assert add_candles(writer(), *args) == len(candles)
        assert states() == before + 3
        assert add_candles(writer(), *args) == 0
    assert {count(symbol, "klines_1m_history") for symbol in symbols} == {998}
    held = live.candles_held(writer().cursor(), symbols, MIDNIGHT, MIDNIGHT)
    assert {len(minutes) for minutes in held.values()} == {998}


def states():
    return len(writer().cursor().execute("FROM ducklake_snapshots('lake')").fetchall())
