from datetime import datetime

import pytest

from validation.coinglass import FileName, describe_file_name
from validation.coinglass.names import base_coin, range_hours


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "ETHUSDT_model1_24h_2025-10-28T1200.png",
            FileName("ETHUSDT", 1, "24h", datetime(2025, 10, 28, 12)),
        ),
        ("BTC_model3_2w_2025-10-28.png", FileName("BTC", 3, "2w", datetime(2025, 10, 28))),
        ("dir\\sub/btcusdt 7d MODEL-2.jpeg", FileName("BTCUSDT", 2, "7d", None)),
        ("1000PEPEUSDT_12h.png", FileName("1000PEPEUSDT", None, "12h", None)),
        ("model1_24h.png", FileName(None, 1, "24h", None)),
        (
            "Screenshot 2025-10-28 at 12.00.00.png",
            FileName(None, None, None, datetime(2025, 10, 28)),
        ),
        ("ETHUSDT_model4_0h_2025-13-45.png", FileName("ETHUSDT", None, None, None)),
        ("", FileName()),
        ("_" * 100_000, FileName()),
    ],
)
def test_parts_of_a_name(name, expected):
    assert describe_file_name(name) == expected


def test_the_same_range_in_other_words():
    assert range_hours("2 week") == range_hours("14d") == 336
    assert range_hours("24 hour") == range_hours("1d") == 24
    assert range_hours("soon") is None


def test_coin_of_a_symbol():
    assert [base_coin(s) for s in ("BTCUSDT", "btc/usdt", "BTC", "USDT")] == [
        "BTC",
        "BTC",
        "BTC",
        "USDT",
    ]
