"""Taking a symbol, or some days of it, out of the lake."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import duckdb

from ingestion.lake.connection import Lake, write_lock
from ingestion.lake.read import version
from ingestion.lake.schema import (
    LEDGER,
    MARKET_TABLES,
    OPEN_INTEREST,
    QUARANTINE,
    MarketTable,
    table_of,
)

_TOUCHED_LINES = "symbol = $symbol AND range_start < $until AND range_end > $start"


@dataclass(frozen=True)
class Days:
    """UTC days from `first` to `last`, both included; None leaves that side open."""

    first: date | None = None
    last: date | None = None

    @property
    def start(self) -> datetime:
        """Midnight before the first day, naive UTC as the lake keeps instants."""
        return datetime.combine(self.first or date(1970, 1, 1), time())

    @property
    def until(self) -> datetime:
        """Midnight after the last day."""
        return datetime.combine(self.last or date(2999, 12, 31), time()) + timedelta(days=1)

    @property
    def parameters(self) -> dict[str, datetime]:
        return {"start": self.start, "until": self.until}


@dataclass(frozen=True)
class Removal:
    """What one removal took: rows by table, lines of the ledger and of the quarantine, and the
    lake's versions right before and after it."""

    rows: dict[str, int]
    files: int
    quarantined: int
    version_before: int
    version_after: int


ALL_DAYS = Days()


def within(table: MarketTable) -> str:
    """SQL: a row of $symbol lies in the days. Open interest at midnight is of the day it closes."""
    shift = " - INTERVAL 1 MICROSECOND" if table is OPEN_INTEREST else ""
    return f"symbol = $symbol AND {table.time}{shift} >= $start AND {table.time}{shift} < $until"


def rows_within(
    cursor: duckdb.DuckDBPyConnection, symbol: str, days: Days = ALL_DAYS
) -> dict[str, int]:
    """Rows of a symbol on these days by table name without the lake's; tables without are left
    out."""
    selects = " UNION ALL ".join(
        f"SELECT '{table.plain_name}', count(*) FROM {table.name} WHERE {within(table)}"
        for table in MARKET_TABLES
    )
    found = cursor.execute(selects, {"symbol": symbol, **days.parameters}).fetchall()
    return {name: count for name, count in found if count}


def remove_symbol(lake: Lake, symbol: str, days: Days = ALL_DAYS) -> Removal:
    """Delete a symbol's rows of these days from every table in one transaction.

    Readers see all of it or nothing of it; other symbols' files are not touched. A line of the
    ledger that reaches beyond the days, such as a month's, keeps the parts outside of them.
    """
    parameters = {"symbol": symbol, **days.parameters}
    with write_lock(lake.config):
        with lake.transaction() as cursor:
            before = version(cursor)
            rows = rows_within(cursor, symbol, days)
            for table in MARKET_TABLES:
                if table.plain_name in rows:
                    cursor.execute(f"DELETE FROM {table.name} WHERE {within(table)}", parameters)
            files = _cut_ledger(cursor, symbol, days)
            quarantined = _clear_quarantine(cursor, parameters, before)
        return Removal(rows, files, quarantined, before, version(cursor))


def _cut_ledger(cursor: duckdb.DuckDBPyConnection, symbol: str, days: Days) -> int:
    """Take these days out of the ledger; the number of lines that they had a part of."""
    parameters = {"symbol": symbol, **days.parameters}
    lines = cursor.execute(f"FROM {LEDGER} WHERE {_TOUCHED_LINES}", parameters).fetchall()
    cursor.execute(f"DELETE FROM {LEDGER} WHERE {_TOUCHED_LINES}", parameters)
    for line in lines:
        pieces = [(line[3], min(line[4], days.start)), (max(line[3], days.until), line[4])]
        _insert_pieces(cursor, line, [piece for piece in pieces if piece[0] < piece[1]])
    return len(lines)


def _insert_pieces(
    cursor: duckdb.DuckDBPyConnection,
    line: tuple,
    pieces: list[tuple[datetime, datetime]],
) -> None:
    """A line's parts as lines of their own with their rows counted. What was set aside stays with
    the first of them: the lines of the quarantine do not know their instants."""
    for number, (start, until) in enumerate(pieces):
        table = table_of(line[1], line[2])
        counted = cursor.execute(
            f"SELECT count(*) FROM {table.name} WHERE {within(table)}",
            {"symbol": line[0], "start": start, "until": until},
        ).fetchone()
        assert counted is not None
        aside = line[9:11] if number == 0 else (0, 0)
        values = [*line[:3], start, until, *line[5:8], counted[0], *aside, *line[11:]]
        cursor.execute(f"INSERT INTO {LEDGER} VALUES ({', '.join('?' * len(values))})", values)


def _clear_quarantine(
    cursor: duckdb.DuckDBPyConnection, parameters: dict[str, object], before: int
) -> int:
    """Forget what was set aside of the days, but not of files that keep a part in the lake."""
    count = cursor.execute(
        f"""
        DELETE FROM {QUARANTINE} WHERE symbol = $symbol
        AND (dataset, candle_interval, origin) NOT IN (
            SELECT (dataset, candle_interval, origin) FROM {LEDGER} WHERE symbol = $symbol)
        AND (range_start >= $start AND range_start < $until
            OR (dataset, candle_interval, origin) IN (
                SELECT (dataset, candle_interval, origin)
                FROM {LEDGER} AT (VERSION => {before}) WHERE {_TOUCHED_LINES}))
        """,
        parameters,
    ).fetchone()
    assert count is not None
    return int(count[0])
