import numpy as np
import pytest

from heatmap.candles import NO_CANDLES, aggregate, at_columns, joined

MINUTE = 60_000


def candles(opens, prices, volumes):
    """Candles of one price each, unless a (open, high, low, close) tuple is given."""
    quads = np.array([p if isinstance(p, tuple) else (p,) * 4 for p in prices], dtype=float)
    volume = np.array(volumes, dtype=float)
    return {
        "open_time": np.array(opens, dtype=np.int64) * MINUTE,
        "open": quads[:, 0],
        "high": quads[:, 1],
        "low": quads[:, 2],
        "close": quads[:, 3],
        "volume": volume,
        "quote_volume": volume * quads[:, 3],
        "taker_buy_volume": volume / 2,
        "taker_buy_quote_volume": volume / 2 * quads[:, 3],
        "count": np.ones(len(opens), dtype=np.int64),
    }


def test_prices_are_first_extremes_and_last_and_the_rest_is_summed():
    minutes = candles([0, 1, 2, 3], [(5, 9, 4, 6), (6, 7, 2, 3), 8, 4], [1, 2, 3, 4])
    two = aggregate(minutes, 2 * MINUTE)
    assert two["open_time"].tolist() == [0, 2 * MINUTE]
    assert two["open"].tolist() == [5, 8] and two["close"].tolist() == [3, 4]
    assert two["high"].tolist() == [9, 8] and two["low"].tolist() == [2, 4]
    assert two["volume"].tolist() == [3, 7] and two["count"].tolist() == [2, 2]
    assert two["candles"].tolist() == [2, 2]


def test_a_gap_leaves_intervals_out_and_is_seen_in_the_number_of_candles():
    five = aggregate(candles([0, 1, 11, 12, 13, 14], range(1, 7), [1] * 6), 5 * MINUTE)
    assert five["open_time"].tolist() == [0, 10 * MINUTE]
    assert five["candles"].tolist() == [2, 4]


def test_a_candle_without_trades_gives_no_price_where_others_traded():
    five = aggregate(candles([0, 1, 2, 5, 6], [100, 7, 8, 50, 50], [0, 1, 1, 0, 0]), 5 * MINUTE)
    assert five["open"].tolist() == [7, 50]
    assert five["high"].tolist() == [8, 50]
    assert five["candles"].tolist() == [3, 2]


def test_an_unknown_part_makes_the_sum_unknown():
    minutes = candles([0, 1], [1, 1], [1, 1])
    minutes["quote_volume"][1] = np.nan
    assert np.isnan(aggregate(minutes, 2 * MINUTE)["quote_volume"][0])
    assert aggregate(minutes, 2 * MINUTE)["volume"][0] == 2


def test_nothing_gives_nothing():
    assert len(aggregate(NO_CANDLES, MINUTE)["open_time"]) == 0


def test_the_same_interval_changes_nothing():
    minutes = candles([3, 4, 9], [1, 2, 3], [1, 0, 1])
    same = aggregate(minutes, MINUTE)
    for name, values in minutes.items():
        assert same[name].tolist() == values.tolist()


def test_aggregating_in_two_steps_is_aggregating_in_one():
    random = np.random.default_rng(3)
    opens = np.flatnonzero(random.random(600) < 0.9)
    low, high = np.sort(random.uniform(1, 9, (2, len(opens))), axis=0)
    quads = list(zip(low, high, low, high, strict=True))
    minutes = candles(opens, quads, random.integers(0, 2, len(opens)))
    direct = aggregate(minutes, 60 * MINUTE)
    stepwise = aggregate(aggregate(minutes, 15 * MINUTE), 60 * MINUTE)
    for name in direct.keys() - {"candles"}:
        assert stepwise[name] == pytest.approx(direct[name]), name


def test_a_column_has_the_candle_that_ends_there():
    hours = candles([0, 60, 180], [1, 2, 4], [1, 1, 1])
    columns = np.array([0, 60, 120, 180, 240, 300]) * MINUTE
    close = at_columns(hours, columns, 60 * MINUTE)["close"]
    assert close == pytest.approx([np.nan, 1, 2, np.nan, 4, np.nan], nan_ok=True)
    assert np.isnan(at_columns(NO_CANDLES, columns, 60 * MINUTE)["open"]).all()


def test_parts_are_joined_in_order():
    whole = joined([candles([0], [1], [1]), candles([1, 2], [2, 3], [1, 1])])
    assert whole["close"].tolist() == [1, 2, 3]
