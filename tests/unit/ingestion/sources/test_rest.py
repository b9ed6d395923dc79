"""The exchange over real HTTP, with a governor on a real Valkey."""

import json

import pytest
import redis

from ingestion.errors import BadAnswer, RefusedBySource, SourceUnavailable
from ingestion.sources import rest
from ingestion.sources.governor import KEY, Governor
from ingestion.sources.rest import CANDLES_PAGE, MAX_ANSWER_BYTES, CandlePage, FuturesExchange
from tests.support.archive_server import HTML_PAGE, Fault
from tests.support.exchange import (
    BROKEN,
    FORBIDDEN,
    HANG_UP,
    MINUTE_MS,
    RESTRICTED,
    SILENCE,
    TOO_MANY_REQUESTS,
    banned,
)
from tests.support.exchange import FuturesExchange as StandIn

NOW = 1_795_608_030.0
NOW_MS = int(NOW * 1000)


@pytest.fixture
def server():
    with StandIn(["ETHUSDT", "BTCUSDT"], clock=lambda: NOW) as server:
        yield server


@pytest.fixture
def governor(settings):
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.delete(KEY)
    yield Governor(client, 1000, 3600, clock=lambda: NOW)
    client.delete(KEY)


@pytest.fixture
def exchange(server, governor):
    with FuturesExchange(server.url, governor, timeout=0.5) as exchange:
        yield exchange


def served(body) -> Fault:
    return Fault(body=json.dumps(body).encode())


def test_open_interest_and_mark_prices(server, exchange):
    figure = exchange.open_interest("ETHUSDT")
    assert (figure.symbol, figure.time) == ("ETHUSDT", NOW_MS)
    assert figure.contracts == server.open_interest("ETHUSDT", NOW_MS)
    assert exchange.mark_price("BTCUSDT") == server.price("BTCUSDT", NOW_MS)
    assert exchange.mark_prices() == {
        name: server.price(name, NOW_MS) for name in ("ETHUSDT", "BTCUSDT")
    }


def test_only_candles_with_a_later_one_behind_them_count_as_closed(server, exchange):
    start = NOW_MS // MINUTE_MS * MINUTE_MS - 3 * MINUTE_MS
    candles = exchange.closed_candles("ETHUSDT", start).candles
    assert [candle.open_time for candle in candles] == [start + i * MINUTE_MS for i in range(3)]
    for candle in candles:
        fields = server.candle("ETHUSDT", candle.open_time)
        assert candle.close == float(fields[4])
        assert candle.volume == float(fields[5])
        assert candle.taker_buy_quote_volume == float(fields[10])
    assert exchange.closed_candles("ETHUSDT", NOW_MS + MINUTE_MS) == CandlePage([], [])


def test_a_page_of_candles_has_the_size_of_the_best_weight(server, exchange, governor):
    page = exchange.closed_candles("ETHUSDT", NOW_MS - 86_400_000)
    assert len(page.candles) == CANDLES_PAGE - 1 and not page.is_last
    assert server.used_weight == 2
    assert governor.status().used_weight == 2


def test_the_contracts_with_tick_size_and_status(server, exchange):
    server.delisted.add("BTCUSDT")
    contracts = exchange.contracts()
    assert str(contracts["ETHUSDT"].tick_size) == "0.01"
    assert [contracts[name].status for name in server.symbols] == ["TRADING", "SETTLING"]


def test_weights_admitted_are_those_the_exchange_counts(server, exchange, governor):
    exchange.open_interest("ETHUSDT")
    exchange.mark_price("ETHUSDT")
    exchange.mark_prices()
    exchange.closed_candles("ETHUSDT", NOW_MS)
    exchange.contracts()
    assert governor.status().used_weight == server.used_weight == 15


def test_a_symbol_that_is_not_listed_is_refused_and_nothing_is_stopped(exchange, governor):
    with pytest.raises(RefusedBySource, match=r"LUNAUSDT: Invalid symbol. \(-1121\)"):
        exchange.open_interest("LUNAUSDT")
    assert governor.status().stopped_until == 0


