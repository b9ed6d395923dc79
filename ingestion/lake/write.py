"""Parsed files go into the lake: staged outside the lock, committed in one short transaction."""

import shutil
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from ingestion.errors import LeaseLost, OutcomeUnknown
from ingestion.lake.connection import Lake, translated_errors, write_lock
from ingestion.lake.parse import ParsedFile, copy_to_parquet
from ingestion.lake.schema import LEDGER, QUARANTINE, MarketTable
from ingestion.sources.formats import row_range

_SAME_FILES = "symbol = ? AND dataset = ? AND candle_interval = ?"


@dataclass(frozen=True)
class Load:
    """A parsed file with its provenance, as the ledger keeps it."""

    parsed: ParsedFile
    origin: str
    sha256: str
    verified: bool
    chunk_id: int


def replace_files(
    lake: Lake, loads: Sequence[Load], still_mine: Callable[[], bool], now: datetime
) -> None:
    """Put the rows of `loads` in place of what the lake holds for the same ranges, all or nothing.

    All loads are of one symbol, dataset and interval. The ledger and the quarantine change in the
    same transaction, so what the ledger says is loaded is loaded. `still_mine` is asked under the
    lock, right before writing. Raises LeaseLost when it says no, OutOfSpace, LakeBusy or
    TemporaryError otherwise, and leaves no file behind then.
    """
    cursor = lake.cursor()
    table = loads[0].parsed.table
    staged = _staging_path(lake, loads[0])
    try:
        with translated_errors():
            _stage_rows(cursor, loads, table, staged)
            with write_lock(lake.config):
                if not still_mine():
                    raise LeaseLost(f"{loads[0].parsed.file.name} was taken over or cancelled")
                with lake.transaction():
                    _delete_ranges(cursor, loads, table)
                    cursor.execute(
                        f"CALL ducklake_add_data_files('lake', '{table.plain_name}', ?, "
                        "hive_partitioning => true, ignore_extra_columns => true)",
                        [str(staged)],
                    )
                    _record(cursor, loads, now)
    except OutcomeUnknown:
        raise  # the file may be part of the lake; if it is not, maintenance deletes it
    except BaseException:
        staged.unlink(missing_ok=True)
        raise


def _staging_path(lake: Lake, load: Load) -> Path:
    table, symbol = load.parsed.table.plain_name, load.parsed.file.symbol
    folder = lake.config.data_path / "main" / table / f"symbol={symbol}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"load-{uuid.uuid4().hex}.parquet"


def _stage_rows(
    cursor: duckdb.DuckDBPyConnection, loads: Sequence[Load], table: MarketTable, staged: Path
) -> None:
    if len(loads) == 1:
        shutil.move(loads[0].parsed.rows_path, staged)
        return
    paths = [str(load.parsed.rows_path) for load in loads]
    query = f"SELECT * FROM read_parquet($paths) ORDER BY {table.key}"
    copy_to_parquet(cursor, query, staged, {"paths": paths})


def _delete_ranges(
    cursor: duckdb.DuckDBPyConnection, loads: Sequence[Load], table: MarketTable
) -> None:
    symbol = loads[0].parsed.file.symbol
    for start, until in _joined(row_range(load.parsed.file) for load in loads):
        cursor.execute(
            f"DELETE FROM {table.name} WHERE symbol = ? AND {table.time} >= ? AND {table.time} < ?",
            [symbol, start, until],
        )


def _joined(ranges: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """The ranges in naive UTC, as the lake keeps instants; touching ones are made one."""
    joined: list[tuple[datetime, datetime]] = []
    for start, until in sorted(ranges):
        if joined and joined[-1][1] == _naive(start):
            joined[-1] = (joined[-1][0], _naive(until))
        else:
            joined.append((_naive(start), _naive(until)))
    return joined


def _record(cursor: duckdb.DuckDBPyConnection, loads: Sequence[Load], now: datetime) -> None:
    """Ledger and quarantine: what these files say replaces what lay within their ranges."""
    files = [load.parsed.file for load in loads]
    key = [files[0].symbol, files[0].dataset, files[0].interval or ""]
    for start, until in _joined((file.start_instant, file.end_instant) for file in files):
        cursor.execute(
            f"DELETE FROM {LEDGER} WHERE {_SAME_FILES} AND range_start >= ? AND range_end <= ?",
            [*key, start, until],
        )
        within = f"{_SAME_FILES} AND range_start >= ? AND range_start < ?"
        set_aside = cursor.execute(
            f"SELECT 1 FROM {QUARANTINE} WHERE {within} LIMIT 1", [*key, start, until]
        ).fetchone()
        if set_aside:  # seldom; and a deletion that finds nothing costs as much as one that does
            # A month that these days replace in part keeps its line, and what it had set aside.
            cursor.execute(
                f"DELETE FROM {QUARANTINE} WHERE {within} AND origin NOT IN "
                f"(SELECT origin FROM {LEDGER} WHERE {_SAME_FILES})",
                [*key, start, until, *key],
            )
    for load in loads:
        if load.parsed.quarantined:
            cursor.execute(
                f"INSERT INTO {QUARANTINE} SELECT ?, ?, ?, ?, ?, line, reason, raw "
                f"FROM temp.{load.parsed.bad_rows_table}",
                [*key, _naive(load.parsed.file.start_instant), load.origin],
            )
    values = [_ledger_row(load, now) for load in loads]
    marks = ", ".join(["(" + ", ".join("?" * len(values[0])) + ")"] * len(values))
    cursor.execute(f"INSERT INTO {LEDGER} VALUES {marks}", [cell for row in values for cell in row])


def _ledger_row(load: Load, now: datetime) -> list[object]:
    parsed, file = load.parsed, load.parsed.file
    return [
        file.symbol,
        file.dataset,
        file.interval or "",
        _naive(file.start_instant),
        _naive(file.end_instant),
        load.origin,
        load.sha256,
        load.verified,
        parsed.rows,
        parsed.quarantined,
        parsed.duplicates,
        load.chunk_id,
        _naive(now),
    ]


def _naive(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)
