"""Rows that collectors bring, beside those of the archive's files.

A few rows at a time: DuckLake keeps them in its catalogue until maintenance flushes them into
files. The lake knows no unique keys, so what is there already is left out, under the write lock.
The ledger has one line for each day of which rows were collected, without a sha256; the archive's
file of that day replaces the rows and the line.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter

import duckdb
import numpy as np

from ingestion.lake.connection import Lake, translated_errors, write_lock
from ingestion.lake.schema import CANDLES, LEDGER, OPEN_INTEREST, MarketTable
from ingestion.sources.rest import CANDLE_MS, Candle, OpenInterestFigure

Wanted = Callable[[], Collection[str]]
"""Asked under the lock: the symbols whose rows may still be written."""

DAY_MS = 86_400_000
ROWS_A_COMMIT = 20_000

_FRESH = "temp.collected_rows"


def add_open_interest(
    lake: Lake,
    figures: Sequence[OpenInterestFigure],
    values: Sequence[float | None],
    origin: str,
    wanted: Wanted,
    now: datetime,
) -> int:
    """Write figures with their values in USDT in one commit; the number of rows that were new.

    Raises LakeBusy, OutOfSpace or TemporaryError.
    """
    columns: dict[str, list] = {
        "symbol": [figure.symbol for figure in figures],
        "timestamp": [figure.time for figure in figures],
        "contracts": [figure.contracts for figure in figures],
        "value": list(values),
    }
    query = """
        SELECT symbol, make_timestamp_ms(timestamp) AS timestamp,
               contracts AS open_interest_contracts, value AS open_interest_value,
               'live' AS source
        FROM (SELECT unnest($symbol) AS symbol, unnest($timestamp) AS timestamp,
                     unnest($contracts) AS contracts, unnest($value::DOUBLE[]) AS value)
    """
    key = ("metrics", "")
    return _add(lake, OPEN_INTEREST, key, query, columns, origin, wanted, now)


def add_candles(
    lake: Lake, candles: Sequence[Candle], origin: str, wanted: Wanted, now: datetime
) -> int:
    """Write closed one-minute candles; the number of rows that were new.

    Many go in several commits, each of whole symbols as far as it can, so that neither memory nor
    the time under the lock grows with them. Raises LakeBusy, OutOfSpace or TemporaryError; the
    commits before stay.
    """
    ordered = sorted(candles, key=attrgetter("symbol", "open_time"))
    return sum(
        _add_candles(lake, ordered[start : start + ROWS_A_COMMIT], origin, wanted, now)
        for start in range(0, len(ordered), ROWS_A_COMMIT)
    )


def _add_candles(
    lake: Lake, candles: Sequence[Candle], origin: str, wanted: Wanted, now: datetime
) -> int:
    names = list(Candle.__dataclass_fields__)
    columns = {name: [getattr(candle, name) for candle in candles] for name in names}
    unnested = ", ".join(f"unnest(${name}) AS {name}" for name in names)
    query = f"""
        SELECT symbol, make_timestamp_ms(open_time) AS open_time, open, high, low, close, volume,
               make_timestamp_ms(open_time + {CANDLE_MS} - 1) AS close_time, quote_volume, count,
               taker_buy_volume, taker_buy_quote_volume
        FROM (SELECT {unnested})
    """
    return _add(lake, CANDLES["1m"], ("klines", "1m"), query, columns, origin, wanted, now)


def candles_held(
    cursor: duckdb.DuckDBPyConnection, symbols: Sequence[str], start_ms: int, now_ms: int
) -> dict[str, np.ndarray]:
    """By symbol, the opening times (int64 ms, ascending) from `start_ms` on of one-minute candles
    that a collector need not ask for: those that are there, and all of a day that is over and of
    which a file of the archive was loaded, which knows best what there was on it."""
    found = cursor.execute(
        f"""
        SELECT symbol, epoch_ms(open_time) AS minute FROM {CANDLES["1m"].name}
        WHERE symbol IN (SELECT unnest($symbols)) AND open_time >= make_timestamp_ms($start)
        UNION
        SELECT symbol, unnest(range(greatest(epoch_ms(range_start), $start),
                                    least(epoch_ms(range_end), $today), $minute))
        FROM {LEDGER}
        WHERE symbol IN (SELECT unnest($symbols)) AND dataset = 'klines' AND candle_interval = '1m'
          AND sha256 <> '' AND range_end > make_timestamp_ms($start)
        ORDER BY symbol, minute
        """,
        {
            "symbols": list(symbols),
            "start": start_ms,
            "today": now_ms // DAY_MS * DAY_MS,
            "minute": CANDLE_MS,
        },
    ).fetchnumpy()
    names, minutes = np.asarray(found["symbol"]), np.asarray(found["minute"])
    return {symbol: minutes[names == symbol] for symbol in symbols}


def _add(
    lake: Lake,
    table: MarketTable,
    key: tuple[str, str],
    query: str,
    columns: dict[str, list],
    origin: str,
    wanted: Wanted,
    now: datetime,
) -> int:
    """Insert what `query` makes of `columns` and is not in `table`, and count it in the ledger.

    `columns` has the times in milliseconds, by the name of the table's. `key` is the dataset and
    the candle interval by which the ledger knows the rows. What is there
    already is looked up in the transaction that writes, so that the fence covers it too.
    """
    with translated_errors(), write_lock(lake.config), lake.transaction() as cursor:
        # The bounds as parameters let DuckDB read those files alone that hold such times; as
        # subqueries they had it compare all rows with all rows.
        times = columns[table.time]
        cursor.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE collected_rows AS
            WITH rows AS ({query})
            SELECT * FROM rows
            WHERE symbol IN (SELECT unnest($wanted)) AND NOT EXISTS (
                SELECT 1 FROM {table.name} old
                WHERE old.symbol = rows.symbol AND old.{table.time} = rows.{table.time}
                  AND old.{table.time} BETWEEN make_timestamp_ms($first)
                      AND make_timestamp_ms($last))
            ORDER BY symbol, {table.time}
            """,
            columns | {"wanted": list(wanted()), "first": min(times), "last": max(times)},
        )
        rows = _write(cursor, table, key, origin, now)
        cursor.execute(f"DROP TABLE {_FRESH}")
    return rows


