"""A symbol's traded prices, summed by candle and step of price.

A busy day has millions of trades and some thousand sums: the sums of whole days are kept in files,
so that only the first answer reads the trades.
"""

from pathlib import Path

import duckdb
import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from heatmap.engine import Book, ModelParameters, TradedPrices
from heatmap.history import History, Stretch
from heatmap.kept_files import read_kept, write_kept
from ingestion.lake import read
from liqheat_project.kernel.instants import DAY_MS, instant_of

Sums = NDArray[np.float64]
"""[3, N]: time (start of the candle, ms), price (USDT), volume (contracts)."""


def load_trades(
    cursor: duckdb.DuckDBPyConnection,
    history: History,
    parameters: ModelParameters,
    book: Book,
    start: int,
    end: int,
) -> TradedPrices | None:
    """The traded prices in [start, end) (ms) by candle; None where `parameters` don't ask for them.

    From the book's last figure on where it is older: its next entries open at the prices since.
    """
    if not parameters.spread_entries or not history.traded:
        return None
    if np.isfinite(book.open_interest):
        start = min(start, book.pending_since)
    parts = [np.empty((3, 0))]
    for stretch in history.within(start, end):
        for day in range(stretch.start // DAY_MS * DAY_MS, stretch.end, DAY_MS):
            sums = _day(cursor, history, stretch, day)
            first, last = np.searchsorted(sums[0], (stretch.start, stretch.end))
            parts.append(sums[:, first:last])
    time, price, volume = np.concatenate(parts, axis=1)
    return TradedPrices(time.astype(np.int64), price, volume)


def _day(cursor: duckdb.DuckDBPyConnection, history: History, stretch: Stretch, day: int) -> Sums:
    version = history.trades_version(day)
    if version is None:
        return np.empty((3, 0))
    path = _path(history.symbol, stretch.interval, day, version)
    sums = read_kept(path, _load)
    if sums is None:
        traded = read.traded_prices(cursor, history.symbol, stretch.interval_ms, day, day + DAY_MS)
        sums = np.array([traded[name] for name in ("time", "price", "volume")], dtype=np.float64)
        write_kept(path, lambda file: np.save(file, sums))
    return sums


def _path(symbol: str, interval: str, day: int, version: str) -> Path:
    name = f"{instant_of(day):%Y-%m-%d}-{interval}-{version}.npy"
    return Path(settings.VAR_DIR / "traded-prices" / symbol / name)


def _load(path: Path) -> Sums:
    sums: Sums = np.load(path, allow_pickle=False)
    if sums.shape != (3, sums.size // 3) or sums.dtype != np.float64:
        raise ValueError("not the sums of a day's trades")
    return sums
