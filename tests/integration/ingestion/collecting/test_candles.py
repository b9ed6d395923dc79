import json
from datetime import date

import pytest

from ingestion import lake
from ingestion.collecting import candles
from ingestion.lake import connection, read
from ingestion.lake.ledger import lines_of
from ingestion.market.files import ArchiveFile
from ingestion.models import CollectorState, Symbol
from liqheat_project.celery import app
from tests.integration.ingestion.collecting.conftest import START
from tests.support.archive_files import csv_of
from tests.support.archive_server import Fault
from tests.support.exchange import ANSWER, HANG_UP
from tests.support.lake_days import put

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
NEWEST = int(START * 1000) // MINUTE_MS * MINUTE_MS - MINUTE_MS
"""Opening time of the newest closed candle at START."""
MIDNIGHT = 1_795_651_200_000  # 2026-11-26


@pytest.fixture(autouse=True)
def clock(monkeypatch, exchange, settings):
    """Sets this machine's clock and the exchange's to so many seconds after START."""
    settings.CANDLES_LOOK_BACK_HOURS = 1

    def set_clock(seconds, exchange_seconds=None):
        theirs = seconds if exchange_seconds is None else exchange_seconds
        exchange.clock = lambda: START + theirs
        monkeypatch.setattr(candles.time, "time_ns", lambda: int((START + seconds) * 1e9))

    set_clock(0)
    return set_clock


def rows(symbol="ETHUSDT"):
    with read.snapshot() as cursor:
        return cursor.execute(
            "SELECT epoch_ms(open_time), open, high, low, close, volume, epoch_ms(close_time), "
            "quote_volume, count, taker_buy_volume, taker_buy_quote_volume "
            "FROM lake.klines_1m_history WHERE symbol = ? ORDER BY open_time",
            [symbol],
        ).fetchall()


def minutes(symbol="ETHUSDT"):
    return [row[0] for row in rows(symbol)]


def span(first, last):
    return list(range(first, last + 1, MINUTE_MS))


def ledger(symbol="ETHUSDT"):
    with read.snapshot() as cursor:
        return lines_of(cursor, symbol)


def state_of(symbol=""):
    return CollectorState.objects.get(collector="candles", symbol=symbol)


def fetched(exchange, symbol="ETHUSDT", first=NEWEST):
    with candles.open_exchange() as client:
        return client.closed_candles(symbol, first).candles


def test_a_round_writes_what_the_exchange_serves_and_only_closed_candles(exchange, enable):
    enable("ETHUSDT", "BTCUSDT")
    candles.collect()
    for symbol in ("ETHUSDT", "BTCUSDT"):
        served = [
            (
                opened,
                *(float(text) for text in fields[1:6]),
                fields[6],
                *(float(fields[7]), fields[8], float(fields[9]), float(fields[10])),
            )
            for opened, fields in sorted(exchange.served_candles[symbol].items())
        ]
        assert rows(symbol) == served
        assert minutes(symbol) == span(NEWEST - 59 * MINUTE_MS, NEWEST)
    assert state_of().details == {"rows": 120, "symbols": 2, "set_aside": 0}
    assert state_of().next_run > state_of().last_success


def test_every_round_asks_for_what_is_new_with_one_request_a_symbol(exchange, enable, clock):
    enable("ETHUSDT")
    candles.collect()
    for number in (1, 2):
        clock(60 * number)
        candles.collect()
    assert minutes()[-3:] == span(NEWEST, NEWEST + 2 * MINUTE_MS)
    assert exchange.count("/fapi/v1/klines") == 3
    assert state_of().details["rows"] == 1


def test_without_an_enabled_symbol_nothing_is_asked_and_nothing_opened(exchange, enable):
    enable()
    candles.collect()
    assert exchange.count() == 0
    assert not connection._open_lakes
    assert not CollectorState.objects.exists()


def test_a_candle_is_closed_by_the_exchanges_clock_and_not_by_ours(enable, clock):
    enable("ETHUSDT")
    clock(300, exchange_seconds=0)
    candles.collect()
    assert minutes()[-1] == NEWEST
    clock(-300, exchange_seconds=60)
    candles.collect()
    assert minutes()[-1] == NEWEST + MINUTE_MS


