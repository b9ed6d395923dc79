"""The collector of liquidations against a stand-in for the exchange's stream."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from django.core.management import call_command

from ingestion import lake as the_lake
from ingestion.collecting import liquidations
from ingestion.collecting.liquidations import Recorder, slices
from ingestion.errors import LakeBusy, TemporaryError
from ingestion.lake.liquidations import add_liquidations, heard_share, heard_spans
from ingestion.models import CollectorState, Symbol
from ingestion.sources.stream import parse_message
from tests.support.exchange_stream import StreamServer, force_order
from tests.support.services import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
DAY_MS = 86_400_000


@pytest.fixture
def exchange(settings: Any) -> Iterator[StreamServer]:
    with StreamServer() as server:
        settings.STREAM_BASE_URL = server.url
        settings.LIQUIDATIONS_PERIOD_SECONDS = 0.1
        yield server


@pytest.fixture
def start(lake: Any, settings: Any) -> Iterator[Callable[[], threading.Event]]:
    """Starts collectors in threads of their own; setting the event that it returns ends one."""
    redis.Redis.from_url(settings.REDIS_URL).flushall()
    running: list[tuple[threading.Event, threading.Thread]] = []

    def run(stop: threading.Event) -> None:
        from django.db import connection

        try:
            liquidations.collect(stop)
        finally:
            connection.close()

    def start() -> threading.Event:
        stop = threading.Event()
        thread = threading.Thread(target=run, args=(stop,))
        thread.start()
        running.append((stop, thread))
        return stop

    yield start
    for stop, thread in running:
        stop.set()
        thread.join(20)


def enable(*names: str) -> None:
    Symbol.objects.update(enabled=False)
    for name in names:
        Symbol.objects.update_or_create(name=name, defaults={"enabled": True, "tick_size": "0.01"})


def rows(columns: str = "symbol, epoch_ms(timestamp), side, price, quantity") -> list[tuple]:
    return (
        the_lake.reader()
        .cursor()
        .execute(f"SELECT {columns} FROM lake.liquidation_events ORDER BY ALL")
        .fetchall()
    )


def sent(exchange: StreamServer, *symbols: str) -> list[tuple]:
    sides = {"SELL": "long", "BUY": "short"}
    return sorted(
        (order["s"], order["T"], sides[order["S"]], float(order["p"]), float(order["z"]))
        for order in exchange.sent
        if order["s"] in symbols
    )


def wait_for_rows(exchange: StreamServer, *symbols: str) -> None:
    wait_until(lambda: rows() == sent(exchange, *symbols), 20, "what was sent to be in the lake")


def the_state() -> CollectorState:
    return CollectorState.objects.get(collector="liquidations", symbol="")


def says(text: str) -> bool:
    state = CollectorState.objects.filter(collector="liquidations").first()
    return state is not None and text in f"{state.last_error} {state.details.get('status')}"


def test_the_recorder_opens_its_lake_anew_now_and_then(lake, monkeypatch):
    monkeypatch.setattr(liquidations, "WRITES_OF_ONE_LAKE", 2)
    recorder, before = Recorder(), the_lake.writer()
    recorder.write()
    assert the_lake.writer() is before
    recorder.write()
    assert the_lake.writer() is not before


def test_every_order_of_the_enabled_symbols_is_recorded_and_no_other(exchange, start):
    enable("ETHUSDT", "BTCUSDT")
    start()
    exchange.wait_for_listener()
    twin = 1_764_000_000_000
    exchange.liquidate("ETHUSDT", "SELL", 3000, 1, twin)
    exchange.liquidate("ETHUSDT", "BUY", 3000, 1, twin)
    exchange.liquidate("ETHUSDT", "SELL", 3001, 1, twin)
    exchange.liquidate("BTCUSDT", "SELL", 90_000, 0.5, twin)
    exchange.liquidate("DOTUSDT", "SELL", 5, 10)
    exchange.liquidate_coin_margined()
    exchange.liquidate_coin_margined("ETHUSDT")
    wait_for_rows(exchange, "ETHUSDT", "BTCUSDT")
    assert rows("DISTINCT source") == [("stream",)]


def test_nothing_is_lost_or_doubled_over_disconnects_that_repeat_what_was_sent(exchange, start):
    enable("ETHUSDT")
    start()
    for number in range(1, 4):
        exchange.wait_for_listener(connections=number)
        for order in list(exchange.sent):
            exchange.send(order)
        for _ in range(20):
            exchange.liquidate("ETHUSDT")
        exchange.disconnect()
    exchange.wait_for_listener(connections=4)
    wait_for_rows(exchange, "ETHUSDT")
    assert len(rows()) == 60


def test_garbage_is_set_aside_with_its_reason_and_counted(exchange, start, caplog):
    enable("ETHUSDT")
    start()
    exchange.wait_for_listener()
    exchange.send_raw("{ nonsense")
    exchange.send_raw(b"\x00\xff", text=True)
    exchange.send_raw(f'{{"e": {"9" * 400}}}')
    exchange.liquidate("ETHUSDT")
    wait_for_rows(exchange, "ETHUSDT")
    wait_until(lambda: the_state().details.get("bad_messages") == 3, 20, "the count")
    assert exchange.connections == 1
    assert caplog.text.count("Not understood and left out") == 1
    found = (
        the_lake.reader()
        .cursor()
        .execute("SELECT dataset, reason, raw FROM lake.quarantined_rows ORDER BY ALL")
        .fetchall()
    )
    assert {dataset for dataset, _, _ in found} == {"forceOrder"}
    assert all("JSON" in reason for _, reason, _ in found)
    assert {raw[:10] for _, _, raw in found} == {"{ nonsense", "\ufffd\ufffd", '{"e": 9999'}


def test_a_change_of_the_enabled_symbols_needs_no_new_connection(exchange, start):
    enable("ETHUSDT")
    start()
    exchange.wait_for_listener()
    exchange.liquidate("ETHUSDT")
    wait_for_rows(exchange, "ETHUSDT")
    enable("BTCUSDT")
    wait_until(
        lambda: list(the_state().details["coverage_percent"]) == ["BTCUSDT"],
        20,
        "BTCUSDT alone to be followed",
    )
    before = rows()
    exchange.liquidate("ETHUSDT")
    exchange.liquidate("BTCUSDT")
    wait_until(lambda: len(rows()) == 2, 20, "the new symbol's order")
    assert rows() == sorted(before + sent(exchange, "BTCUSDT"))
    assert exchange.connections == 1


def test_without_enabled_symbols_it_idles_unconnected_and_starts_when_one_comes(exchange, start):
    enable()
    start()
    wait_until(lambda: says("idle: no symbol is enabled"), 20, "the collector to say it idles")
    assert exchange.connections == 0
    enable("ETHUSDT")
    exchange.wait_for_listener()
    enable()
    wait_until(lambda: exchange.listeners == 0, 20, "the connection to end")
    wait_until(lambda: says("idle"), 20, "the collector to say it idles again")


def test_silence_is_an_alarm_and_the_connection_is_made_anew(exchange, start, settings):
    settings.LIQUIDATIONS_SILENCE_MINUTES = 0.01
    enable("ETHUSDT")
    start()
    exchange.wait_for_listener(connections=2)
    state = the_state()
    assert "no liquidation of any symbol came for 0.01 min" in state.last_error
    assert "STREAM_BASE_URL" in state.last_error
    settings.LIQUIDATIONS_SILENCE_MINUTES = 10
    exchange.wait_for_listener()

    def recovers() -> bool:
        exchange.liquidate("DOTUSDT")  # a sign of life, whatever its symbol
        return the_state().errors_in_a_row == 0 and bool(the_state().details["last_message"])

    wait_until(recovers, 20, "a message to end the alarm")


def test_an_exchange_that_refuses_is_named_and_tried_again(exchange, start):
    exchange.refuse(451)
    enable("ETHUSDT")
    start()
    wait_until(lambda: says("refuses this machine's location"), 20, "the reason")
    assert the_state().next_run is not None
    exchange.refuse(None)
    exchange.wait_for_listener()
    wait_until(lambda: the_state().errors_in_a_row == 0, 20, "the collector to be well again")


def test_of_two_collectors_one_records_and_the_other_takes_over(exchange, start):
    enable("ETHUSDT")
    first = start()
    exchange.wait_for_listener()
    start()
    exchange.liquidate("ETHUSDT")
    wait_for_rows(exchange, "ETHUSDT")
    assert exchange.connections == 1
    first.set()
    exchange.wait_for_listener(connections=2)
    exchange.liquidate("ETHUSDT")
    wait_for_rows(exchange, "ETHUSDT")


def test_a_lake_that_is_away_delays_the_rows_and_loses_none(exchange, start, monkeypatch):
    away = threading.Event()
    away.set()

    def add(*args: Any) -> int:
        if away.is_set():
            raise LakeBusy("others held the lake's lock")
        return add_liquidations(*args)

    monkeypatch.setattr(liquidations, "add_liquidations", add)
    enable("ETHUSDT")
    start()
    exchange.wait_for_listener()
    exchange.liquidate("ETHUSDT")
    wait_until(lambda: says("others held the lake's lock"), 20, "the reason")
    exchange.disconnect()
    exchange.wait_for_listener(connections=2)
    exchange.liquidate("ETHUSDT")
    away.clear()
    wait_for_rows(exchange, "ETHUSDT")


def test_what_came_before_the_end_is_written_even_if_it_was_not_read_yet(
    exchange, start, monkeypatch
):
    go_on = threading.Event()
    monkeypatch.setattr(liquidations, "_say_well", lambda recorder: go_on.wait(20))
    enable("ETHUSDT")
    stop = start()
    exchange.wait_for_listener()
    for _ in range(20):
        exchange.liquidate("ETHUSDT")
    exchange.wait_until_received()
    stop.set()
    go_on.set()
    wait_for_rows(exchange, "ETHUSDT")


def test_the_command_ends_when_it_is_told_to(monkeypatch):
    stops: list[threading.Event] = []
    monkeypatch.setattr(liquidations, "collect", stops.append)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        call_command("collect_liquidations")
        assert not stops[0].is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stops[0].wait(5)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def test_coverage_is_the_time_between_connecting_and_the_last_message(lake):
    enable("ETHUSDT", "BTCUSDT")
    order = message("ETHUSDT")
    midnight = 1_764_028_800_000
    recorder = Recorder()
    recorder.follow(["ETHUSDT"], 0)
    recorder.connected(midnight - 900_000)
    recorder.hear(order, midnight - 60_000)
    recorder.follow(["ETHUSDT", "BTCUSDT"], midnight - 30_000)
    recorder.hear(order, midnight + 120_000)
    recorder.write()
    span = [(midnight, midnight + 120_000)]
    assert recorder.unwritten() == {"BTCUSDT": span, "ETHUSDT": span}
    recorder.disconnected()
    recorder.write()
    recorder.connected(midnight + 300_000)  # and silent ever since
    recorder.disconnected()
    recorder.write()
    recorder.connected(midnight + 400_000)
    recorder.hear(order, midnight + 460_000)
    recorder.disconnected()
    recorder.write()
    spans = spans_of(midnight - DAY_MS, midnight + DAY_MS)
    again = (midnight + 400_000, midnight + 460_000)
    assert spans == {
        "BTCUSDT": [(midnight - 30_000, midnight + 120_000), again],
        "ETHUSDT": [(midnight - 900_000, midnight + 120_000), again],
    }
    assert heard_share(spans["BTCUSDT"], midnight, midnight + 360_000) == pytest.approx(1 / 3)
    span = [(midnight, midnight + 60_000)]
    assert spans_of(midnight, midnight + 60_000) == {"BTCUSDT": span, "ETHUSDT": span}


def test_writing_again_what_was_written_changes_nothing(lake):
    events = parse_message(message("ETHUSDT")) * 2
    heard = list(slices("ETHUSDT", 1_764_000_000_000, 1_764_001_000_000))
    batch = (the_lake.writer(), events, heard, [], lambda: {"ETHUSDT"})
    assert add_liquidations(*batch) == 1
    assert add_liquidations(*batch) == 0
    counts = the_lake.rows_within(the_lake.reader().cursor(), "ETHUSDT")
    assert (counts["liquidation_events"], counts["liquidation_coverage"]) == (1, 2)


def test_what_a_rolled_back_symbol_left_in_memory_is_not_written(lake):
    enable("ETHUSDT", "BTCUSDT")
    recorder = Recorder()
    recorder.follow(["ETHUSDT", "BTCUSDT"], 0)
    recorder.connected(0)
    recorder.hear(message("ETHUSDT"), 1_000)
    recorder.hear(message("BTCUSDT"), 2_000)
    enable("BTCUSDT")
    recorder.disconnected()
    recorder.write()
    assert {symbol for symbol, *_ in rows()} == set(spans_of(0, DAY_MS)) == {"BTCUSDT"}


def test_memory_is_bounded_and_free_again_once_its_events_are_written(lake, monkeypatch):
    monkeypatch.setattr(liquidations, "MAX_KEPT_EVENTS", 1)
    enable("ETHUSDT")
    recorder = Recorder()
    recorder.follow(["ETHUSDT"], 0)
    recorder.connected(0)
    for _ in range(3):
        recorder.hear(message("DOTUSDT"), 1_000)
        recorder.hear(message("ETHUSDT"), 1_000)
        recorder.write()
    recorder.hear(message("ETHUSDT"), 1_000)
    with pytest.raises(TemporaryError, match="2 liquidations wait to be written"):
        recorder.hear(message("ETHUSDT"), 1_000)


def spans_of(start_ms: int, end_ms: int) -> dict[str, list[tuple[int, int]]]:
    with the_lake.read.snapshot() as cursor:
        return heard_spans(cursor, start_ms, end_ms)


def message(symbol: str) -> str:
    order = force_order(symbol, "SELL", 3000.0, 1.0, 1_000)
    return json.dumps({"e": "forceOrder", "o": order})
