import numpy as np
import pytest

from heatmap.engine import LONG, SHORT
from validation.backtest import events
from validation.backtest.events import (
    UNKNOWN,
    UnreadableEvents,
    read_events,
    recorded_events,
)

BINANCE = "Symbol,Side,Order Type,Time,Quantity,Price"
HYPERLIQUID = "timestamp,venue,coin,side,size_usd,price"


def lines(*rows: str) -> bytes:
    return "\n".join(rows).encode()


def test_a_force_order_capture_in_order_of_time():
    file = read_events(
        lines(
            BINANCE,
            "ETHUSDT,SELL,LIMIT,1700939606270,0.5,2080.00",
            "ETHUSDT,BUY,LIMIT,1700845645909,2,2110.85",
            "BTCUSDT,BUY,LIMIT,1700845645909,1,37000",
        ),
        "ETHUSDT",
    )
    assert file.events.time.tolist() == [1700845645909, 1700939606270]
    assert file.events.side.tolist() == [SHORT, LONG]
    assert file.events.price.tolist() == [2110.85, 2080.0]
    assert file.events.usd.tolist() == [4221.7, 1040.0]
    assert (file.others, file.duplicates, file.refused) == (1, 0, {})


def test_a_hyperliquid_capture_does_not_say_the_side():
    file = read_events(
        lines(
            HYPERLIQUID,
            "2025-05-25 15:20:02.684+00:00,hyperliquid,ETH,S,1989.88,2488.6",
            "2025-05-25T17:21:42.312+02:00,hyperliquid,ETH,S,100,2485.4",
            "2025-05-25 15:21:42.312+00:00,hyperliquid,BTC,S,711.05,106925.0",
        ),
        "ETHUSDT",
    )
    assert file.events.time.tolist() == [1748186402684, 1748186502312]
    assert file.events.side.tolist() == [UNKNOWN, UNKNOWN]
    assert file.events.usd.tolist() == [1989.88, 100.0]
    assert file.others == 1


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("ETHUSDT,SELL,LIMIT,1700939606270,0.5", "not 6 columns"),
        ("ETHUSDT,HOLD,LIMIT,1700939606270,0.5,2080", "side is neither BUY nor SELL"),
        ("ETHUSDT,SELL,LIMIT,1700939606270,0.5,nan", "price is no positive number"),
        ("ETHUSDT,SELL,LIMIT,1700939606270,0.5,-1", "price is no positive number"),
        ("ETHUSDT,SELL,LIMIT,1700939606270,0.5,1e999", "price is no positive number"),
        ("ETHUSDT,SELL,LIMIT,1700939606270,0,2080", "quantity is no positive number"),
        ("ETHUSDT,SELL,LIMIT,1700939606270,=1+1,2080", "quantity is no positive number"),
        ("ETHUSDT,SELL,LIMIT,1700939606,0.5,2080", "time is no number of milliseconds"),
        ("ETHUSDT,SELL,LIMIT,9999999999999,0.5,2080", "time is not from 2000 to 2099"),
        ('ETHUSDT,SELL,LIMIT,1700939606270,0.5,"2080', "not 6 columns"),
        ("ETHUSDT,SELL," + "x" * 200_000 + ",1700939606270,0.5,2080", "not 6 columns"),
    ],
)
def test_a_bad_row_is_set_aside_with_its_line_and_reason(row, reason):
    good = "ETHUSDT,SELL,LIMIT,1700939606270,0.5,2080"
    file = read_events(lines(BINANCE, good, row, row), "ETHUSDT")
    assert len(file.events) == 1
    refused = file.refused[reason]
    assert (refused.rows, refused.line) == (2, 3)
    assert len(refused.text) <= 80
    assert list(file.refused) == [reason]


def test_bytes_that_are_no_text_spoil_their_own_row_only():
    content = lines(BINANCE, "ETHUSDT,SELL,LIMIT,1700939606270,0.5,2080\r", "")
    file = read_events(content + b"ETHUSDT,SELL,LIMIT,1700939606270,0.5,\xff\x00\n", "ETHUSDT")
    assert len(file.events) == 1
    assert file.refused["price is no positive number"].line == 3


def test_a_timestamp_that_is_none_is_set_aside():
    file = read_events(lines(HYPERLIQUID, "yesterday,hyperliquid,ETH,S,1,2488.6"), "ETHUSDT")
    assert list(file.refused) == ["timestamp is no instant"]
    assert len(file.events) == 0


def test_a_row_that_stands_twice_counts_once():
    row = "ETHUSDT,SELL,LIMIT,1700939606270,0.5,2080"
    file = read_events(lines(BINANCE, row, row, row), "ETHUSDT")
    assert (len(file.events), file.duplicates) == (1, 2)


@pytest.mark.parametrize("content", [b"", b"a,b,c\n1,2,3\n", b"\x89PNG\r\n\x1a\n", b"<svg/>"])
def test_a_file_without_a_known_header_is_refused(content):
    with pytest.raises(UnreadableEvents, match=r"not a header that is known\. Known are: Symbol,"):
        read_events(content, "ETHUSDT")


def test_a_file_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(events, "MAX_BYTES", 10)
    with pytest.raises(UnreadableEvents, match="more than 10 bytes"):
        read_events(lines(BINANCE), "ETHUSDT")


def test_what_was_recorded_has_the_price_of_its_fills_where_it_is_known():
    found = recorded_events(
        {
            "time": np.array([1, 2]),
            "side": np.array(["long", "short"]),
            "price": np.array([99.0, 101.0]),
            "average_price": np.array([99.5, np.nan]),
            "quantity": np.array([2.0, 3.0]),
        }
    )
    assert found.side.tolist() == [LONG, SHORT]
    assert found.price.tolist() == [99.5, 101.0]
    assert found.usd.tolist() == [199.0, 303.0]


@pytest.mark.real_data
def test_every_row_of_the_real_captures_is_read(real_data):
    folder = real_data / "liquidations"
    hyperliquid = (folder / "hyperliquid_BTC_ETH_2025-05-25.csv").read_bytes()
    binance = (folder / "binance_forceorder_ETHUSDT_2023-11-24.csv").read_bytes()
    counts = []
    for content, symbol in (
        (hyperliquid, "BTCUSDT"),
        (hyperliquid, "ETHUSDT"),
        (binance, "ETHUSDT"),
    ):
        file = read_events(content, symbol)
        assert file.refused == {}
        counts.append((len(file.events), file.others, file.duplicates))
    assert counts == [(468, 354, 0), (354, 468, 0), (271, 0, 0)]
