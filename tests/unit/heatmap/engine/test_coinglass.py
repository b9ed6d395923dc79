"""Coinglass's rule: by hand, and once more in slow loops over random markets."""

from math import floor, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heatmap.engine import (
    COINGLASS_3,
    LONG,
    SHORT,
    Candles,
    Heatmap,
    ModelParameters,
    coinglass_book,
    coinglass_heatmap,
)
from tests.unit.heatmap.engine.markets import FIVE_MINUTES, START, candles_of, markets

TEN_TIMES = ModelParameters(
    name="coinglass-3",
    long_leverage_weights=((10, 1),),
    short_leverage_weights=((10, 1),),
)


def columns_of(candles: Candles) -> np.ndarray:
    return candles.end_time


def shown(plane: np.ndarray, heatmap: Heatmap) -> dict[float, float]:
    return {
        float(price): float(value)
        for price, value in zip(heatmap.prices, plane, strict=True)
        if value > 0
    }


def test_a_candle_opens_both_sides_at_ten_times_and_a_touch_sweeps_only_what_it_reaches():
    # The first candle is a doji at 100: all its entries are there, its levels at 90 and 110.
    rows = [(100, 100, 100, 100), (100, 109, 95, 100), (100, 110, 100, 105), (105, 106, 90, 95)]
    candles = candles_of(rows, volume=[100, 0, 0, 0], quote_volume=[10_000, 0, 0, 0])
    heatmap = coinglass_heatmap(
        candles,
        TEN_TIMES,
        np.append(START, columns_of(candles)),
        1.0,
        usual_volume=10_000,
    )
    # 0.2 % of the 10,000 USDT of a usual candle, on each side.
    level = pytest.approx(20)
    assert [shown(plane, heatmap) for plane in heatmap.long_density] == [
        {},
        *[{90: level}] * 3,
        {},
    ]
    assert [shown(plane, heatmap) for plane in heatmap.short_density] == [
        {},
        *[{110: level}] * 2,
        {},
        {},
    ]
    assert heatmap.long.total == pytest.approx([0, *[20 / 90] * 3, 0])
    assert heatmap.positions_created == pytest.approx([0, 20 / 0.9 + 20 / 1.1, 0, 0, 0])
    assert heatmap.positions_consumed == pytest.approx([0, 0, 0, 20, 20])
    assert heatmap.total_long == heatmap.total_short == 0


def test_four_times_the_volume_opens_twice_as_much():
    candles = candles_of([(100,) * 4, (100,) * 4], quote_volume=[100, 400], volume=[1, 4])
    heatmap = coinglass_heatmap(candles, TEN_TIMES, columns_of(candles), 1.0)
    created = heatmap.positions_created
    assert created[1] == pytest.approx(2 * created[0])


def test_the_given_mix_stands_at_its_distances():
    candles = candles_of([(1000,) * 4])
    book = coinglass_book(candles, COINGLASS_3)
    distance = 1 - book.longs.liquidation_price / 1000
    by_distance = {}
    for one, usdt in zip(distance, book.longs.notional, strict=True):
        name = round(100 * one, 2)
        by_distance[name] = by_distance.get(name, 0) + usdt / book.longs.notional.sum()
    expected = {20: 0.14, 10: 0.035, 6.67: 0.06, 5: 0.08, 4: 0.105, 1.33: 0.57}
    assert by_distance == {name: pytest.approx(share / 0.99) for name, share in expected.items()}
    assert book.shorts.notional.sum() == pytest.approx(book.longs.notional.sum())