def test_after_downtime_all_minutes_are_filled_page_by_page(exchange, enable, clock, settings):
    settings.CANDLES_LOOK_BACK_HOURS = 48
    enable("ETHUSDT", "BTCUSDT")
    exchange.listed_from = NEWEST
    candles.collect()
    assert minutes() == [NEWEST]
    clock(20 * 3600)
    candles.collect()
    assert minutes() == minutes("BTCUSDT") == span(NEWEST, NEWEST + 20 * HOUR_MS)
    asked = [query["symbol"] for _, query in exchange.requests[2:]]
    assert asked[:4] == ["BTCUSDT", "ETHUSDT"] * 2  # taking turns


def test_a_round_is_bounded_and_the_next_goes_on_where_it_ended(
    exchange, enable, settings, monkeypatch
):
    settings.CANDLES_LOOK_BACK_HOURS = 24
    monkeypatch.setattr(candles, "MAX_PAGES", 2)
    enable("ETHUSDT")
    candles.collect()
    first = NEWEST - (24 * 60 - 1) * MINUTE_MS
    assert minutes() == span(first, first + (2 * 498 - 1) * MINUTE_MS)
    assert exchange.count() == 2
    candles.collect()
    assert minutes() == span(first, NEWEST)


def test_a_row_that_is_no_candle_is_set_aside_once_and_takes_nothing_with_it(exchange, enable):
    enable("BTCUSDT", "ETHUSDT")
    first = NEWEST - 59 * MINUTE_MS
    page = [exchange.candle("BTCUSDT", first + minute * MINUTE_MS) for minute in range(61)]
    page[7][3] = "1e400"
    for answer in (page, page[7:]):
        exchange.script(Fault(body=json.dumps(answer).encode()), path="/fapi/v1/klines")
        candles.collect()
        assert minutes("BTCUSDT") == [one for one in span(first, NEWEST) if one != page[7][0]]
        assert len(minutes()) == 60
        (line,) = ledger("BTCUSDT")
        assert (line.rows, line.quarantined) == (59, 1)
    assert state_of().details == {"rows": 0, "symbols": 2, "set_aside": 0}
    with read.snapshot() as cursor:
        (aside,) = read.quarantined_rows(cursor, "BTCUSDT")
    assert "not a number from 0" in aside["reason"] and aside["raw"] == repr(page[7])
    exchange.script(Fault(body=b'[["?"], ["?"]]'), path="/fapi/v1/klines")
    candles.collect()
    assert "has another form than it should" in state_of("BTCUSDT").last_error
    assert state_of().errors_in_a_row == 0


def test_a_hole_between_candles_is_filled(enable, clock):
    enable("ETHUSDT")
    candles.collect()
    lake.writer().cursor().execute(
        "DELETE FROM lake.klines_1m_history WHERE open_time >= make_timestamp_ms(?) "
        "AND open_time < make_timestamp_ms(?)",
        [NEWEST - 30 * MINUTE_MS, NEWEST - 20 * MINUTE_MS],
    )
    candles.collect()
    assert minutes() == span(NEWEST - 59 * MINUTE_MS, NEWEST)
    assert state_of().details["rows"] == 10


def test_what_came_before_the_exchange_failed_is_kept_and_the_rest_comes_later(
    exchange, enable, lift
):
    enable("BTCUSDT", "ETHUSDT")
    exchange.script(ANSWER)
    exchange.script(HANG_UP)
    candles.collect()
    assert len(rows("BTCUSDT")) == 60
    assert rows("ETHUSDT") == []
    assert state_of().errors_in_a_row == 1
    lift()
    candles.collect()
    assert minutes("ETHUSDT") == minutes("BTCUSDT")
    assert state_of().errors_in_a_row == 0


def test_a_delisted_symbol_says_so_and_does_not_stop_the_others(exchange, enable, lift):
    enable("BTCUSDT", "ETHUSDT", "MATICUSDT")
    exchange.delisted.add("BTCUSDT")
    candles.collect()
    assert len(rows("ETHUSDT")) == 60
    assert state_of("BTCUSDT").last_error == "BTCUSDT: Invalid symbol. (-1121)"
    assert state_of("MATICUSDT").last_error == "MATICUSDT: Invalid symbol. (-1121)"
    assert state_of().errors_in_a_row == 0
    assert state_of().details["symbols"] == 1
    exchange.script(HANG_UP)
    candles.collect()  # says nothing of symbols that it did not come to
    assert state_of("BTCUSDT").errors_in_a_row == 1
    lift()
    exchange.delisted.clear()
    candles.collect()
    assert not CollectorState.objects.filter(symbol="BTCUSDT").exists()


