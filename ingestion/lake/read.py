"""What the rest of the project reads from the lake: NumPy arrays and small summaries.

Instants go in and come out as int64 milliseconds since the epoch, UTC; ranges are half-open.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import duckdb
import numpy as np

from ingestion.lake.connection import reader, translated_errors
from ingestion.lake.schema import (
    CANDLES,
    LEDGER,
    LIQUIDATIONS,
    MARK_PRICE_CANDLES,
    MARKET_TABLES,
    OPEN_INTEREST,
    QUARANTINE,
    TRADES,
    table_of,
)
from ingestion.market.datasets import INTERVALS, LOADED_INTERVALS

Arrays = dict[str, np.ndarray]

PRICE_STEP = 0.0005
"""Traded prices less than this share apart are summed into one."""


@dataclass(frozen=True)
class LoadedSeries:
    """What the ledger says of one series of a symbol: its files, and the range they span."""

    symbol: str
    dataset: str
    interval: str
    files: int
    rows: int
    quarantined: int
    range_start: datetime
    range_end: datetime

    @property
    def last_day(self) -> date:
        """The last day that any of the files covers."""
        return (self.range_end - timedelta(days=1)).date()


@dataclass(frozen=True)
class Coverage:
    """First and last instant of a symbol's rows in one table (ms), and how many there are."""

    table: str
    rows: int
    first_ms: int
    last_ms: int


@dataclass(frozen=True)
class CandleDay:
    """The candles of one interval on one UTC day (ms of its midnight): count, first and last."""

    interval: str
    day_ms: int
    rows: int
    first_ms: int
    last_ms: int


