"""Which figures can be true, by the rule that archive, REST and stream share."""

import numpy as np
import pytest

from ingestion.market.plausibility import (
    COMES_BACK,
    IS_ZERO,
    NO_NEIGHBOUR,
    STAYS_ZERO,
    WAITS,
    candle_fault,
    instant_fault,
    judge_open_interest,
    price_fault,
)

STEP_MS = 300_000
FIFTEEN_HOURS = 180


def judged(contracts: list[float], values: list[float] | None = None) -> list[str]:
    times = np.arange(len(contracts), dtype=np.int64) * STEP_MS
    known = np.full(len(contracts), np.nan) if values is None else np.array(values)
    return judge_open_interest(times, np.array(contracts), known)


@pytest.mark.parametrize("length", [1, 2, 116, 288])
@pytest.mark.parametrize(
    ("false", "reason"),
    [(0.0, IS_ZERO), (0.001, COMES_BACK), (99.0, COMES_BACK), (21_000.0, COMES_BACK)],
)
def test_a_run_that_comes_back_is_false_however_long(
    length: int, false: float, reason: str
) -> None:
    found = judged([1000.0] * 50 + [false] * length + [1010.0] * 50)
    assert found == [""] * 50 + [reason] * length + [""] * 50


def test_runs_of_several_false_levels_leave_the_good_rows() -> None:
    found = judged([1000.0, 0.0, 0.001, 5.0, 1001.0, 0.0, 1002.0])
    assert [not reason for reason in found] == [True, False, False, False, True, False, True]


def test_growth_and_falls_that_a_market_makes_are_true() -> None:
    assert not any(judged([1.0, 15.0, 200.0, 1500.0, 4000.0, 1000.0, 300.0, 60.0, 12.0]))
    assert not any(judged([1000.0] * 20 + [15_000.0] + [1000.0] * 20))


def test_the_newest_figures_wait_until_they_come_back_or_last() -> None:
    assert judged([1000.0] * 20 + [50.0] * 3) == [""] * 20 + [WAITS] * 3
    assert judged([1000.0] * 20 + [50.0] * 3 + [990.0])[20:] == [COMES_BACK] * 3 + [""]
    slowly = judged([1000.0] * 20 + [50.0, 200.0, 400.0, 600.0])
    assert slowly[20:] == [COMES_BACK] * 3 + [""]
    assert not any(judged([1000.0] * 20 + [50.0] * FIFTEEN_HOURS))


def test_a_redenomination_keeps_the_value_and_is_believed_after_an_hour() -> None:
    contracts, values = [1000.0] * 20 + [100_000.0] * 13, [5e6] * 33
    assert not any(judged(contracts, values))
    assert judged(contracts)[20:] == [WAITS] * 13
    assert judged(contracts[:-1], values[:-1])[20:] == [WAITS] * 12


def test_the_first_figures_are_judged_by_those_after_them() -> None:
    assert judged([0.001] * 3 + [1000.0] * 50) == [NO_NEIGHBOUR] * 3 + [""] * 50
    assert judged([0.0] + [1000.0] * 50) == [IS_ZERO] + [""] * 50


def test_a_contract_that_is_settled_says_so() -> None:
    found = judged([1000.0] * 10 + [0.0] * FIFTEEN_HOURS)
    assert found == [""] * 10 + [STAYS_ZERO] * FIFTEEN_HOURS


@pytest.mark.parametrize(
    ("prices", "volume", "quote_volume"),
    [
        ((100, 1e300, 99, 100), 10, 1000),
        ((100, 101, 1e-5, 100), 10, 1000),
        ((1e308, 1e308, 1e308, 1e308), 10, 1000),
        ((100, 101, 99, 100), 1e300, 1000),
        ((100, 101, 99, 100), 10, float("inf")),
        ((2000, 2010, 1990, 2000), 10, 1000),
        ((100, 5000, 99, 100), 10, 1000),
        ((100, 90, 99, 100), 10, 1000),
        ((0, 101, 0, 100), 10, 1000),
    ],
)
def test_a_candle_that_cannot_be_true_has_a_fault(
    prices: tuple, volume: float, quote_volume: float
) -> None:
    assert candle_fault(prices, volume, quote_volume, 100.0)


def test_the_volume_confirms_a_candle_at_another_price() -> None:
    assert not candle_fault((1.0, 1.01, 0.99, 1.0), 10, 10, 100.0)
    assert not candle_fault((100, 101, 99, 100), 10, 1000, 100.0)
    assert not candle_fault((1.0, 1.01, 0.99, 1.0), 10, 10, None)


def test_prices_and_instants_have_bounds() -> None:
    assert price_fault(1e13) and price_fault(float("nan")) and not price_fault(120_000.0)
    assert not instant_fault(60_000, 0)
    assert instant_fault(60_001, 0)