def test_later_candles_change_no_earlier_column():
    random = np.random.default_rng(3)
    closes = 100 * np.exp(np.cumsum(random.normal(0, 0.01, 60)))
    rows = [(close, close * 1.01, close * 0.99, close) for close in closes]
    candles = candles_of(rows, volume=random.exponential(size=60))
    whole, half = (
        coinglass_heatmap(
            candles.slice(0, count),
            COINGLASS_3,
            columns_of(candles)[:count],
            0.5,
            usual_volume=50.0,
            price_range=(60, 140),
        )
        for count in (60, 30)
    )
    np.testing.assert_array_equal(whole.long_density[:30], half.long_density)
    np.testing.assert_array_equal(whole.short_density[:30], half.short_density)
    # The book is the last column's.
    assert whole.total_long == pytest.approx((whole.long.density[-1].astype(float)).sum(), rel=1e-6)


def test_what_cannot_be_is_refused():
    candles = candles_of([(100,) * 4])
    for columns in ([], [START + 2, START + 1], [START]):
        with pytest.raises(ValueError, match=r"columns must be|no candle ends"):
            coinglass_heatmap(candles, COINGLASS_3, np.array(columns, np.int64), 1.0)


@given(markets(), st.sampled_from([1.0, 3.0]), st.booleans())
def test_slow_loops_find_the_same(market, bin_steps, by_the_mix):
    candles, _ = market
    if not len(candles.open_time):
        return
    parameters = COINGLASS_3 if by_the_mix else TEN_TIMES
    bin_size = bin_steps * float(candles.close[0]) / 100
    columns = np.append(candles.end_time, candles.end_time[-1] + FIVE_MINUTES)
    heatmap = coinglass_heatmap(candles, parameters, columns, bin_size, usual_volume=1000.0)
    slow = _slow(candles, parameters, 1000.0)
    first = round(heatmap.prices[0] / bin_size)
    for name, side in (("long", LONG), ("short", SHORT)):
        found = getattr(heatmap, name)
        expected = np.zeros(found.density.shape)
        for row, levels in enumerate([*slow, slow[-1]]):
            for price, usdt in levels[side]:
                place = floor(price / bin_size + 1e-9) - first
                if 0 <= place < expected.shape[1]:
                    expected[row, place] += usdt
        largest = expected.max(initial=1e-9)
        np.testing.assert_allclose(found.density, expected, rtol=1e-6, atol=1e-9 * largest)
        total = [sum(usdt / price for price, usdt in levels[side]) for levels in slow]
        np.testing.assert_allclose(found.total[:-1], total, rtol=1e-9, atol=1e-12)
        standing = {LONG: heatmap.book.longs, SHORT: heatmap.book.shorts}[side]
        assert standing.total == pytest.approx(total[-1])


def _slow(
    candles: Candles, parameters: ModelParameters, usual: float
) -> list[dict[int, list[tuple[float, float]]]]:
    """After each candle, by side, the levels that stand: (price, USDT)."""
    levels: dict[int, list[tuple[float, float]]] = {LONG: [], SHORT: []}
    found = []
    lows, highs = candles.triggers()
    for i in range(len(candles.open_time)):
        low, high, close = candles.low[i], candles.high[i], candles.close[i]
        levels = {
            LONG: [one for one in levels[LONG] if one[0] < lows[i] * (1 - 1e-12)],
            SHORT: [one for one in levels[SHORT] if one[0] > highs[i] * (1 + 1e-12)],
        }
        middle, quote, volume = (high + low + close) / 3, candles.quote_volume[i], candles.volume[i]
        traded = quote if quote > 0 else volume * middle if volume > 0 else 0
        entries = [
            (0.8 * low + 0.2 * middle, 0.15),
            ((low + middle) / 2, 0.2),
            (middle, 0.3),
            ((high + middle) / 2, 0.2),
            (0.8 * high + 0.2 * middle, 0.15),
        ]
        for side in (LONG, SHORT):
            for price, share in entries:
                for leverage, weight in parameters.long_leverage_weights:
                    usdt = 0.002 * sqrt(traded * usual) * share * weight
                    if usdt > 0:
                        levels[side].append((price * (1 - side / leverage), usdt))
        found.append(levels)
    return found
