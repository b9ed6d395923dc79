"""What the archive holds of a symbol, and the lengths of candles."""

from typing import Literal, cast, get_args

from liqheat_project.kernel.instants import DAY_MS, HOUR_MS, MINUTE_MS

Dataset = Literal["aggTrades", "klines", "markPriceKlines", "metrics"]

DATASETS: tuple[str, ...] = get_args(Dataset)
CANDLE_DATASETS = ("klines", "markPriceKlines")

INTERVALS = {
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS,
    "6h": 6 * HOUR_MS,
    "8h": 8 * HOUR_MS,
    "12h": 12 * HOUR_MS,
    "1d": DAY_MS,
}
"""Names and lengths (ms) of the candles that can be asked for; all divide a UTC day."""

LOADED_INTERVALS = ("1m", "5m", "15m", "1h")
"""The candles that are loaded, finest first; the others are made of these."""

OPEN_INTEREST_MS = 5 * MINUTE_MS
"""The archive has a figure of open interest so often."""

SERIES = tuple(
    name
    for dataset in DATASETS
    for name in (
        [f"{dataset} {interval}" for interval in LOADED_INTERVALS]
        if dataset in CANDLE_DATASETS
        else [dataset]
    )
)
"""What a job can load: `aggTrades`, `klines 1m`, …, `metrics` (open interest)."""


def parts_of(series: str) -> tuple[Dataset, str | None]:
    """Dataset and candle interval of one of SERIES: `klines 5m` is ("klines", "5m")."""
    dataset, _, interval = series.partition(" ")
    return cast(Dataset, dataset), interval or None
