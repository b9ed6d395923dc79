import re
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management.base import CommandError

from ingestion import lake
from ingestion.collecting import open_interest
from ingestion.lake import connection, read
from ingestion.lake.ledger import lines_of
from ingestion.models import CollectorState, Symbol
from liqheat_project.celery import app
from tests.conftest import worker_environment
from tests.integration.ingestion.collecting.conftest import START
from tests.support.archive_server import Fault
from tests.support.commands import MANAGE, said
from tests.support.exchange import ANSWER, BROKEN, HANG_UP, RESTRICTED, TOO_MANY_REQUESTS
from tests.support.lake_days import day, put
from tests.support.services import wait_until

START_MS = int(START * 1000)


def later(exchange, seconds):
    exchange.clock = lambda: START + seconds


def rows(symbol="ETHUSDT"):
    with read.snapshot() as cursor:
        return cursor.execute(
            "SELECT epoch_ms(timestamp), open_interest_contracts, open_interest_value, source "
            "FROM lake.open_interest_history WHERE symbol = ? ORDER BY timestamp",
            [symbol],
        ).fetchall()


def state_of(symbol=""):
    return CollectorState.objects.get(collector="open_interest", symbol=symbol)


def test_a_round_writes_a_snapshot_of_each_enabled_symbol(exchange, enable):
    enable("ETHUSDT", "BTCUSDT")
    open_interest.collect()
    later(exchange, 30)
    open_interest.collect()
    for symbol in ("ETHUSDT", "BTCUSDT"):
        expected = []
        for instant in (START_MS, START_MS + 30_000):
            contracts = exchange.open_interest(symbol, instant)
            value = contracts * exchange.price(symbol, instant)
            expected.append((instant, contracts, value, "live"))
        assert rows(symbol) == expected
    state = state_of()
    assert (state.errors_in_a_row, state.details) == (0, {"rows": 2, "symbols": 2})
    assert state.next_run > state.last_success


def test_without_an_enabled_symbol_nothing_is_asked_and_nothing_opened(exchange, enable):
    enable()
    open_interest.collect()
    assert exchange.count() == 0
    assert not connection._open_lakes
    assert not CollectorState.objects.exists()


def test_the_same_moment_twice_is_one_row(exchange, enable):
    enable("ETHUSDT")
    open_interest.collect()
    open_interest.collect()
    assert len(rows()) == 1
    assert state_of().details["rows"] == 0


def test_a_round_is_one_commit(exchange, enable):
    enable("ETHUSDT", "BTCUSDT")
    lake.writer()
    with read.snapshot() as cursor:
        before = read.version(cursor)
    open_interest.collect()
    with read.snapshot() as cursor:
        assert read.version(cursor) == before + 1


def test_many_symbols_get_their_mark_prices_in_one_request(exchange, enable):
    exchange.symbols += [f"COIN{number}USDT" for number in range(12)]
    exchange.delisted.add("COIN0USDT")
    enable(*exchange.symbols)
    open_interest.collect()
    assert exchange.count("/fapi/v1/premiumIndex") == 1
    assert rows("COIN7USDT")[0][2] == pytest.approx(
        exchange.open_interest("COIN7USDT", START_MS) * exchange.price("COIN7USDT", START_MS)
    )
    assert state_of("COIN0USDT").last_error.startswith("COIN0USDT: Invalid symbol")


def test_a_delisted_symbol_says_so_and_does_not_stop_the_others(exchange, enable):
    enable("BTCUSDT", "ETHUSDT")
    exchange.delisted.add("BTCUSDT")
    open_interest.collect()
    open_interest.collect()
    assert len(rows("ETHUSDT")) == 1
    assert state_of("BTCUSDT").last_error == "BTCUSDT: Invalid symbol. (-1121)"
    assert state_of("BTCUSDT").errors_in_a_row == 2
    assert state_of().errors_in_a_row == 0
    exchange.delisted.clear()
    exchange.script(Fault(body=b'{"openInterest": "?"}'), path="/fapi/v1/openInterest")
    later(exchange, 30)
    open_interest.collect()
    assert len(rows("ETHUSDT")) == 2
    assert "has another form than it should" in state_of("BTCUSDT").last_error
    open_interest.collect()
    assert not CollectorState.objects.filter(symbol="BTCUSDT").exists()


@pytest.mark.parametrize("fault", [TOO_MANY_REQUESTS, RESTRICTED, HANG_UP])
def test_what_came_before_the_exchange_failed_is_kept(exchange, enable, fault):
    enable("BTCUSDT", "ETHUSDT")
    exchange.script(ANSWER, times=2)
    exchange.script(fault)
    open_interest.collect()
    assert len(rows("BTCUSDT")) == 1
    assert rows("ETHUSDT") == []
    assert state_of().errors_in_a_row == 1


def test_a_figure_is_kept_when_its_mark_price_does_not_come(exchange, enable):
    enable("BTCUSDT", "ETHUSDT")
    exchange.script(HANG_UP, path="/fapi/v1/premiumIndex")
    open_interest.collect()
    assert [row[1:3] for row in rows("BTCUSDT")] == [
        (exchange.open_interest("BTCUSDT", START_MS), None)
    ]
    assert rows("ETHUSDT") == []
    assert state_of().errors_in_a_row == 1


