"""Rows that collectors bring, beside those of the archive's files.

A few rows at a time: DuckLake keeps them in its catalogue until maintenance flushes them into
files. The lake knows no unique keys, so what is there already is left out, under the write lock.
The ledger has one line for each day of which rows were collected, without a sha256; the archive's
file of that day replaces the rows and the line. What can't be true is set aside under the same
line, once, however often the exchange sends it.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter

import duckdb
import numpy as np

from ingestion.lake import open_interest
from ingestion.lake.connection import Lake, translated_errors, write_lock
from ingestion.lake.ledger import LedgerLine, add_lines
from ingestion.lake.open_interest import Corrections, Figure
from ingestion.lake.schema import CANDLES, LEDGER, OPEN_INTEREST, QUARANTINE, MarketTable
from ingestion.market.plausibility import WAITS, candle_fault, instant_fault, quantity_fault
from ingestion.market.records import Candle, OpenInterestFigure, UnreadableCandle
from liqheat_project.kernel.instants import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    instant_of,
    milliseconds_of,
    naive,
)

Wanted = Callable[[], Collection[str]]
"""Asked under the lock: the symbols whose rows may still be written."""

LOOK_BACK_MS = 6 * HOUR_MS
"""So far back a collector's figures are judged by those before them. The archive's file of the day
judges them again, by the days around it."""

MEDIAN_MINUTES = 60
ROWS_A_COMMIT = 20_000

_FRESH = "temp.collected_rows"


@dataclass(frozen=True)
class Fault:
    """A collected row that can't be true: when, why, and its text."""

    symbol: str
    time: datetime
    reason: str
    raw: str


@dataclass(frozen=True)
class Verdict:
    """What is wrong with collected rows, and what they say of older ones."""

    faults: list[Fault] = field(default_factory=list)
    corrections: list[Corrections] = field(default_factory=list)


Judge = Callable[[duckdb.DuckDBPyConnection, datetime], Verdict]
"""Asked under the lock, of the rows in _FRESH, with the present instant."""


