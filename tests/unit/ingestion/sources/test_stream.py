"""Messages of the stream of liquidations, and the errors of its connection."""

import json

import pytest

from ingestion.errors import BadFormat, SourceUnavailable
from ingestion.market.records import Liquidation
from ingestion.sources.stream import LiquidationStream, parse_message
from tests.support.exchange_stream import StreamServer, force_order

ORDER = force_order("ETHUSDT", "SELL", 3000.0, 2.0, 1_764_000_000_123)
EVENT = {"e": "forceOrder", "E": 1_764_000_000_130, "o": ORDER}


def without(order, name):
    return {key: value for key, value in order.items() if key != name}


def test_a_sold_order_is_a_liquidated_long_with_what_was_filled():
    order = ORDER | {"q": "5", "z": "2", "ap": "2990.5"}
    assert parse_message(
        json.dumps({"stream": "!forceOrder@arr", "data": EVENT | {"o": order}})
    ) == [Liquidation("ETHUSDT", 1_764_000_000_123, "long", 3000.0, 2990.5, 2.0)]


def test_a_bought_order_is_a_liquidated_short():
    (found,) = parse_message(json.dumps(EVENT | {"o": ORDER | {"S": "BUY"}}))
    assert found.side == "short"


def test_several_events_in_one_message():
    message = json.dumps({"data": [EVENT, EVENT | {"o": ORDER | {"s": "BTCUSDT"}}]})
    assert [found.symbol for found in parse_message(message)] == ["ETHUSDT", "BTCUSDT"]


@pytest.mark.parametrize("place", ["order", "event"])
def test_coin_margined_orders_are_left_out(place):
    order = {"o": ORDER | {"st": 2}} if place == "order" else {"o": without(ORDER, "st"), "st": 2}
    assert parse_message(json.dumps(EVENT | order)) == []


def test_an_order_from_before_the_two_markets_shared_the_stream():
    assert len(parse_message(json.dumps(EVENT | {"o": without(ORDER, "st")}))) == 1


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "null",
        "[1]",
        b"\xff\xfe",
        json.dumps({"result": None, "id": 1}),
        json.dumps(EVENT | {"e": "aggTrade"}),
        json.dumps({"e": "forceOrder"}),
        *(json.dumps(EVENT | {"o": without(ORDER, name)}) for name in "sSTpz"),
        json.dumps(EVENT | {"o": ORDER | {"S": "HOLD"}}),
        json.dumps(EVENT | {"o": ORDER | {"z": "nan"}}),
        json.dumps(EVENT | {"o": ORDER | {"z": "0"}}),
        json.dumps(EVENT | {"o": ORDER | {"ap": "-1"}}),
        json.dumps(EVENT | {"o": ORDER | {"T": "now"}}),
        json.dumps(EVENT | {"o": ORDER | {"s": 5}}),
        json.dumps(EVENT | {"o": ORDER | {"s": "X" * 31}}),
        json.dumps(EVENT | {"o": ORDER | {"p": "number"}}).replace('"number"', "9" * 400),
        json.dumps(EVENT | {"o": ORDER | {"p": "9" * 400}}),
        "[" * 100_000,
        *(
            json.dumps(EVENT | {"o": ORDER | {name: "deep"}}).replace(
                '"deep"', "[" * 1000 + "]" * 1000
            )
            for name in ("s", "S", "T", "p")
        ),
        json.dumps(EVENT | {"o": ORDER | {"s": "\ud800"}}),
    ],
)
def test_anything_else_is_refused_with_a_reason(message):
    with pytest.raises(BadFormat, match=r"\w"):
        parse_message(message)


def test_messages_come_in_order_and_silence_is_none():
    with StreamServer() as exchange, LiquidationStream(exchange.url) as stream:
        exchange.wait_for_listener()
        assert stream.receive(0.0) is None
        exchange.liquidate("ETHUSDT")
        exchange.liquidate("BTCUSDT")
        messages = [stream.receive(10), stream.receive(10)]
        assert [parse_message(message)[0].symbol for message in messages] == ["ETHUSDT", "BTCUSDT"]


def test_the_end_of_a_connection_is_temporary():
    with StreamServer() as exchange, LiquidationStream(exchange.url) as stream:
        exchange.wait_for_listener()
        exchange.disconnect()
        with pytest.raises(SourceUnavailable, match=r"ended the connection.*24 hours"):
            stream.receive(10)


def test_a_refused_location_says_what_can_be_done():
    with StreamServer() as exchange:
        exchange.refuse(451)
        with (
            pytest.raises(SourceUnavailable, match=r"refuses this machine.*HTTP 451.*STREAM_BASE"),
            LiquidationStream(exchange.url),
        ):
            pass


def test_nobody_there_is_said_with_the_address():
    with StreamServer() as exchange:
        url = exchange.url
    with (
        pytest.raises(SourceUnavailable, match=f"{url}.*cannot be reached"),
        LiquidationStream(url),
    ):
        pass
