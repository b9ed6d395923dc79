"""Single modules of the page, called in the browser that runs them."""

from typing import Any

import pytest

from tests.browser.conftest import HeatmapPage

CALL = """async ([module, name, given]) => {
  const { href } = document.querySelector(`link[rel=modulepreload][href*="/${module}."]`);
  return (await import(href))[name](...given);
}"""
SPREAD = """async () => {
  const { href } = document.querySelector('link[rel=modulepreload][href*="/colour_table."]');
  const { spreadOf } = await import(href);
  const grid = { columns: 100, rows: 3, largest: 1e8, decades: 6, codesPerDecade: 100 };
  const codes = new Uint16Array(300).fill(601, 0, 100).fill(501, 100, 200);
  return [
    spreadOf(codes, grid, { first: 0, end: 3 }),
    spreadOf(codes, grid, { first: 1, end: 3 }),
    spreadOf(codes, grid, { first: 2, end: 3 }),
  ];
}"""


@pytest.fixture
def call(page: HeatmapPage) -> Any:
    page.open("?symbol=BTCUSDT&window=24h")
    return lambda module, name, *given: page.tab.evaluate(CALL, [module, name, given])


def test_amounts_of_codes_have_three_digits(call: Any) -> None:
    amounts = [0, 7.4, 950, 999.6, 20_890, 999_600, 66_070_000, 426_580_000, 5.771e9]
    texts = [call("format", "aboutUsd", amount) for amount in amounts]
    assert texts == ["0", "7", "950", "1.00K", "20.9K", "1.00M", "66.1M", "427M", "5.77B"]


def test_days_are_written_with_their_month(call: Any) -> None:
    assert call("format", "dayOfMonth", 1769644799000) == "28 Jan"


def test_the_automatic_threshold_suits_the_prices_that_are_shown_first(page: HeatmapPage) -> None:
    page.open("?symbol=BTCUSDT&window=24h")
    everywhere, below, nowhere = page.tab.evaluate(SPREAD)
    assert everywhere == {"maximum": pytest.approx(1e8), "threshold": 1}
    assert below == {"maximum": pytest.approx(1e8), "threshold": 0.1}
    assert nowhere["threshold"] == 1
