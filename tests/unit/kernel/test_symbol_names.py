"""Names of symbols, for every part of the program that takes one."""

import pytest

from liqheat_project.kernel.symbol_names import is_symbol_name

GOOD = ("ETHUSDT", "1000PEPEUSDT", "BTCUSDT_250627", "4USDT", "币安人生USDT", "ÉTÉUSDT")
BAD = (
    "A",
    "A" * 31,
    "ethusdt",
    "../ETHUSDT",
    "ETH/USDT",
    "ETH.USDT",
    "ETH USDT",
    "ETHUSDT\n",
    "E\u0301TEUSDT",  # not in normal form C
    "币安\u202eUSDT",  # turns the direction of writing
    "币安\uff0fUSDT",
    "币安\u0000USDT",
    "été",
    None,
)


@pytest.mark.parametrize("name", GOOD)
def test_a_name_as_binance_has_it(name: str) -> None:
    assert is_symbol_name(name)


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_a_name(name: object) -> None:
    assert not is_symbol_name(name)