@contextmanager
def snapshot() -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor for which the lake stands still: all reads inside see the same state.

    What DuckDB, the catalogue or the disk refuse is raised as CatalogueDamaged, OutOfSpace,
    LakeBusy or TemporaryError.
    """
    with translated_errors(), reader().transaction() as cursor:
        yield cursor


def candles(
    cursor: duckdb.DuckDBPyConnection,
    symbol: str,
    interval: str,
    start_ms: int,
    end_ms: int,
    mark_price: bool = False,
) -> Arrays:
    """Candles that open in [start, end), in order of time.

    Arrays of equal length: open_time (int64 ms), open, high, low, close, volume (contracts),
    quote_volume (USDT), taker_buy_volume, taker_buy_quote_volume (float64), count (int64).
    What the archive does not know is NaN. `mark_price` gives the mark price's own candles.
    """
    table = (MARK_PRICE_CANDLES if mark_price else CANDLES)[interval]
    return _in_order(
        cursor.execute(
            f"""
            SELECT epoch_ms(open_time) AS open_time, open, high, low, close, volume,
                   coalesce(quote_volume, 'nan') AS quote_volume,
                   coalesce(taker_buy_volume, 'nan') AS taker_buy_volume,
                   coalesce(taker_buy_quote_volume, 'nan') AS taker_buy_quote_volume,
                   coalesce(count, 0) AS count
            FROM {table.name}
            WHERE symbol = ? AND open_time >= make_timestamp_ms(?)
              AND open_time < make_timestamp_ms(?)
            """,
            [symbol, start_ms, end_ms],
        )
    )


def open_interest(
    cursor: duckdb.DuckDBPyConnection, symbol: str, start_ms: int, end_ms: int
) -> Arrays:
    """Open interest valid in [start, end): time (int64 ms), contracts, value (USDT; float64)."""
    return _in_order(
        cursor.execute(
            f"""
            SELECT epoch_ms(timestamp) AS time, open_interest_contracts AS contracts,
                   coalesce(open_interest_value, 'nan') AS value
            FROM {OPEN_INTEREST.name}
            WHERE symbol = ? AND timestamp >= make_timestamp_ms(?)
              AND timestamp < make_timestamp_ms(?)
            """,
            [symbol, start_ms, end_ms],
        )
    )


def liquidations(cursor: duckdb.DuckDBPyConnection, symbol: str) -> Arrays:
    """Recorded liquidation orders in order of time: time (int64 ms), side ("long" or "short",
    what was liquidated), price, average_price (USDT, NaN where unknown), quantity."""
    return _arrays(
        cursor.execute(
            f"""
            SELECT epoch_ms(timestamp) AS time, side, price,
                   coalesce(average_price, 'nan') AS average_price, quantity
            FROM {LIQUIDATIONS.name} WHERE symbol = ? ORDER BY timestamp, side, price, quantity
            """,
            [symbol],
        )
    )


def traded_prices(
    cursor: duckdb.DuckDBPyConnection, symbol: str, period_ms: int, start_ms: int, end_ms: int
) -> Arrays:
    """Volume by traded price in [start, end), summed by period and step of PRICE_STEP.

    Arrays of equal length, in order of time and price: time (start of the period, int64 ms),
    price (volume-weighted within the step, USDT), volume (contracts; float64). The steps are the
    same at any price, window and bin size. DuckDB sums the trades as it reads them: what is in
    memory are the sums.
    """
    return _arrays(
        cursor.execute(
            f"""
            SELECT epoch_ms(timestamp) // $period * $period AS time,
                   sum(price * quantity) / sum(quantity) AS price, sum(quantity) AS volume
            FROM {TRADES.name}
            WHERE symbol = $symbol AND timestamp >= make_timestamp_ms($start)
              AND timestamp < make_timestamp_ms($end) AND price > 0 AND quantity > 0
            GROUP BY time, floor(ln(aggtrades_history.price) / ln(1 + $step))
            ORDER BY time, price
            """,
            {
                "symbol": symbol,
                "period": period_ms,
                "start": start_ms,
                "end": end_ms,
                "step": PRICE_STEP,
            },
        )
    )


def coverage(
    cursor: duckdb.DuckDBPyConnection, symbol: str, without: Collection[str] = ()
) -> dict[str, Coverage]:
    """The data loaded for a symbol, by plain table name; empty tables are left out, and so are
    those `without` which it must do, because they cannot be read."""
    selects = " UNION ALL ".join(
        f"SELECT '{table.plain_name}' AS name, count(*), epoch_ms(min({table.time})), "
        f"epoch_ms(max({table.time})) FROM {table.name} WHERE symbol = $symbol"
        for table in MARKET_TABLES
        if table.plain_name not in without
    )
    rows = cursor.execute(selects, {"symbol": symbol}).fetchall() if selects else []
    return {row[0]: Coverage(*row) for row in rows if row[1]}


def candle_days(cursor: duckdb.DuckDBPyConnection, symbol: str) -> list[CandleDay]:
    """How many candles of which interval the lake holds for each UTC day, in order of time."""
    selects = " UNION ALL ".join(
        f"SELECT '{interval}' AS candle_interval, epoch_ms(date_trunc('day', open_time)) AS day, "
        f"count(*), epoch_ms(min(open_time)), epoch_ms(max(open_time)) "
        f"FROM {table.name} WHERE symbol = $symbol GROUP BY day"
        for interval, table in CANDLES.items()
    )
    rows = cursor.execute(f"{selects} ORDER BY day, candle_interval", {"symbol": symbol}).fetchall()
    return [CandleDay(*row) for row in rows]


def candle_ranges(
    cursor: duckdb.DuckDBPyConnection, symbols: Sequence[str] = ()
) -> dict[str, tuple[int, int]]:
    """By symbol, the open of the first and the end of the newest candle of any interval (ms): of
    all, or of these, without opening a file of another."""
    # As single parameters the names choose the files; as a list they would filter rows.
    names = ", ".join(f"${number}" for number in range(1, len(symbols) + 1))
    where = f"WHERE symbol IN ({names})" if symbols else ""
    selects = " UNION ALL ".join(
        f"SELECT symbol, epoch_ms(min(open_time)) AS first, "
        f"epoch_ms(max(open_time)) + {INTERVALS[interval]} AS last "
        f"FROM {table.name} {where} GROUP BY symbol"
        for interval, table in CANDLES.items()
    )
    rows = cursor.execute(
        f"SELECT symbol, min(first), max(last) FROM ({selects}) GROUP BY symbol", list(symbols)
    ).fetchall()
    return {symbol: (first, last) for symbol, first, last in rows}


def open_interest_days(cursor: duckdb.DuckDBPyConnection, symbol: str) -> list[tuple[int, int]]:
    """How many figures the lake holds for each UTC day (ms of its midnight), in order of time."""
    return cursor.execute(
        "SELECT epoch_ms(date_trunc('day', timestamp)) AS day, count(*) "
        f"FROM {OPEN_INTEREST.name} WHERE symbol = ? GROUP BY day ORDER BY day",
        [symbol],
    ).fetchall()


def open_interest_of_zero(cursor: duckdb.DuckDBPyConnection, symbol: str) -> Coverage | None:
    """The symbol's rows of open interest of 0, which are false; older versions let them in."""
    row = cursor.execute(
        f"SELECT '{OPEN_INTEREST.plain_name}', count(*), epoch_ms(min(timestamp)), "
        f"epoch_ms(max(timestamp)) FROM {OPEN_INTEREST.name} "
        "WHERE symbol = ? AND NOT open_interest_contracts > 0",
        [symbol],
    ).fetchone()
    return Coverage(*row) if row and row[1] else None