@pytest.mark.parametrize(
    ("fault", "wait"),
    [
        (TOO_MANY_REQUESTS, 7),
        (Fault(429, b"{}"), 60),
        (banned(NOW_MS + 90_000), 90),
        (banned(NOW_MS + 90_000, retry_after="120"), 120),
        (Fault(418, b"teapot"), 120),
        (RESTRICTED, 3600),
        (FORBIDDEN, 3600),
    ],
)
def test_what_the_exchange_says_stops_all_requests_for_that_long(
    server, exchange, governor, fault, wait
):
    server.script(fault)
    with pytest.raises(SourceUnavailable, match=f"answered {fault.status}"):
        exchange.open_interest("ETHUSDT")
    with pytest.raises(SourceUnavailable) as caught:
        exchange.open_interest("ETHUSDT")
    assert caught.value.retry_after == pytest.approx(wait)
    assert server.count() == 1, "the second request was not sent"
    assert governor.status().archive_only == (fault.status in (451, 403))


@pytest.mark.parametrize("fault", [BROKEN, SILENCE, HANG_UP, HTML_PAGE, Fault(404, b"<html>")])
def test_no_usable_answer_backs_off(server, exchange, governor, fault):
    server.script(fault)
    with pytest.raises(SourceUnavailable):
        exchange.open_interest("ETHUSDT")
    status = governor.status()
    assert status.failures == 1
    assert 0 < status.stopped_until - NOW <= 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"openInterest": "-1", "symbol": "ETHUSDT", "time": NOW_MS},
        {"openInterest": "nan", "symbol": "ETHUSDT", "time": NOW_MS},
        {"openInterest": "1", "symbol": "ETHUSDT", "time": NOW_MS // 1000},
        {"openInterest": "1", "symbol": "ETHUSDT", "time": None},
        {"openInterest": "9" * 400, "symbol": "ETHUSDT", "time": NOW_MS},
    ],
)
def test_an_answer_of_another_form_gives_no_figure(server, exchange, body):
    server.script(served(body))
    with pytest.raises(SourceUnavailable, match="open interest"):
        exchange.open_interest("ETHUSDT")


DEEP = b'{"openInterest": "1", "time": ' + b"[" * 1000 + b"]" * 1000 + b"}"


@pytest.mark.parametrize(
    "fault",
    [
        Fault(body=b"[" * 100_000),
        Fault(body=DEEP),
        Fault(body=b'{"openInterest": ' + b"9" * 400 + b"}"),
        Fault(body=b" " * (MAX_ANSWER_BYTES + 1)),
        Fault(429, body=b"[" * 100_000),
        Fault(seconds_per_byte=0.1),
    ],
    ids=["endless nesting", "deep", "a long number", "large", "a deep error", "slow"],
)
def test_an_answer_without_bounds_is_refused(server, exchange, fault, monkeypatch):
    monkeypatch.setattr(rest, "_LONGEST_ANSWER_SECONDS", 0.5)
    server.script(fault)
    with pytest.raises(SourceUnavailable) as raised:
        exchange.open_interest("ETHUSDT")
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize(
    ("position", "value", "reason"),
    [
        (0, 30_000, "not an instant"),
        (0, NOW_MS // MINUTE_MS * MINUTE_MS - 5 * MINUTE_MS, "out of order"),
        (0, NOW_MS // MINUTE_MS * MINUTE_MS + 50 * MINUTE_MS, "out of order"),
        (1, "0", "a price of 0"),
        (2, "1", "contradicts itself"),
        (3, "1e9", "contradicts itself"),
        (5, "-1", "not a number"),
        (8, None, "NoneType"),
    ],
)
def test_a_row_that_is_no_candle_takes_no_other_with_it(server, exchange, position, value, reason):
    opened = NOW_MS // MINUTE_MS * MINUTE_MS - 5 * MINUTE_MS
    good = [server.candle("ETHUSDT", opened + i * MINUTE_MS) for i in range(4)]
    bad = list(good[1])
    bad[position] = value
    server.script(served([good[0], bad, *good[2:]]))
    page = exchange.closed_candles("ETHUSDT", opened)
    assert [candle.open_time for candle in page.candles] == [good[0][0], good[2][0]]
    (row,) = page.unreadable
    assert reason in row.reason and row.raw == repr(bad)
    assert row.near == (good[0][0] if position == 0 and value == 30_000 else bad[0])
    server.script(served([bad, bad]))
    with pytest.raises(BadAnswer, match="candles"):
        exchange.closed_candles("ETHUSDT", opened + MINUTE_MS)


def test_an_odd_mark_price_hides_no_other(server, exchange):
    quotes = [{"symbol": "ETHUSDT", "markPrice": "1e400"}, None, {"symbol": "A", "markPrice": "2"}]
    server.script(served(quotes))
    assert exchange.mark_prices() == {"A": 2.0}
