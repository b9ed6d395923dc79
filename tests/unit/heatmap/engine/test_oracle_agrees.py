"""Engine and oracle on random markets: the same book at every instant."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heatmap.engine import (
    Candles,
    Heatmap,
    ModelParameters,
    OpenInterest,
    TradedPrices,
    compute_heatmap,
)
from tests.support.oracle import Column, Market
from tests.unit.heatmap.engine.markets import (
    BTC_BRACKETS,
    FIVE_MINUTES,
    ROUND_BRACKETS,
    START,
    STEEP_BRACKETS,
    candles_of,
    markets,
    parameters,
    trades_of,
)

BRACKETS = st.sampled_from(
    [(BTC_BRACKETS,), (ROUND_BRACKETS,), (STEEP_BRACKETS,), (ROUND_BRACKETS, STEEP_BRACKETS)]
)


def instants(candles: Candles) -> list[int]:
    """Before the first candle, at every end, in between, and after the last."""
    ends = candles.end_time.tolist() or [START]
    middles = [(a + b) // 2 for a, b in pairwise(ends)]
    return sorted({ends[0] - candles.interval_ms, *ends, *middles, ends[-1] + 10**9})


def assert_same(heatmap: Heatmap, columns: list[Column]) -> None:
    """The oracle's columns, to 1e-9 of the book (planes are float32: to 1e-6 of a cell)."""
    first = round(heatmap.prices[0] / heatmap.bin_size)
    for side, name in enumerate(("long", "short")):
        engine = getattr(heatmap, name)
        expected = np.zeros(engine.density.shape)
        for row, column in enumerate(columns):
            for bin_, value in getattr(column, name).items():
                if 0 <= bin_ - first < len(heatmap.prices):
                    expected[row, bin_ - first] = float(value)
        largest = expected.max(initial=1e-9)
        np.testing.assert_allclose(engine.density, expected, rtol=1e-6, atol=1e-9 * largest)
        for amount in ("total", "unplaced", "created", "consumed"):
            values = np.array([float(getattr(column, amount)[side]) for column in columns])
            scale = np.abs(values).max(initial=1e-9)
            np.testing.assert_allclose(
                getattr(engine, amount), values, rtol=1e-9, atol=1e-9 * scale, err_msg=amount
            )


def compare(
    candles: Candles,
    open_interest: OpenInterest,
    brackets: tuple,
    model: ModelParameters,
    bin_size: float,
    trades: TradedPrices | None = None,
) -> tuple[Heatmap, Market]:
    times = instants(candles)
    top = float(candles.high.max(initial=bin_size)) * 2.2
    heatmap = compute_heatmap(
        candles,
        open_interest,
        brackets,
        model,
        np.array(times),
        bin_size,
        price_range=(0.0, top),
        column_interval_ms=10**12,
        trades=trades,
    )
    oracle = Market(candles, open_interest, list(brackets), model, bin_size, trades)
    assert_same(heatmap, oracle.columns(times))
    return heatmap, oracle


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(markets(), BRACKETS, parameters(), st.sampled_from([0.5, 1.0, 3.7]), st.data())
def test_engine_and_oracle_agree(market, brackets, model, bins_per_hundredth, data):
    candles, open_interest = market
    trades = data.draw(trades_of(candles))
    scale = float(np.median(candles.close)) / 100 if len(candles.close) else 1.0
    compare(candles, open_interest, brackets, model, bins_per_hundredth * scale, trades)


@pytest.mark.parametrize("bin_size", [0.1, 1.0, 3.0])
def test_empty_input_is_an_empty_book(bin_size):
    nothing = np.empty(0, np.int64)
    empty = Candles(nothing, *[np.empty(0)] * 7, interval_ms=60_000)
    figures = OpenInterest(nothing, np.empty(0))
    compare(empty, figures, (BTC_BRACKETS,), ModelParameters(), bin_size)


def test_where_many_levels_lie_close_together_the_same_ones_are_swept():
    random = np.random.default_rng(3)
    count, two_weeks = 80, 14 * 86_400_000
    close = 100_000 * np.exp(np.cumsum(random.normal(0, 0.0015, count)))
    opened = np.append(close[0], close[:-1])
    rows = np.column_stack(
        (opened, np.maximum(opened, close) * 1.0003, np.minimum(opened, close) * 0.9997, close)
    )
    # Halfway, where two weeks of the calendar end, the ranks close up.
    first = -(-START // two_weeks) * two_weeks - 40 * FIVE_MINUTES
    times = first + FIVE_MINUTES * np.arange(count)
    candles = candles_of(rows.tolist(), open_time=times, volume=random.uniform(10, 90, count))
    figures = OpenInterest(times + FIVE_MINUTES, 1_000 + np.cumsum(random.normal(0, 5, count)))
    weights = ((50.0, 2.0), (100.0, 1.0))
    model = ModelParameters(long_leverage_weights=weights, short_leverage_weights=weights)
    heatmap, oracle = compare(candles, figures, (BTC_BRACKETS,), model, 130.0)
    assert heatmap.positions_consumed[1:].sum() > 1e7
    for book, side in zip((heatmap.book.longs, heatmap.book.shorts), oracle.sides, strict=True):
        levels = [float(position.liquidation_price) for position in side.positions]
        quantities = [float(position.quantity) for position in side.positions]
        np.testing.assert_allclose(book.liquidation_price, levels, rtol=1e-12)
        np.testing.assert_allclose(book.quantity, quantities, rtol=1e-9)
