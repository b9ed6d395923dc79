"""What the lake holds of a file's days, beside what the file brings of them.

The archive publishes files again, some with fewer rows, and months that lack days. What is loaded
is never removed for that without a person's word.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from ingestion.lake.parse import ParsedFile
from ingestion.lake.schema import LEDGER, OPEN_INTEREST, MarketTable
from ingestion.market.files import ArchiveFile
from ingestion.market.formats import row_range
from liqheat_project.kernel.instants import naive

RowsByDay = Mapping[date, int]


@dataclass(frozen=True)
class Compared:
    """What a file lacks: `kept_days` of a month of which it has no row, and `fewer`, the reason why
    it must not replace what is there, or nothing."""

    kept_days: tuple[date, ...] = ()
    fewer: str = ""


def rows_by_day(cursor: duckdb.DuckDBPyConnection, files: Sequence[ParsedFile]) -> list[RowsByDay]:
    """How much each of the files, all of one table, holds of each day, as `compare` counts it."""
    table = files[0].table
    if table is not OPEN_INTEREST and all(one.file.period == "daily" for one in files):
        return [{one.file.start: one.rows} if one.rows else {} for one in files]
    paths = [str(one.rows_path) for one in files]
    found = cursor.execute(
        f"SELECT filename, {_day(table)} AS day, {_amount(table)} "
        "FROM read_parquet($paths, filename = true) GROUP BY filename, day",
        {"paths": paths},
    ).fetchall()
    by_path: dict[str, dict[date, int]] = {path: {} for path in paths}
    for path, day, amount in found:
        by_path[path][day] = amount
    return [by_path[path] for path in paths]


def held_by_day(
    cursor: duckdb.DuckDBPyConnection, table: MarketTable, files: Sequence[ArchiveFile]
) -> RowsByDay:
    """How much the lake holds of each day from the first of the files' to the last."""
    starts, ends = zip(*map(row_range, files), strict=True)
    found = cursor.execute(
        f"SELECT {_day(table)} AS day, {_amount(table)} FROM {table.name} "
        f"WHERE symbol = ? AND {table.time} >= ? AND {table.time} < ? GROUP BY day",
        [files[0].symbol, naive(min(starts)), naive(max(ends))],
    ).fetchall()
    return dict(found)


def compare(
    cursor: duckdb.DuckDBPyConnection,
    file: ArchiveFile,
    held_days: RowsByDay,
    fresh: RowsByDay,
    sha256: str,
) -> Compared:
    """Hold what a file brings against what the lake holds of its range.

    Days that came from this very file are compared with nothing, and neither are those that were
    collected live only: the archive knows best what there was on them.
    """
    first, until = file.start_instant.date(), file.end_instant.date()
    held = {day: rows for day, rows in held_days.items() if first <= day < until}
    if not held:
        return Compared()
    lines = _lines(cursor, file)
    kept: list[date] = []
    lacking: list[date] = []
    for day, rows in sorted(held.items()):
        brought = fresh.get(day, 0)
        if not brought and file.period == "monthly":
            kept.append(day)
        elif brought < rows and _origin(day, lines) not in ("", sha256):
            lacking.append(day)
    if not lacking:
        return Compared(tuple(kept))
    there = sum(held[day] for day in lacking)
    brought = sum(fresh.get(day, 0) for day in lacking)
    days = f"on {lacking[0]}" if len(lacking) == 1 else f"on {len(lacking)} days from {lacking[0]}"
    return Compared(
        tuple(kept),
        f"{file.name} has {brought:,} rows {days}, and the lake holds {there:,}: nothing was "
        "replaced. Accept it in the job's page, or load it with --accept-fewer",
    )


def _lines(
    cursor: duckdb.DuckDBPyConnection, file: ArchiveFile
) -> Sequence[tuple[datetime, datetime, str]]:
    return cursor.execute(
        f"SELECT range_start, range_end, sha256 FROM {LEDGER} WHERE symbol = ? AND dataset = ? "
        "AND candle_interval = ? AND range_start < ? AND range_end > ? ORDER BY loaded_at",
        [
            file.symbol,
            file.dataset,
            file.interval or "",
            naive(file.end_instant),
            naive(file.start_instant),
        ],
    ).fetchall()


def _origin(day: date, lines: Sequence[tuple[datetime, datetime, str]]) -> str:
    """The sha256 of the file that a day was loaded from last; blank for one collected live."""
    of_day = [sha256 for start, until, sha256 in lines if start.date() <= day < until.date()]
    return next((sha256 for sha256 in reversed(of_day) if sha256), "")


def _shifted(table: MarketTable) -> str:
    # Open interest at midnight counts to the day that it closes.
    return f"({table.time} - INTERVAL 1 MICROSECOND)" if table is OPEN_INTEREST else table.time


def _day(table: MarketTable) -> str:
    return f"{_shifted(table)}::DATE"


def _amount(table: MarketTable) -> str:
    """Rows; of open interest the five minutes that have any, for collectors bring more figures."""
    if table is OPEN_INTEREST:
        return f"count(DISTINCT time_bucket(INTERVAL 5 MINUTE, {_shifted(table)}))"
    return "count(*)"
