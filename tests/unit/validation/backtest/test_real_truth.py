"""Real liquidations of May 2025 against what our models sweep.

Open interest is Hyperliquid's, hourly and in USD: contracts are USD / price. Candles are Binance's.
"""

import csv
from datetime import datetime
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from heatmap.build import MODELS
from heatmap.engine import (
    COINGLASS_3,
    Candles,
    Heatmap,
    OpenInterest,
    coinglass_heatmap,
    compute_heatmap,
    default_bin_size,
)
from liqheat_project.kernel.instants import DAY_MS, HOUR_MS
from tests.unit.heatmap.engine.real_market import real_brackets
from validation.backtest.agreement import BySide, Intervals, agreement
from validation.backtest.events import read_events
from validation.backtest.intervals import intervals_of, recorded_in, sweeping_nulls, swept_by
from validation.backtest.sights import place

pytestmark = pytest.mark.real_data
SYMBOLS = ("BTCUSDT", "ETHUSDT")
DAYS = "2025-04-01_2025-06-05"


def columns(folder: Path, name: str, coin: str) -> dict[str, np.ndarray]:
    with (folder / "development" / f"{name}_{DAYS}.csv").open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row.pop("coin") == coin]
    times = [datetime.fromisoformat(row.pop("timestamp")).timestamp() * 1000 for row in rows]
    values = {key: np.array([float(row[key]) for row in rows]) for key in rows[0]}
    return {"time": np.array(times, dtype=np.int64), **values}


def market(folder: Path, symbol: str) -> tuple[Candles, OpenInterest]:
    hours = columns(folder, "binance_candles_1h", symbol[:3])
    usd = columns(folder, "hyperliquid_open_interest_1h", symbol[:3])
    assert (usd["time"] == hours["time"]).all()
    unknown = np.full(len(hours["time"]), np.nan)
    prices_and_volume = (hours[name] for name in "ohlcv")
    candles = Candles(hours["time"], *prices_and_volume, unknown, unknown, HOUR_MS)
    return candles, OpenInterest(usd["time"], usd["oi_usd"] / candles.open, HOUR_MS)


def hours_with_events(folder: Path, symbol: str, candles: Candles) -> Intervals:
    """The capture is a sample and does not say when it listened."""
    file = folder / "liquidations" / "hyperliquid_BTC_ETH_2025-05-25.csv"
    placed, outside, off_market = place(read_events(file.read_bytes(), symbol).events, [candles])
    assert (outside, off_market) == (0, 0)
    start = np.unique(placed.time // HOUR_MS) * HOUR_MS
    return intervals_of(start, HOUR_MS, recorded_in(placed, start, HOUR_MS), candles).known()


def swept(data: tuple[Candles, OpenInterest], symbol: str, hours: Intervals, model: str) -> Heatmap:
    ends = np.arange(hours.start[0], hours.start[-1] + HOUR_MS + 1, HOUR_MS)
    bin_size = default_bin_size(float(hours.price[0]), 0.1)
    if model == COINGLASS_3.name:
        first = int(np.searchsorted(data[0].open_time, hours.start[0] - 14 * DAY_MS))
        window = data[0].slice(first, len(data[0].open_time))
        return coinglass_heatmap(window, MODELS[model], ends, bin_size)
    return compute_heatmap(*data, real_brackets(symbol), MODELS[model], ends, bin_size)


@cache
def compared(folder: Path, symbol: str, first: str = "net-open-interest") -> dict[str, BySide]:
    data = market(folder, symbol)
    hours = hours_with_events(folder, symbol, data[0])
    maps = {model: swept(data, symbol, hours, model) for model in MODELS}
    old = swept_by(maps[first], hours)[None]
    return {
        model: agreement(
            hours,
            swept_by(heatmap, hours),
            sweeping_nulls(heatmap, hours) | {first: old},
            seed=1,
        )
        for model, heatmap in maps.items()
    }


def test_turnover_says_more_of_real_liquidations_than_the_net_change_of_open_interest(real_data):
    """The mean over both coins of the direct share of deviance, longs and shorts together."""
    direct = {
        model: np.mean(
            [compared(real_data, coin)[model]["both"]["direct"].value for coin in SYMBOLS]
        )
        for model in ("turnover", "net-open-interest")
    }
    assert direct["turnover"] - direct["net-open-interest"] >= 0.2
    assert direct["turnover"] >= 0.66
