"""Input that can't be right is refused by name; a model is known by its fingerprint."""

import dataclasses

import numpy as np
import pytest

from heatmap.engine import (
    NET_OPEN_INTEREST,
    BracketTable,
    Candles,
    ModelParameters,
    OpenInterest,
    TradedPrices,
    compute_heatmap,
    model_fingerprint,
)
from tests.unit.heatmap.engine.markets import (
    BTC_BRACKETS,
    ROUND_BRACKETS,
    START,
    candles_of,
    open_interest_of,
)

FLAT = (100.0, 100.0, 100.0, 100.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"high": np.ones(1)}, "high has 1 values"),
        ({"open_time": np.array([START, START + 1])}, "ordered by open_time"),
        ({"open_time": np.array(["2026-01-01", "2026-01-02"], "M8[us]")}, "integer milliseconds"),
        ({"low": np.array([100.0, np.nan])}, "every low"),
        ({"close": np.array([0.0, 1.0])}, "every close"),
        ({"interval_ms": 0}, "interval"),
    ],
)
def test_candles_that_cannot_be_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(candles_of([FLAT, FLAT]), **change)


@pytest.mark.parametrize(
    ("times", "figures", "message"),
    [
        ([1, 2], [1.0], "2 times, 1 figures"),
        ([2, 2], [1.0, 1.0], "ordered by time"),
        ([1, 2], [1.0, -1.0], "not negative"),
        ([1, 2], [1.0, np.inf], "finite"),
        (["2026-01-01", "2026-01-02"], [1.0, 1.0], "integer milliseconds"),
    ],
)
def test_open_interest_that_cannot_be_is_refused(times, figures, message):
    times = np.array(times, "M8[us]" if isinstance(times[0], str) else np.int64)
    with pytest.raises(ValueError, match=message):
        OpenInterest(times, np.array(figures))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (([0], [1], [0.1], [0], [10, 5]), "one value of each kind"),
        (([1], [2], [0.1], [0], [10]), "start at 0"),
        (([0, 0], [1, 2], [0.1, 0.2], [0, 0], [10, 5]), "rise"),
        (([0], [1], [1.0], [0], [10]), "rates"),
        (([0], [1], [0.1], [0], [0.5]), "leverages"),
    ],
)
def test_brackets_that_cannot_be_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        BracketTable(0, *values)


@pytest.mark.parametrize(
    "options",
    [
        {"long_leverage_weights": ((0.5, 1.0),)},
        {"short_leverage_weights": ((5.0, -1.0), (10.0, 2.0))},
        {"short_leverage_weights": ((5.0, 0.0),)},
        {"long_leverage_weights": ()},
        {"position_notional": 0.0},
        {"position_notional": float("nan")},
        {"taker_tilt": float("nan")},
        {"smear": -0.1},
        {"smear": float("nan")},
    ],
)
def test_parameters_that_cannot_be_are_refused(options):
    with pytest.raises(ValueError, match=r"must be|at least one"):
        ModelParameters(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": []}, "columns"),
        ({"columns": [START, START]}, "columns"),
        ({"bin_size": 0.0}, "bin size"),
        ({"bin_size": 1e-7}, "too many cells"),
        ({"brackets": ()}, "bracket table"),
        ({"price_range": (5.0, 4.0)}, "price range"),
    ],
)
def test_a_request_that_cannot_be_served_says_why(options, message):
    candles = candles_of([FLAT, FLAT])
    request = {
        "candles": candles,
        "open_interest": open_interest_of({0: 1.0}),
        "brackets": (ROUND_BRACKETS,),
        "parameters": ModelParameters(),
        "columns": candles.end_time,
        "bin_size": 1.0,
    }
    with pytest.raises(ValueError, match=message):
        compute_heatmap(**(request | options))


def test_without_any_candle_a_price_range_is_needed():
    nothing = np.empty(0, np.int64)
    empty = Candles(nothing, *[np.empty(0)] * 7, interval_ms=60_000)
    with pytest.raises(ValueError, match="price range"):
        compute_heatmap(
            empty, OpenInterest(nothing, np.empty(0)), (ROUND_BRACKETS,), ModelParameters(), [0], 1
        )


def test_a_fingerprint_changes_with_all_that_the_book_depends_on():
    models = [
        ModelParameters(),
        ModelParameters(taker_tilt=0.1),
        ModelParameters(turnover=0.2),
        ModelParameters(smear=0.2),
        NET_OPEN_INTEREST,
        ModelParameters(long_leverage_weights=((5, 1),)),
        ModelParameters(position_notional=1.0),
    ]
    prints = {model_fingerprint(model, (BTC_BRACKETS,)) for model in models}
    prints.add(model_fingerprint(models[0], (ROUND_BRACKETS,)))
    prints.add(model_fingerprint(models[0], (dataclasses.replace(BTC_BRACKETS, valid_from=1),)))
    assert len(prints) == 9
    assert model_fingerprint(models[0], (BTC_BRACKETS,)) in prints


def test_equal_mixes_are_equal_parameters():
    one = ModelParameters(long_leverage_weights=((10, 30), (5, 10), (5, 10)))
    other = ModelParameters(long_leverage_weights=((5.0, 0.4), (10.0, 0.6)))
    assert one == other
    assert model_fingerprint(one, (BTC_BRACKETS,)) == model_fingerprint(other, (BTC_BRACKETS,))


@pytest.mark.parametrize(
    ("times", "prices", "message"),
    [([1, 2], [1.0], "one time"), ([2, 1], [1.0, 1.0], "ordered"), ([1.0], [1.0], "integer")],
)
def test_trades_that_cannot_be_are_refused(times, prices, message):
    with pytest.raises(ValueError, match=message):
        TradedPrices(np.array(times), np.array(prices), np.ones(len(prices)))


def test_single_precision_input_gives_the_book_of_double_precision():
    candles = candles_of([FLAT, (100.0, 101.0, 99.0, 100.0)])
    single = {name: array.astype(np.float32) for name, array in candles.arrays().items()}
    single["open_time"] = candles.open_time
    assert Candles(interval_ms=candles.interval_ms, **single).low.dtype == np.float64


def test_a_copy_with_other_options_has_the_same_weights():
    weights = ((5.0, 0.1), (10.0, 0.7), (25.0, 0.2), (50.0, 0.3), (100.0, 0.4))
    model = ModelParameters(long_leverage_weights=weights)
    there = dataclasses.replace(model, spread_entries=False)
    assert dataclasses.replace(there, spread_entries=True) == model
