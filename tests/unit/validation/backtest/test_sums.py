import numpy as np
import pytest

from validation.backtest.events import UnreadableEvents
from validation.backtest.sums import DAY_MS, HOUR_MS, has_sums, read_sums

HOURS = "hour,coin,long_usd,short_usd"


def lines(*rows: str) -> bytes:
    return "\n".join(rows).encode()


def test_hours_and_days_of_one_symbol():
    file = read_sums(
        lines(
            HOURS,
            "2025-05-25T16:00:00Z,BTC,0,7.5",
            "2025-05-25 15:00:00,BTC,10,0",
            "2025-05-25T15:00:00Z,ETH,1,1",
        ),
        "BTCUSDT",
    )
    assert file.sums.interval_ms == HOUR_MS
    assert np.diff(file.sums.start).tolist() == [HOUR_MS]
    assert file.sums.usd.tolist() == [[10, 0], [0, 7.5]]
    assert file.others == 1
    days = read_sums(
        lines("short_usd,date,symbol,long_usd,price", "3,2025-05-25,BTCUSDT,2,1"), "BTCUSDT"
    )
    assert (days.sums.interval_ms, days.sums.usd.tolist()) == (DAY_MS, [[2], [3]])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2025-05-25T15:30:00Z,BTC,1,2", "time is no whole hour"),
        ("soon,BTC,1,2", "timestamp is no instant"),
        ("2025-05-25T15:00:00Z,BTC,-1,2", "long_usd is neither 0 nor a positive number"),
        ("2025-05-25T15:00:00Z,BTC,1,nan", "short_usd is neither 0 nor a positive number"),
        ("2025-05-25T15:00:00Z,BTC,1", "not 4 columns"),
    ],
)
def test_a_row_that_cant_be_right_is_set_aside(row, reason):
    file = read_sums(lines(HOURS, "2025-05-25T14:00:00Z,BTC,1,2", row), "BTCUSDT")
    assert len(file.sums) == 1
    assert (file.refused[reason].rows, file.refused[reason].line) == (1, 3)


def test_a_time_said_twice_is_refused():
    with pytest.raises(UnreadableEvents, match="Line 3 has the hour of an earlier line"):
        read_sums(lines(HOURS, *["2025-05-25T14:00:00Z,BTC,1,2"] * 2), "BTCUSDT")


def test_events_are_no_sums():
    assert has_sums(lines(HOURS))
    assert not has_sums(lines("timestamp,venue,coin,side,size_usd,price"))
    assert not has_sums(b"")
