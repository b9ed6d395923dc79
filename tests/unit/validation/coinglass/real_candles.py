"""Binance's own candles of the days of the real pictures."""

from pathlib import Path

import pandas as pd

from validation.coinglass.zones import KnownCandles


def hourly(real_data: Path, coin: str = "BTC") -> KnownCandles:
    file = real_data / "development" / "binance_candles_1h_2025-09-20_2025-10-28.csv"
    rows = pd.read_csv(file, parse_dates=["timestamp"]).query("coin == @coin")
    opened = rows["timestamp"].dt.as_unit("ms").astype("int64").to_numpy()
    return KnownCandles(opened, rows["h"].to_numpy(), rows["l"].to_numpy(), 3_600_000)