def add_open_interest(
    lake: Lake,
    figures: Sequence[OpenInterestFigure],
    values: Sequence[float | None],
    origin: str,
    wanted: Wanted,
    now: datetime,
) -> int:
    """Write figures with their values in USDT in one commit; the number of rows that were new.

    A figure that can't be true goes to the quarantine; one that only the next ones can judge waits
    there, and is written with them. Raises LakeBusy, OutOfSpace or TemporaryError.
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
    return _add(lake, OPEN_INTEREST, key, query, columns, origin, wanted, now, _judge_figures)


def add_candles(
    lake: Lake, candles: Sequence[Candle], origin: str, wanted: Wanted, now: datetime
) -> int:
    """Write closed one-minute candles; the number of rows that were new.

    Those that can't be true go to the quarantine. Many go in several commits, each of whole symbols
    as far as it can, so that neither memory nor the time under the lock grows with them. Raises
    LakeBusy, OutOfSpace or TemporaryError; the commits before stay.
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
               make_timestamp_ms(open_time + {MINUTE_MS} - 1) AS close_time, quote_volume, count,
               taker_buy_volume, taker_buy_quote_volume
        FROM (SELECT {unnested})
    """
    key = ("klines", "1m")
    return _add(lake, CANDLES["1m"], key, query, columns, origin, wanted, now, _judge_candles)


def set_aside_unreadable(
    lake: Lake, rows: Sequence[UnreadableCandle], origin: str, wanted: Wanted, now: datetime
) -> int:
    """Put rows of an answer that are no candles into the quarantine, each once; the number of those
    that were new. Raises LakeBusy, OutOfSpace or TemporaryError."""
    key, table = ("klines", "1m"), CANDLES["1m"]
    with translated_errors(), write_lock(lake.config), lake.transaction() as cursor:
        symbols = set(wanted())
        faults = [
            Fault(
                row.symbol, naive(instant_of(row.near)), f"it can't be read: {row.reason}", row.raw
            )
            for row in dict.fromkeys(rows)
            if row.symbol in symbols
        ]
        new = _unknown_faults(cursor, key, faults, table)
        if new:
            _count_in_ledger(cursor, key, _counted(new), origin, now)
            _set_aside(cursor, key, new, origin)
    return len(new)


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
            "minute": MINUTE_MS,
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
    judge: Judge,
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
        rows = _write(cursor, table, key, origin, now, judge(cursor, now))
        cursor.execute(f"DROP TABLE {_FRESH}")
    return rows


def _judge_figures(cursor: duckdb.DuckDBPyConnection, now: datetime) -> Verdict:
    rows = cursor.execute(
        f"SELECT symbol, timestamp, open_interest_contracts, open_interest_value, source "
        f"FROM {_FRESH}"
    ).fetchall()
    by_symbol: dict[str, list[Figure]] = defaultdict(list)
    verdict = Verdict()
    for symbol, *cells in rows:
        figure = Figure(*cells)
        text = open_interest.text_of(symbol, figure)
        fault = quantity_fault(figure.contracts, figure.value or 0.0)
        fault = fault or instant_fault(milliseconds_of(figure.time), milliseconds_of(now))
        if fault:
            verdict.faults.append(Fault(symbol, figure.time, fault, text))
        else:
            by_symbol[symbol].append(figure)
    for symbol, figures in by_symbol.items():
        known = _texts_set_aside(cursor, symbol)
        fresh = [one for one in figures if open_interest.text_of(symbol, one) not in known]
        reasons, corrections = open_interest.judge(cursor, symbol, fresh, look_back_ms=LOOK_BACK_MS)
        reason_of = dict(zip(map(id, fresh), reasons, strict=True))
        verdict.faults.extend(
            Fault(symbol, one.time, reason, open_interest.text_of(symbol, one))
            for one in figures
            if (reason := reason_of.get(id(one), WAITS))
        )
        verdict.corrections.append(corrections)
    return verdict


def _texts_set_aside(cursor: duckdb.DuckDBPyConnection, symbol: str) -> set[str]:
    rows = cursor.execute(
        f"SELECT raw FROM {QUARANTINE} WHERE symbol = ? AND dataset = 'metrics'", [symbol]
    ).fetchall()
    return {raw for (raw,) in rows}


def _judge_candles(cursor: duckdb.DuckDBPyConnection, now: datetime) -> Verdict:
    medians = dict(
        cursor.execute(
            f"""
            WITH known AS (
                SELECT symbol, open_time, close FROM {CANDLES["1m"].name}
                WHERE symbol IN (SELECT symbol FROM {_FRESH})
                  AND open_time >= (SELECT min(open_time) FROM {_FRESH}) - to_minutes($minutes)
                  AND open_time <= (SELECT max(open_time) FROM {_FRESH}) + to_minutes($minutes)
                UNION ALL SELECT symbol, open_time, close FROM {_FRESH})
            SELECT symbol, median(close) FROM known GROUP BY symbol
            """,
            {"minutes": MEDIAN_MINUTES},
        ).fetchall()
    )
    rows = cursor.execute(
        f"SELECT symbol, open_time, open, high, low, close, volume, quote_volume, "
        f"taker_buy_volume, taker_buy_quote_volume FROM {_FRESH}"
    ).fetchall()
    faults = []
    for symbol, opened, *prices_and_volumes in rows:
        prices, volumes = prices_and_volumes[:4], prices_and_volumes[4:]
        fault = (
            candle_fault(prices, volumes[0], volumes[1], medians[symbol])
            or quantity_fault(*volumes)
            or instant_fault(milliseconds_of(opened), milliseconds_of(now))
        )
        if fault:
            raw = ",".join(map(str, [symbol, opened, *prices_and_volumes]))
            faults.append(Fault(symbol, opened, fault, raw))
    return Verdict(faults)


def _write(
    cursor: duckdb.DuckDBPyConnection,
    table: MarketTable,
    key: tuple[str, str],
    origin: str,
    now: datetime,
    verdict: Verdict,
) -> int:
    if verdict.faults:
        cursor.execute(
            f"DELETE FROM {_FRESH} WHERE (symbol, {table.time}) IN "
            "(SELECT (unnest($symbols), unnest($times)))",
            {
                "symbols": [fault.symbol for fault in verdict.faults],
                "times": [fault.time for fault in verdict.faults],
            },
        )
    # Open interest at midnight counts to the day that it closes, as in the archive's files.
    shift = " - INTERVAL 1 MICROSECOND" if table is OPEN_INTEREST else ""
    days = cursor.execute(
        f"SELECT symbol, date_trunc('day', {table.time}{shift})::TIMESTAMP AS day, count(*) "
        f"FROM {_FRESH} GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    faults = _unknown_faults(cursor, key, verdict.faults, table)
    counts = _counted(faults)
    for symbol, day, count in days:
        counts.setdefault((symbol, day), [0, 0])[0] = count
    if not counts and not any(one.true or one.false for one in verdict.corrections):
        return 0
    cursor.execute(f"INSERT INTO {table.name} FROM {_FRESH}")
    if counts:
        _count_in_ledger(cursor, key, counts, origin, now)
    _set_aside(cursor, key, faults, origin)
    for corrections in verdict.corrections:
        open_interest.correct(cursor, corrections)
    released = sum(one.new_rows for one in verdict.corrections)
    return released + sum(count for _, _, count in days)


def _counted(faults: Sequence[tuple[Fault, datetime]]) -> dict[tuple[str, datetime], list[int]]:
    """By symbol and day, no row and the rows set aside."""
    counts: dict[tuple[str, datetime], list[int]] = {}
    for fault, day in faults:
        counts.setdefault((fault.symbol, day), [0, 0])[1] += 1
    return counts


def _set_aside(
    cursor: duckdb.DuckDBPyConnection,
    key: tuple[str, str],
    faults: Sequence[tuple[Fault, datetime]],
    origin: str,
) -> None:
    for fault, day in faults:
        cursor.execute(
            f"INSERT INTO {QUARANTINE} VALUES (?, ?, ?, ?, ?, NULL, ?, ?)",
            [fault.symbol, *key, day, origin, fault.reason, fault.raw],
        )


def _unknown_faults(
    cursor: duckdb.DuckDBPyConnection,
    key: tuple[str, str],
    faults: Sequence[Fault],
    table: MarketTable,
) -> list[tuple[Fault, datetime]]:
    """Those that are not in the quarantine yet, with their days."""
    if not faults:
        return []
    known = set(
        cursor.execute(
            f"SELECT symbol, raw FROM {QUARANTINE} WHERE dataset = ? AND candle_interval = ? "
            "AND list_contains(?, symbol)",
            [*key, sorted({fault.symbol for fault in faults})],
        ).fetchall()
    )
    day_of = open_interest.day_of if table is OPEN_INTEREST else _day_of
    return [
        (fault, day_of(fault.time)) for fault in faults if (fault.symbol, fault.raw) not in known
    ]


def _day_of(time: datetime) -> datetime:
    return datetime.combine(time.date(), datetime.min.time())


def _count_in_ledger(
    cursor: duckdb.DuckDBPyConnection,
    key: tuple[str, str],
    counts: dict[tuple[str, datetime], list[int]],
    origin: str,
    now: datetime,
) -> None:
    """Raise the counts of the days' lines, which are few, by rows and rows set aside: all in three
    statements."""
    symbols, starts = [symbol for symbol, _ in counts], [day for _, day in counts]
    theirs = (
        f"FROM {LEDGER} WHERE dataset = ? AND candle_interval = ? AND sha256 = '' "
        "AND symbol IN (SELECT unnest(?)) AND range_start IN (SELECT unnest(?))"
    )
    known = cursor.execute(
        f"SELECT symbol, range_start, row_count, quarantined {theirs}", [*key, symbols, starts]
    ).fetchall()
    cursor.execute(f"DELETE {theirs}", [*key, symbols, starts])
    sums = {(symbol, day): (rows, aside) for symbol, day, rows, aside in known}
    for one, (rows, aside) in counts.items():
        before = sums.get(one, (0, 0))
        sums[one] = (before[0] + rows, before[1] + aside)
    at = naive(now)
    lines = [
        LedgerLine(
            symbol, *key, day, day + timedelta(days=1), origin, "", False, rows, aside, 0, 0, at
        )
        for (symbol, day), (rows, aside) in sums.items()
    ]
    add_lines(cursor, lines)