def finest_interval(cursor: duckdb.DuckDBPyConnection, symbol: str) -> str | None:
    """The finest candle interval of which the lake holds anything for the symbol."""
    for interval in LOADED_INTERVALS:
        table = CANDLES[interval]
        found = cursor.execute(
            f"SELECT 1 FROM {table.name} WHERE symbol = ? LIMIT 1", [symbol]
        ).fetchone()
        if found:
            return interval
    return None


def loaded_series(
    cursor: duckdb.DuckDBPyConnection, symbol: str | None = None
) -> dict[str, list[LoadedSeries]]:
    """The ledger's files in short, by symbol: of one symbol or of all in a single look. What was
    collected live is in no file and left out."""
    rows = cursor.execute(
        "SELECT symbol, dataset, candle_interval, count(*), sum(row_count)::BIGINT, "
        "sum(quarantined)::BIGINT, min(range_start), max(range_end) "
        f"FROM {LEDGER} WHERE sha256 <> '' AND ($symbol IS NULL OR symbol = $symbol) "
        "GROUP BY ALL ORDER BY symbol, dataset, candle_interval",
        {"symbol": symbol},
    ).fetchall()
    series: dict[str, list[LoadedSeries]] = {}
    for row in rows:
        series.setdefault(row[0], []).append(LoadedSeries(*row))
    return series


def quarantined_rows(
    cursor: duckdb.DuckDBPyConnection, symbol: str, limit: int = 100
) -> list[dict[str, object]]:
    """Rows set aside while loading a symbol: where they stood, why, and their text."""
    return (
        cursor.execute(
            f"SELECT * FROM {QUARANTINE} WHERE symbol = ? ORDER BY range_start, line LIMIT ?",
            [symbol, limit],
        )
        .df()
        .to_dict("records")
    )


def filled_slots(
    cursor: duckdb.DuckDBPyConnection,
    symbol: str,
    dataset: str,
    interval: str,
    slot_ms: int,
    start_ms: int,
    end_ms: int,
) -> Arrays:
    """Slots of `slot_ms` in [start, end) that hold rows of a dataset of the archive, in order.

    Arrays of equal length: time, where the slot begins (int64 ms), and rows. Open interest belongs
    to the slot that it closes, as in the archive's files.
    """
    table = table_of(dataset, interval)
    return _arrays(
        cursor.execute(
            f"""
            SELECT epoch_us({table.time} - to_microseconds($shift)) // 1000 // $slot * $slot
                   AS time, count(*) AS rows
            FROM {table.name}
            WHERE symbol = $symbol
              AND {table.time} >= make_timestamp_ms($start) + to_microseconds($shift)
              AND {table.time} < make_timestamp_ms($end) + to_microseconds($shift)
            GROUP BY 1 ORDER BY 1
            """,
            {
                "symbol": symbol,
                "shift": 1 if table is OPEN_INTEREST else 0,
                "slot": slot_ms,
                "start": start_ms,
                "end": end_ms,
            },
        )
    )


def version(cursor: duckdb.DuckDBPyConnection) -> int:
    """Number of the lake's newest state; any commit raises it."""
    row = cursor.execute("FROM ducklake_current_snapshot('lake')").fetchone()
    assert row is not None
    return int(row[0])


def _arrays(result: duckdb.DuckDBPyConnection) -> Arrays:
    return {name: np.asarray(values) for name, values in result.fetchnumpy().items()}


def _in_order(result: duckdb.DuckDBPyConnection) -> Arrays:
    """The rows in the order of the first column, which files have already: DuckDB would sort them
    in about the time it takes to read them."""
    arrays = _arrays(result)
    first = next(iter(arrays.values()))
    if np.all(first[1:] > first[:-1]):
        return arrays
    order = np.argsort(first)
    return {name: values[order] for name, values in arrays.items()}