def test_a_stopped_exchange_is_one_state_and_no_request(exchange, enable, lift):
    enable("BTCUSDT", "ETHUSDT")
    open_interest.collect()
    exchange.script(RESTRICTED)
    open_interest.collect()
    asked = exchange.count()
    open_interest.collect()
    open_interest.collect()
    assert exchange.count() == asked
    state = state_of()
    assert "answered 451" in state.last_error
    assert state.errors_in_a_row == 3
    assert (state.next_run - state.last_error_at).total_seconds() > 3600
    assert CollectorState.objects.count() == 1
    lift()
    later(exchange, 30)
    open_interest.collect()
    assert len(rows()) == 2
    assert state_of().errors_in_a_row == 0


def test_a_machine_without_a_network_has_one_clear_state(settings, enable, lift):
    enable("BTCUSDT", "ETHUSDT")
    lift()
    for _ in range(3):
        open_interest.collect()
    state = state_of()
    assert "http://127.0.0.1:9 did not answer" in state.last_error
    assert CollectorState.objects.count() == 1
    lift()


def test_a_symbol_that_was_disabled_meanwhile_gets_no_row(exchange, enable):
    enable("BTCUSDT", "ETHUSDT")
    with open_interest.open_exchange() as client:
        snapshots = open_interest.take_snapshots(client, ["BTCUSDT", "ETHUSDT"])
    Symbol.objects.filter(name="BTCUSDT").update(enabled=False)
    written = open_interest.write(snapshots, exchange.url, open_interest.enabled_symbols)
    assert written == 1
    assert rows("BTCUSDT") == []


def test_the_ledger_counts_the_rows_of_each_day(exchange, enable):
    midnight = (START_MS // 86_400_000 + 1) * 86_400_000
    enable("ETHUSDT")
    for seconds in (-30, 0, 30):  # midnight itself closes the day before
        exchange.clock = lambda seconds=seconds: midnight / 1000 + seconds
        open_interest.collect()
    with read.snapshot() as cursor:
        lines = lines_of(cursor, "ETHUSDT")
    assert [(str(line.range_start), line.rows) for line in lines] == [
        ("2026-11-25 00:00:00", 2),
        ("2026-11-26 00:00:00", 1),
    ]
    assert all(line.is_live and line.origin == exchange.url for line in lines)


def test_the_archives_file_replaces_the_live_rows_of_its_day(exchange, enable):
    file = day(number=0, dataset="metrics")
    start = int(file.start_instant.timestamp())
    enable("ETHUSDT")
    for seconds in (
        0,
        30,
        43_200,
        86_400,
        86_430,
    ):  # the first is of the day before, the last after
        exchange.clock = lambda seconds=seconds: start + seconds
        open_interest.collect()
    put(file)
    sources = [source for *_, source in rows()]
    assert sources == ["live", *["archive"] * 288, "live"]
    with read.snapshot() as cursor:
        lines = {line.range_start: line.is_live for line in lines_of(cursor, "ETHUSDT")}
    assert list(lines.values()) == [True, False, True]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_without_dates_collects_until_it_is_interrupted(exchange, number):
    exchange.clock = time.time
    exchange.script(ANSWER, times=4)
    exchange.script(BROKEN)
    process = subprocess.Popen(
        [*MANAGE, "ingest_oi", "--symbol", "ETHUSDT"],
        env=worker_environment() | {"OPEN_INTEREST_SECONDS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_until(lambda: len(exchange.served_figures["ETHUSDT"]) >= 3, 60, "three snapshots")
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
    first, *lines, last = output.splitlines()
    assert first == f"Open interest of ETHUSDT every 1 s from {exchange.url}, until Ctrl-C."
    assert re.fullmatch(r"[\d-]+ [\d:]+  ETHUSDT  [\d,.]+ contracts  [\d,]+ USDT", lines[0])
    assert any("no figure: " in line and "answered 503" in line for line in lines)
    assert last == "Stopped."
    assert len(rows()) >= 2


def test_the_command_says_when_there_is_no_broker(db, settings):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    with pytest.raises(CommandError, match=r"No broker answers at 127\.0\.0\.1:9"):
        said("ingest_oi", "--symbol", "ETHUSDT")


def test_a_worker_collects_what_beat_sends(exchange, enable, start_worker):
    from django.conf import settings

    enable("ETHUSDT")
    start_worker(queues="live")
    entry = settings.CELERY_BEAT_SCHEDULE["collect-open-interest"]
    app.send_task(entry["task"], **entry["options"])
    # The row is there a moment before the account of it.
    wait_until(CollectorState.objects.filter(symbol="").exists, 60, "the round's account")
    assert len(rows()) == 1
    assert state_of().details == {"rows": 1, "symbols": 1}


def test_a_round_that_waited_too_long_is_dropped(exchange, enable, start_worker):
    enable("ETHUSDT")
    task = "ingestion.collect_open_interest"
    worker = start_worker(queues="live")
    app.send_task(task, queue="live", expires=datetime.now(UTC) - timedelta(seconds=1))
    wait_until(lambda: "revoked" in worker.log, 60, "the task to be dropped")
    assert exchange.count() == 0
