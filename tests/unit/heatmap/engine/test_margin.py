"""Liquidation prices and brackets: golden numbers, bracket changes, continuity."""

import numpy as np
import pytest

from heatmap.engine import LONG, SHORT, BracketTable, liquidation_price
from heatmap.engine.margin import brackets_in_force, liquidation_terms
from tests.support.oracle import exact
from tests.support.oracle import liquidation_price as oracle_price
from tests.unit.heatmap.engine.markets import BTC_BRACKETS, STEEP_BRACKETS
from tests.unit.heatmap.engine.real_market import all_bracket_tables, real_brackets

# Entry 100,000, first BTCUSDT bracket (0.4 %, cum 0).
GOLDEN = [
    (5, 80_321.3, 119_521.9),
    (10, 90_361.4, 109_561.8),
    (25, 96_385.5, 103_585.7),
    (50, 98_393.6, 101_593.6),
    (100, 99_397.6, 100_597.6),
    (125, 99_598.4, 100_398.4),
]


@pytest.mark.parametrize(("leverage", "long", "short"), GOLDEN)
def test_golden_liquidation_prices(leverage, long, short):
    prices = liquidation_price(100_000.0, leverage, [LONG, SHORT], 0.1, BTC_BRACKETS)
    np.testing.assert_allclose(prices, [long, short], atol=0.05)


def test_the_bracket_is_that_of_the_notional_at_the_liquidation_price():
    # 3.01 BTC at 100,000 are above 300,000 USDT; at the long's liquidation price they are not.
    long, short = liquidation_price(100_000.0, 10, [LONG, SHORT], 3.01, BTC_BRACKETS)
    assert long == pytest.approx(100_000 * 0.9 / 0.996, rel=1e-12)
    assert short == pytest.approx((100_000 * 1.1 + 300 / 3.01) / 1.005, rel=1e-12)


@pytest.mark.parametrize("table", [BTC_BRACKETS, STEEP_BRACKETS])
def test_random_positions_settle_where_the_oracle_does(table):
    rng = np.random.default_rng(7)
    entries = 10 ** rng.uniform(-5, 5, 300)
    leverages, sides = rng.choice([1, 2, 5, 10, 20, 50, 100], 300), rng.choice([1, -1], 300)
    quantities = 10 ** rng.uniform(2, 8.2, 300) / entries
    prices = liquidation_price(entries, leverages, sides, quantities, table)
    expected = [
        float(oracle_price(exact(entry), exact(leverage), side, exact(quantity), table))
        for entry, leverage, side, quantity in zip(
            entries, leverages, sides, quantities, strict=True
        )
    ]
    np.testing.assert_allclose(prices, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("notional", [1_000.0, 10_000.0, 400_000.0, 2.9e6])
@pytest.mark.parametrize("side", [LONG, SHORT])
def test_the_terms_of_a_notional_give_its_liquidation_price_at_every_entry(side, notional):
    tables = (BTC_BRACKETS, STEEP_BRACKETS)
    leverages = np.array([[1.0, 2.0, 10.0, 50.0, 100.0], [1.0, 2.0, 3.0, 5.0, 10.0]])
    terms = liquidation_terms(leverages, side, notional, tables)
    for entry in (1e-5, 97.3, 104_729.0):
        quantity = notional / entry
        for row, table in enumerate(tables):
            prices = (entry * terms["free"] - terms["cum"] / quantity)[row] / terms["kept"][row]
            expected = liquidation_price(entry, leverages[row], side, quantity, table)
            np.testing.assert_allclose(prices, expected, rtol=1e-12, atol=1e-12 * entry)


def test_a_long_without_leverage_is_never_liquidated():
    assert liquidation_price(100.0, 1, LONG, 1.0, BTC_BRACKETS) <= 0


def test_the_table_in_force_is_the_last_one_begun_and_the_first_before_all():
    tables = [
        BracketTable(date, [0], [1e6], [rate], [0], [100])
        for date, rate in [(10, 0.01), (20, 0.02)]
    ]
    assert brackets_in_force(tables, np.array([5, 10, 19, 20, 99])).tolist() == [0, 0, 0, 1, 1]


def test_continuity_names_the_bracket_that_jumps():
    assert BTC_BRACKETS.continuity_errors().size == 0
    cums = BTC_BRACKETS.cums.copy()
    cums[2] += 1
    broken = BracketTable(
        0,
        BTC_BRACKETS.floors,
        BTC_BRACKETS.caps,
        BTC_BRACKETS.maintenance_margin_rates,
        cums,
        BTC_BRACKETS.max_leverages,
    )
    assert broken.continuity_errors().tolist() == [2, 3]


@pytest.mark.real_data
def test_all_symbols_brackets_are_continuous():
    tables = all_bracket_tables()
    assert len(tables) == 716
    wrong = {
        symbol: table.continuity_errors().tolist()
        for symbol, table in tables
        if table.continuity_errors().size
    }
    assert wrong == {}


@pytest.mark.real_data
@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_every_version_of_the_large_symbols_is_continuous(symbol):
    for table in real_brackets(symbol):
        assert table.continuity_errors().size == 0, table.valid_from