def _write(
    cursor: duckdb.DuckDBPyConnection,
    table: MarketTable,
    key: tuple[str, str],
    origin: str,
    now: datetime,
) -> int:
    # Open interest at midnight counts to the day that it closes, as in the archive's files.
    shift = " - INTERVAL 1 MICROSECOND" if table is OPEN_INTEREST else ""
    days = cursor.execute(
        f"SELECT symbol, date_trunc('day', {table.time}{shift})::TIMESTAMP AS day, count(*) "
        f"FROM {_FRESH} GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    if not days:
        return 0
    cursor.execute(f"INSERT INTO {table.name} FROM {_FRESH}")
    _count_in_ledger(cursor, key, days, origin, now)
    return sum(count for _, _, count in days)


def _count_in_ledger(
    cursor: duckdb.DuckDBPyConnection,
    key: tuple[str, str],
    days: list[tuple[str, datetime, int]],
    origin: str,
    now: datetime,
) -> None:
    """Raise the row counts of the days' lines, which are few: all in three statements."""
    symbols, starts = [day[0] for day in days], [day[1] for day in days]
    theirs = (
        f"FROM {LEDGER} WHERE dataset = ? AND candle_interval = ? AND sha256 = '' "
        "AND symbol IN (SELECT unnest(?)) AND range_start IN (SELECT unnest(?))"
    )
    known = cursor.execute(
        f"SELECT symbol, range_start, row_count {theirs}", [*key, symbols, starts]
    ).fetchall()
    cursor.execute(f"DELETE {theirs}", [*key, symbols, starts])
    rows = {(symbol, day): count for symbol, day, count in known}
    for symbol, day, count in days:
        rows[symbol, day] = rows.get((symbol, day), 0) + count
    at = now.astimezone(UTC).replace(tzinfo=None)
    lines = [
        [symbol, *key, day, day + timedelta(days=1), origin, "", False, count, 0, 0, 0, at]
        for (symbol, day), count in rows.items()
    ]
    marks = ", ".join(["(" + ", ".join("?" * len(lines[0])) + ")"] * len(lines))
    cursor.execute(
        f"INSERT INTO {LEDGER} VALUES {marks}", [cell for line in lines for cell in line]
    )