def test_an_exchange_without_new_candles_is_a_state_of_the_symbol(exchange, enable, clock):
    enable("ETHUSDT")
    candles.collect()
    clock(30 * 60, exchange_seconds=0)  # it stopped trading, or our clock runs ahead
    candles.collect()
    assert "ETHUSDT: the exchange has no candle after 2026-11-25 11:59 UTC" in (
        state_of("ETHUSDT").last_error
    )
    clock(30 * 60)
    candles.collect()
    assert not CollectorState.objects.filter(symbol="ETHUSDT").exists()
    assert minutes() == span(NEWEST - 59 * MINUTE_MS, NEWEST + 30 * MINUTE_MS)


def test_a_symbol_that_was_disabled_meanwhile_gets_no_row(exchange, enable):
    enable("ETHUSDT")
    page = fetched(exchange, first=NEWEST - 5 * MINUTE_MS)
    Symbol.objects.update(enabled=False)
    assert candles.write(page, exchange.url) == 0
    assert rows() == []


def test_the_same_candles_twice_are_one_row_and_one_count(exchange, enable):
    enable("ETHUSDT")
    page = fetched(exchange, first=NEWEST - 5 * MINUTE_MS)
    assert [candles.write(page, exchange.url) for _ in range(2)] == [6, 0]
    assert candles.write(page[3:] + fetched(exchange), exchange.url) == 0
    assert len(rows()) == 6
    assert sum(line.rows for line in ledger()) == 6


def test_the_ledger_has_a_line_for_each_day(exchange, enable, clock):
    enable("ETHUSDT")
    clock(12 * 3600 + 30 * 60)
    candles.collect()
    assert [(str(line.range_start), line.interval, line.rows) for line in ledger()] == [
        ("2026-11-25 00:00:00", "1m", 30),
        ("2026-11-26 00:00:00", "1m", 30),
    ]
    assert all(line.is_live and line.origin == exchange.url for line in ledger())


@pytest.fixture
def two_days(enable, clock, settings):
    """Live candles of the 25th and the 26th up to 02:00, in the exchange's own time."""
    settings.CANDLES_LOOK_BACK_HOURS = 26
    enable("ETHUSDT")
    clock(14 * 3600)
    candles.collect()
    return ArchiveFile("ETHUSDT", "klines", "1m", date(2026, 11, 25))


def test_the_archives_file_replaces_the_live_rows_of_its_day(two_days):
    put(two_days, sha256="1" * 64)
    assert len(rows()) == 1440 + 120
    day = [row for row in rows() if row[0] < MIDNIGHT]
    assert [row[5] for row in day] == [10.0] * 1440  # the archive's volumes
    lines = [(line.range_start.day, line.is_live, line.rows) for line in ledger()]
    assert lines == [(25, False, 1440), (26, True, 120)]


def test_what_the_archives_file_has_not_is_neither_asked_for_nor_taken(
    two_days, exchange, settings
):
    lines = csv_of(two_days).splitlines(keepends=True)
    put(two_days, content="".join([lines[0], *lines[601:]]))
    settings.CANDLES_LOOK_BACK_HOURS = 27
    candles.collect()  # a page that begins on the day before reaches into the file's day
    day_before, file_day, today = 60, 840, 120
    assert len(rows()) == day_before + file_day + today
    assert [int(query["startTime"]) for _, query in exchange.requests[-2:]] == [
        MIDNIGHT - 25 * HOUR_MS,
        MIDNIGHT + 2 * HOUR_MS,
    ]


def test_the_unfinished_day_of_a_file_goes_on_live(two_days, exchange):
    """A local folder may have a file of a day that is not over."""
    today = ArchiveFile("ETHUSDT", "klines", "1m", date(2026, 11, 26))
    put(today, content="".join(csv_of(today).splitlines(keepends=True)[:61]))
    assert [one for one in minutes() if one >= MIDNIGHT][-1] == MIDNIGHT + 59 * MINUTE_MS
    candles.collect()
    assert minutes()[-1] == MIDNIGHT + 119 * MINUTE_MS


def test_beat_sends_the_task_and_drops_one_that_waited_for_a_period(exchange, enable, settings):
    entry = settings.CELERY_BEAT_SCHEDULE["collect-candles"]
    assert entry["options"]["expires"] == entry["schedule"] == settings.CANDLES_SECONDS == 60
    assert settings.CELERY_TASK_ROUTES[entry["task"]] == {"queue": "live"}
    enable("ETHUSDT")
    app.tasks[entry["task"]]()
    assert len(rows()) == 60
