"""Lines of the ledger cut at the bounds of days, and put together again."""

from datetime import datetime

import duckdb

from ingestion.lake.days import within
from ingestion.lake.schema import LEDGER, table_of
from ingestion.market.days import Days

Line = tuple

START, END, ROWS, QUARANTINED, DUPLICATES = 3, 4, 8, 9, 10


def split_lines(
    cursor: duckdb.DuckDBPyConnection,
    symbol: str,
    days: Days,
    series: tuple[str, str] | None = None,
) -> int:
    """Cut the lines that reach over a bound of the days into the parts within and outside: all of
    the symbol's, or those of a dataset and candle interval.

    The parts' rows are counted anew. What was set aside stays with the first part outside, for
    the lines of the quarantine do not know their instants. Returns how many lines have a part
    within the days.
    """
    touching = (
        "symbol = $symbol AND range_start < $until AND range_end > $start "
        "AND ($dataset IS NULL OR (dataset = $dataset AND candle_interval = $interval))"
    )
    crossing = f"{touching} AND (range_start < $start OR range_end > $until)"
    dataset, interval = series or (None, None)
    parameters = {
        "symbol": symbol,
        "dataset": dataset,
        "interval": interval,
        **days.parameters,
    }
    count = cursor.execute(f"SELECT count(*) FROM {LEDGER} WHERE {touching}", parameters).fetchone()
    assert count is not None
    lines = cursor.execute(f"FROM {LEDGER} WHERE {crossing}", parameters).fetchall()
    if lines:
        cursor.execute(f"DELETE FROM {LEDGER} WHERE {crossing}", parameters)
    for line in lines:
        bounds = [
            (line[START], min(line[END], days.start)),
            (max(line[START], days.until), line[END]),
            (max(line[START], days.start), min(line[END], days.until)),
        ]
        _insert(cursor, _parts(cursor, line, [(a, b) for a, b in bounds if a < b]))
    return int(count[0])


def join_lines(cursor: duckdb.DuckDBPyConnection, symbol: str) -> None:
    """Make one line again of the parts of a file that touch each other.

    Live rows are of no file: each of their days keeps its line, for the archive's file to replace.
    """
    lines = cursor.execute(
        f"FROM {LEDGER} WHERE symbol = ? AND sha256 <> '' ORDER BY ALL", [symbol]
    ).fetchall()
    by_file: dict[Line, list[Line]] = {}
    for line in lines:
        by_file.setdefault((*line[:START], *line[END + 1 : ROWS], *line[11:]), []).append(line)
    for parts in by_file.values():
        joined = _joined(parts)
        if len(joined) < len(parts):
            for part in parts:
                cursor.execute(
                    f"DELETE FROM {LEDGER} WHERE symbol = ? AND dataset = ? "
                    "AND candle_interval = ? AND range_start = ? AND range_end = ? AND origin = ?",
                    part[: END + 2],
                )
            _insert(cursor, joined)


def _joined(parts: list[Line]) -> list[Line]:
    joined: list[Line] = []
    for part in parts:
        if joined and joined[-1][END] == part[START]:
            last = joined[-1]
            sums = (last[place] + part[place] for place in (ROWS, QUARANTINED, DUPLICATES))
            joined[-1] = (*last[:END], part[END], *last[END + 1 : ROWS], *sums, *last[11:])
        else:
            joined.append(part)
    return joined


def _parts(
    cursor: duckdb.DuckDBPyConnection, line: Line, bounds: list[tuple[datetime, datetime]]
) -> list[Line]:
    table = table_of(line[1], line[2])
    parts: list[Line] = []
    for start, until in bounds:
        counted = cursor.execute(
            f"SELECT count(*) FROM {table.name} WHERE {within(table)}",
            {"symbol": line[0], "start": start, "until": until},
        ).fetchone()
        assert counted is not None
        aside = (0, 0) if parts else line[QUARANTINED : DUPLICATES + 1]
        parts.append((*line[:START], start, until, *line[5:ROWS], counted[0], *aside, *line[11:]))
    return parts


def _insert(cursor: duckdb.DuckDBPyConnection, lines: list[Line]) -> None:
    for line in lines:
        cursor.execute(f"INSERT INTO {LEDGER} VALUES ({', '.join('?' * len(line))})", line)
