"""Restore rolled-back rows."""

import shutil
import uuid
from pathlib import Path

import duckdb

from ingestion.errors import KeptRowsDamaged, OutcomeUnknown, RowsInTheWay
from ingestion.lake.checksums import checksum_of, digest, record
from ingestion.lake.connection import Lake, translated_errors, write_lock
from ingestion.lake.kept import (
    LEDGER_FILE,
    QUARANTINE_FILE,
    Kept,
    files_source,
    find_kept,
    kept_coverage,
    sums,
)
from ingestion.lake.ledger import join_lines
from ingestion.lake.read import Coverage
from ingestion.lake.schema import LEDGER, QUARANTINE, MarketTable


def undo_removal(lake: Lake, name: str) -> Kept:
    """Bring back what the removal kept as `name` took, in one transaction.

    Its files are checked against their checksums, and what stands in the lake afterwards against
    them. Doing it twice does nothing the second time. Raises NothingKept, KeptRowsDamaged,
    RowsInTheWay when the same stretch of time holds rows again, OutOfSpace, LakeBusy or
    TemporaryError, and has changed nothing then. The kept files stay until `discard`.
    """
    removed = find_kept(lake.config, name)
    _check_files(removed)
    cursor = lake.cursor()
    staged: list[tuple[MarketTable, Path]] = []
    try:
        with translated_errors():
            if not is_back(cursor, removed):
                for table in removed.tables:
                    for file in removed.files_of(table):
                        staged.append((table, _staging_path(lake, removed, table)))
                        shutil.copyfile(file, staged[-1][1])
                made = [checksum_of(lake.config, path) for _, path in staged]
                with write_lock(lake.config), lake.transaction():
                    _refuse_rows_in_the_way(cursor, removed)
                    _put_back(cursor, removed, staged)
                    record(cursor, made)
    except OutcomeUnknown:
        raise  # the files may be part of the lake; if they are not, maintenance deletes them
    except BaseException:
        for _, path in staged:
            path.unlink(missing_ok=True)
        raise
    return removed


def is_back(cursor: duckdb.DuckDBPyConnection, removed: Kept) -> bool:
    """Whether the lake holds just what was removed: a process died after it had brought it back."""
    return bool(removed.rows) and all(
        _present(cursor, removed, coverage) == _kept_sums(cursor, removed, coverage)
        for coverage in kept_coverage(cursor, removed)
    )


def in_the_way(cursor: duckdb.DuckDBPyConnection, removed: Kept) -> list[Coverage]:
    """What stands where rows would come back: by table, rows between the first and the last of a
    day's; and lines of the ledger for the same ranges."""
    found = []
    for coverage in kept_coverage(cursor, removed):
        table = _table(removed, coverage)
        row = cursor.execute(
            f"SELECT count(*), epoch_ms(min({table.time})), epoch_ms(max({table.time})) "
            f"FROM ({_stretches(removed, table)})",
            _bounds(removed, coverage),
        ).fetchone()
        if row and row[0]:
            found.append(Coverage(coverage.table, *row))
    row = cursor.execute(
        f"""
        SELECT count(*), epoch_ms(min(range_start)), epoch_ms(max(range_end)) FROM {LEDGER} line
        WHERE symbol = ? AND EXISTS (
            FROM {files_source([removed.folder / LEDGER_FILE])} back
            WHERE back.dataset = line.dataset AND back.candle_interval = line.candle_interval
            AND back.range_start < line.range_end AND back.range_end > line.range_start)
        """,
        [removed.symbol],
    ).fetchone()
    if row and row[0]:
        found.append(Coverage(LEDGER.removeprefix("lake."), *row))
    return found


def _check_files(removed: Kept) -> None:
    for name, sha256 in removed.sha256.items():
        path = removed.folder / name
        if not path.is_file() or digest(path) != sha256:
            raise KeptRowsDamaged(f"{path} is not the file that was kept; nothing was brought back")


def _refuse_rows_in_the_way(cursor: duckdb.DuckDBPyConnection, removed: Kept) -> None:
    found = in_the_way(cursor, removed)
    if found:
        named = ", ".join(f"{coverage.rows:,} of {coverage.table}" for coverage in found)
        raise RowsInTheWay(
            f"{removed.symbol} holds rows again where these would come back: {named}. Roll those "
            "days back first; that can be undone too"
        )


def _put_back(
    cursor: duckdb.DuckDBPyConnection, removed: Kept, staged: list[tuple[MarketTable, Path]]
) -> None:
    for table, path in staged:
        cursor.execute(
            f"CALL ducklake_add_data_files('lake', '{table.plain_name}', ?, "
            "hive_partitioning => true, ignore_extra_columns => true)",
            [str(path)],
        )
    for name, file in ((LEDGER, LEDGER_FILE), (QUARANTINE, QUARANTINE_FILE)):
        cursor.execute(f"INSERT INTO {name} FROM {files_source([removed.folder / file])}")
    join_lines(cursor, removed.symbol)
    for coverage in kept_coverage(cursor, removed):
        now = _present(cursor, removed, coverage)
        before = _kept_sums(cursor, removed, coverage)
        if now != before or now[0] != removed.rows[coverage.table]:
            raise KeptRowsDamaged(
                f"{coverage.table} would hold {now[0]:,} rows of {removed.symbol}, but "
                f"{removed.rows[coverage.table]:,} were removed; nothing was brought back"
            )


def _staging_path(lake: Lake, removed: Kept, table: MarketTable) -> Path:
    folder = lake.config.data_path / "main" / table.plain_name / f"symbol={removed.symbol}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"undo-{uuid.uuid4().hex}.parquet"


def _present(
    cursor: duckdb.DuckDBPyConnection, removed: Kept, coverage: Coverage
) -> tuple[int, int | None]:
    stretches = _stretches(removed, _table(removed, coverage))
    return sums(cursor, f"({stretches})", _bounds(removed, coverage))


def _kept_sums(
    cursor: duckdb.DuckDBPyConnection, removed: Kept, coverage: Coverage
) -> tuple[int, int | None]:
    return sums(cursor, files_source(removed.files_of(_table(removed, coverage))))


def _table(removed: Kept, coverage: Coverage) -> MarketTable:
    return next(table for table in removed.tables if table.plain_name == coverage.table)


def _stretches(removed: Kept, table: MarketTable) -> str:
    """SQL: the lake's rows from the first to the last of those that were removed of each day."""
    spans = (
        f"SELECT {table.time}::DATE AS day, min({table.time}) AS first, max({table.time}) AS last "
        f"FROM {files_source(removed.files_of(table))} GROUP BY day"
    )
    return (
        f"SELECT present.* FROM {table.name} present JOIN ({spans}) span "
        f"ON present.{table.time}::DATE = span.day AND present.{table.time} >= span.first "
        f"AND present.{table.time} <= span.last WHERE present.symbol = $symbol "
        f"AND present.{table.time} >= make_timestamp_ms($first) "
        f"AND present.{table.time} < make_timestamp_ms($last + 1)"
    )


def _bounds(removed: Kept, coverage: Coverage) -> dict[str, object]:
    return {"symbol": removed.symbol, "first": coverage.first_ms, "last": coverage.last_ms}
