"""What a removal took out of the lake, kept in files of its own until it is undone or given up.

The lake's own memory would not do: merging files after a removal can leave `AT (VERSION => …)`
without the rows that a state before it had, and without an error. The files lie in the lake's
data folder, for it may be shared by many machines, and are Parquet by another name, because the
lake deletes Parquet files that its catalogue does not know.
"""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import duckdb

from ingestion.errors import NothingKept
from ingestion.lake.checksums import digest
from ingestion.lake.connection import LakeConfig
from ingestion.lake.days import LINE_WITHIN, SET_ASIDE_WITHIN, within
from ingestion.lake.parse import copy_to_parquet
from ingestion.lake.read import Coverage
from ingestion.lake.schema import LEDGER, MARKET_TABLES, QUARANTINE, TRADES, MarketTable
from ingestion.market.days import Days

SUFFIX = ".kept"
CONTENTS = "contents.json"
LEDGER_FILE, QUARANTINE_FILE = f"ledger{SUFFIX}", f"quarantine{SUFFIX}"


@dataclass(frozen=True)
class Kept:
    """The contents of one removal: rows by table, lines of the ledger and of the quarantine, and
    the SHA-256 of its files by their path in `folder`."""

    folder: Path
    symbol: str
    rows: dict[str, int]
    files: int
    quarantined: int
    sha256: dict[str, str]

    @property
    def tables(self) -> list[MarketTable]:
        return [table for table in MARKET_TABLES if table.plain_name in self.rows]

    def files_of(self, table: MarketTable) -> list[Path]:
        """A table's files, in order of time."""
        return sorted((self.folder / table.plain_name).glob(f"*{SUFFIX}"))


def keep(
    cursor: duckdb.DuckDBPyConnection,
    folder: Path,
    symbol: str,
    days: Days,
    rows: dict[str, int],
) -> Kept:
    """Copy a symbol's rows of these days to `folder`, and check the copy against the lake.

    For a transaction that removes them next. No line of the ledger reaches over the days' bounds
    any more. `rows` are those that `rows_within` counts.
    """
    folder.mkdir(parents=True)
    parameters = {"symbol": symbol, **days.parameters}
    for table in MARKET_TABLES:
        if table.plain_name in rows:
            _copy_table(cursor, folder, table, parameters)
    for name, condition, file in (
        (LEDGER, LINE_WITHIN, LEDGER_FILE),
        (QUARANTINE, SET_ASIDE_WITHIN, QUARANTINE_FILE),
    ):
        copy_to_parquet(cursor, f"FROM {name} WHERE {condition}", folder / file, parameters)
    kept = Kept(
        folder,
        symbol,
        rows,
        files=sums(cursor, files_source([folder / LEDGER_FILE]))[0],
        quarantined=sums(cursor, files_source([folder / QUARANTINE_FILE]))[0],
        sha256={str(path.relative_to(folder)): digest(path) for path in _files(folder)},
    )
    _check_copy(cursor, kept, parameters)
    contents = {name: value for name, value in asdict(kept).items() if name != "folder"}
    (folder / CONTENTS).write_text(json.dumps(contents))
    _sync(folder)
    return kept


def folder_of(config: LakeConfig, name: str) -> Path:
    return config.data_path / "undo" / name


def find_kept(config: LakeConfig, name: str) -> Kept:
    """What the removal of that name took. Raises NothingKept when it was given up or undone."""
    folder = folder_of(config, name)
    try:
        contents = json.loads((folder / CONTENTS).read_text())
    except FileNotFoundError as error:
        raise NothingKept(
            f"Nothing is kept of this roll back any more: {folder} is gone"
        ) from error
    return Kept(folder, **contents)


def kept_coverage(cursor: duckdb.DuckDBPyConnection, kept: Kept) -> list[Coverage]:
    """First and last instant of what is kept, by table."""
    return [
        Coverage(table.plain_name, *_span(cursor, files_source(kept.files_of(table)), table))
        for table in kept.tables
    ]


def bytes_kept(config: LakeConfig, name: str) -> int:
    """Size on disk of what the removal of that name keeps; 0 when it is gone."""
    return sum(path.stat().st_size for path in _files(folder_of(config, name)))


def discard(config: LakeConfig, name: str) -> int:
    """Delete what the removal of that name keeps; returns the bytes that this freed."""
    freed = bytes_kept(config, name)
    folder = folder_of(config, name)
    (folder / CONTENTS).unlink(missing_ok=True)  # first: half of it must not be taken for all
    shutil.rmtree(folder, ignore_errors=True)
    return freed


def files_source(paths: list[Path]) -> str:
    """SQL: the rows of kept files, for a FROM."""
    quoted = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
    return f"read_parquet([{quoted}], hive_partitioning => false)"


def sums(
    cursor: duckdb.DuckDBPyConnection, source: str, parameters: object = None
) -> tuple[int, int | None]:
    """Number of rows, and a checksum of all their cells that knows no order."""
    row = cursor.execute(f"SELECT count(*), sum(hash(t)) FROM (FROM {source}) t", parameters)
    found = row.fetchone()
    assert found is not None
    return found


def _copy_table(
    cursor: duckdb.DuckDBPyConnection, folder: Path, table: MarketTable, parameters: dict
) -> None:
    """All rows in one file; trades in one for each day, as the lake has them."""
    (folder / table.plain_name).mkdir()
    query = f"SELECT * FROM {table.name} WHERE {within(table)} ORDER BY {table.key}"
    if table is not TRADES:
        path = folder / table.plain_name / f"rows{SUFFIX}"
        copy_to_parquet(cursor, query, path, parameters)
        return
    found = cursor.execute(
        f"SELECT DISTINCT {table.time}::DATE FROM {table.name} WHERE {within(table)}", parameters
    ).fetchall()
    for (day,) in found:
        path = folder / table.plain_name / f"{day}{SUFFIX}"
        copy_to_parquet(cursor, query, path, parameters | _day(day))


def _day(day: date) -> dict:
    return Days(day, day).parameters


def _check_copy(cursor: duckdb.DuckDBPyConnection, kept: Kept, parameters: dict) -> None:
    for table in kept.tables:
        source = sums(cursor, f"{table.name} WHERE {within(table)}", parameters)
        copy = sums(cursor, files_source(kept.files_of(table)))
        if copy != source:
            raise OSError(f"{kept.folder}: {copy} of {table.plain_name} were kept of {source}")


def _span(
    cursor: duckdb.DuckDBPyConnection, source: str, table: MarketTable
) -> tuple[int, int, int]:
    found = cursor.execute(
        f"SELECT count(*), epoch_ms(min({table.time})), epoch_ms(max({table.time})) FROM {source}"
    ).fetchone()
    assert found is not None
    return found


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _sync(folder: Path) -> None:
    """Wait until all of it is on the disk: the rows are deleted from the lake next."""
    for path in [*folder.rglob("*"), folder, folder.parent]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
