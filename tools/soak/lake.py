"""What the lake of a soak holds, read when the system has stopped."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ingestion.lake.connection import Lake, LakeConfig
from tools.soak.compare import Event, Span

CANDLE_COLUMNS = (
    "open, high, low, close, volume, quote_volume, count, taker_buy_volume, taker_buy_quote_volume"
)


@dataclass(frozen=True)
class Kept:
    """By symbol the figures of open interest and the candles, by their instants (ms); the
    liquidations, the spans in which they were heard, how many rows are there twice, and of which
    symbols and datasets verified files of the archive were loaded."""

    figures: dict[str, dict[int, float]]
    candles: dict[str, dict[int, tuple[float, ...]]]
    events: list[Event]
    heard: dict[str, list[Span]]
    doubled_rows: int
    archived: set[tuple[str, str]]


def read(folder: Path) -> Kept:
    """All that was collected into the lake below VAR_DIR `folder`."""
    config = LakeConfig(
        f"sqlite:///{folder}/lake/catalog.sqlite", folder / "lake/data", folder / "duckdb"
    )
    cursor = Lake(config, read_only=True).cursor()
    figures = cursor.execute(
        "SELECT symbol, epoch_ms(timestamp), open_interest_contracts "
        "FROM lake.open_interest_history"
    ).fetchall()
    candles = cursor.execute(
        f"SELECT symbol, epoch_ms(open_time), {CANDLE_COLUMNS} FROM lake.klines_1m_history"
    ).fetchall()
    events = cursor.execute(
        "SELECT symbol, epoch_ms(timestamp), side, price, average_price, quantity "
        "FROM lake.liquidation_events"
    ).fetchall()
    heard: dict[str, list[Span]] = defaultdict(list)
    for symbol, start, end in cursor.execute(
        "SELECT symbol, epoch_ms(timestamp), epoch_ms(until) FROM lake.liquidation_coverage"
    ).fetchall():
        heard[symbol].append((start, end))
    archived = cursor.execute(
        "SELECT symbol, dataset FROM lake.loaded_files WHERE sha256 <> '' AND verified"
    ).fetchall()
    return Kept(
        {symbol: {row[1]: row[2] for row in rows} for symbol, rows in _by_symbol(figures)},
        {symbol: {row[1]: tuple(row[2:]) for row in rows} for symbol, rows in _by_symbol(candles)},
        [Event(*row) for row in events],
        dict(heard),
        _doubled(figures) + _doubled(candles),
        set(archived),
    )


def _by_symbol(rows: Iterable[tuple]) -> Iterable[tuple[str, list[tuple]]]:
    found: dict[str, list[tuple]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(row)
    return found.items()


def _doubled(rows: Iterable[tuple]) -> int:
    return sum(count - 1 for count in Counter(row[:2] for row in rows).values())
