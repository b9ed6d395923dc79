"""The ledger: which file, or which collector, gave the rows of which days."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import duckdb

from ingestion.lake.days import within
from ingestion.lake.schema import LEDGER, table_of
from ingestion.market.days import Days


class LedgerLine(NamedTuple):
    """A file of the archive whose rows are in the lake, or the rows of a day that a collector
    brought. The fields stand in the order of the table's columns; instants are naive, UTC."""

    symbol: str
    dataset: str
    interval: str
    range_start: datetime
    range_end: datetime
    origin: str
    sha256: str
    verified: bool
    rows: int
    quarantined: int
    duplicates: int
    chunk_id: int
    loaded_at: datetime

    @property
    def is_live(self) -> bool:
        """Whether a collector brought the rows: from no file, and maybe not of the whole day."""
        return not self.sha256

    @property
    def series(self) -> tuple[str, str]:
        """Dataset and candle interval."""
        return self.dataset, self.interval


def lines_of(
    cursor: duckdb.DuckDBPyConnection, symbol: str, dataset: str | None = None
) -> list[LedgerLine]:
    """The ledger of a symbol, or of one of its datasets, in order of time."""
    return _fetched(
        cursor.execute(
            f"FROM {LEDGER} WHERE symbol = $symbol AND ($dataset IS NULL OR dataset = $dataset) "
            "ORDER BY dataset, candle_interval, range_start",
            {"symbol": symbol, "dataset": dataset},
        )
    )


def add_lines(cursor: duckdb.DuckDBPyConnection, lines: Sequence[LedgerLine]) -> None:
    """Write lines into the ledger, in one statement."""
    if lines:
        marks = ", ".join(["(" + ", ".join("?" * len(LedgerLine._fields)) + ")"] * len(lines))
        cells = [cell for line in lines for cell in line]
        cursor.execute(f"INSERT INTO {LEDGER} VALUES {marks}", cells)


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
    lines = _fetched(cursor.execute(f"FROM {LEDGER} WHERE {crossing}", parameters))
    if lines:
        cursor.execute(f"DELETE FROM {LEDGER} WHERE {crossing}", parameters)
    for line in lines:
        bounds = [
            (line.range_start, min(line.range_end, days.start)),
            (max(line.range_start, days.until), line.range_end),
            (max(line.range_start, days.start), min(line.range_end, days.until)),
        ]
        add_lines(cursor, _parts(cursor, line, [(a, b) for a, b in bounds if a < b]))
    return int(count[0])


def drop_replaced_lines(
    cursor: duckdb.DuckDBPyConnection, symbol: str, days: Days, series: tuple[str, str]
) -> None:
    """Of several lines that say where the rows of exactly these days are from, leave the newest."""
    exactly = (
        "symbol = $symbol AND dataset = $dataset AND candle_interval = $interval "
        "AND range_start = $start AND range_end = $until"
    )
    dataset, interval = series
    cursor.execute(
        f"DELETE FROM {LEDGER} WHERE {exactly} "
        f"AND loaded_at < (SELECT max(loaded_at) FROM {LEDGER} WHERE {exactly})",
        {"symbol": symbol, "dataset": dataset, "interval": interval, **days.parameters},
    )


def join_lines(cursor: duckdb.DuckDBPyConnection, symbol: str) -> None:
    """Make one line again of the parts of a file that touch each other.

    Live rows are of no file: each of their days keeps its line, for the archive's file to replace.
    """
    lines = _fetched(
        cursor.execute(f"FROM {LEDGER} WHERE symbol = ? AND sha256 <> '' ORDER BY ALL", [symbol])
    )
    by_file: dict[tuple[object, ...], list[LedgerLine]] = {}
    for line in lines:
        of_file = (*line.series, line.origin, line.sha256, line.verified, line.chunk_id)
        by_file.setdefault((*of_file, line.loaded_at), []).append(line)
    for parts in by_file.values():
        joined = _joined(parts)
        if len(joined) < len(parts):
            for part in parts:
                cursor.execute(
                    f"DELETE FROM {LEDGER} WHERE symbol = ? AND dataset = ? "
                    "AND candle_interval = ? AND range_start = ? AND range_end = ? AND origin = ?",
                    [symbol, *part.series, part.range_start, part.range_end, part.origin],
                )
            add_lines(cursor, joined)


def _joined(parts: list[LedgerLine]) -> list[LedgerLine]:
    joined: list[LedgerLine] = []
    for part in parts:
        if joined and joined[-1].range_end == part.range_start:
            last = joined[-1]
            joined[-1] = last._replace(
                range_end=part.range_end,
                rows=last.rows + part.rows,
                quarantined=last.quarantined + part.quarantined,
                duplicates=last.duplicates + part.duplicates,
            )
        else:
            joined.append(part)
    return joined


def _parts(
    cursor: duckdb.DuckDBPyConnection, line: LedgerLine, bounds: list[tuple[datetime, datetime]]
) -> list[LedgerLine]:
    table = table_of(*line.series)
    parts: list[LedgerLine] = []
    for start, until in bounds:
        counted = cursor.execute(
            f"SELECT count(*) FROM {table.name} WHERE {within(table)}",
            {"symbol": line.symbol, "start": start, "until": until},
        ).fetchone()
        assert counted is not None
        part = line._replace(range_start=start, range_end=until, rows=counted[0])
        parts.append(part._replace(quarantined=0, duplicates=0) if parts else part)
    return parts


def _fetched(result: duckdb.DuckDBPyConnection) -> list[LedgerLine]:
    return [LedgerLine(*row) for row in result.fetchall()]
