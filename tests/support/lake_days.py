"""Days put into the lake and looked at again, in this process or in others. No Django in here."""

import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from ingestion.lake import LakeConfig, configure, read, rows_within, writer
from ingestion.lake.parse import drop, parse
from ingestion.lake.schema import LEDGER, MARKET_TABLES
from ingestion.lake.write import Load, replace_files
from ingestion.market.datasets import Dataset
from ingestion.market.files import ArchiveFile
from tests.support.archive_files import csv_of

FIRST = date(2024, 11, 1)
PATIENCE_SECONDS = 120


def day(
    symbol: str = "ETHUSDT",
    number: int = 0,
    dataset: Dataset = "aggTrades",
    interval: str | None = None,
) -> ArchiveFile:
    """The file of the day `number` days after FIRST."""
    return ArchiveFile(symbol, dataset, interval, FIRST + timedelta(days=number))


def put(
    *files: ArchiveFile,
    content: str | None = None,
    may_write: Callable[[], bool] = lambda: True,
    sha256: Any = "0" * 64,
    accept_bad: bool = False,
) -> None:
    """Write files of one symbol, dataset and interval into this process's lake, in one commit."""
    cursor = writer().cursor()
    with tempfile.TemporaryDirectory() as folder:
        loads = []
        try:
            for number, file in enumerate(files):
                path = Path(folder) / f"{file.name}.csv"
                path.write_text(csv_of(file) if content is None else content)
                parsed = parse(cursor, path, file, f"rows_{number}")
                loads.append(Load(parsed, path.name, sha256, False, number, accept_bad=accept_bad))
            replace_files(writer(), loads, may_write, datetime.now(UTC))
        finally:
            for load in loads:
                drop(cursor, load.parsed)


def fingerprint(cursor: duckdb.DuckDBPyConnection, symbol: str, at: str = "") -> dict[str, tuple]:
    """Count and hash of all rows and columns of a symbol, by table; `at` names an older state.

    Tables that never had a row are passed over: DuckLake takes a while even for those.
    """
    used = cursor.execute(
        "SELECT table_name FROM __ducklake_metadata_lake.ducklake_table "
        "JOIN __ducklake_metadata_lake.ducklake_table_stats USING (table_id)"
    ).fetchall()
    return {
        table.plain_name: cursor.execute(
            f"SELECT count(*), sum(hash(t)) FROM (FROM {table.name} {at}) t WHERE symbol = ?",
            [symbol],
        ).fetchone()
        if (table.plain_name,) in used
        else (0, None)
        for table in MARKET_TABLES
    }


def current_fingerprint(symbol: str) -> dict[str, tuple]:
    """The same of the newest state."""
    with read.snapshot() as cursor:
        return fingerprint(cursor, symbol)


def count(symbol: str = "ETHUSDT", table: str = "aggtrades_history") -> int:
    """Rows of a symbol in a table now."""
    with read.snapshot() as cursor:
        return rows_within(cursor, symbol).get(table, 0)


def ledger_rows(symbol: str) -> int:
    """Rows that the ledger says a symbol has."""
    with read.snapshot() as cursor:
        row = cursor.execute(f"SELECT sum(row_count) FROM {LEDGER} WHERE symbol = ?", [symbol])
        return row.fetchone()[0] or 0


def parquet_files(config: LakeConfig, pattern: str = "**/*.parquet") -> list[Path]:
    """Parquet files of the lake, known to its catalogue or not."""
    return sorted(config.data_path.glob(pattern))


@contextmanager
def running(config: LakeConfig, calls: Sequence[tuple[Callable, tuple]]) -> Iterator[list[Future]]:
    """Functions run in fresh Python processes, which all begin at once; waits for their end.

    with running(config, [(write, (1,)), (write, (2,))]) as futures:
        ...
    assert [future.result() for future in futures] == [None, None]
    """
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(len(calls))
    with ProcessPoolExecutor(len(calls), context, _set_up, (config, start)) as pool:
        yield [pool.submit(_run, function, arguments) for function, arguments in calls]


def run_in_processes(config: LakeConfig, calls: Sequence[tuple[Callable, tuple]]) -> list[Any]:
    """What the functions return, in order."""
    with running(config, calls) as futures:
        return [future.result(PATIENCE_SECONDS) for future in futures]


_start: Any = None


def _set_up(config: LakeConfig, start: Any) -> None:
    global _start
    _start = start
    configure(config)


def _run(function: Callable, arguments: tuple) -> Any:
    _start.wait(PATIENCE_SECONDS)
    return function(*arguments)
