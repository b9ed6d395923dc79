"""Writers of the lake: at once, failing, in another time zone, beside maintenance."""

import contextlib
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import duckdb
import psycopg
import pytest

from ingestion import lake as lake_package
from ingestion.errors import TemporaryError
from ingestion.lake import LakeConfig, read, reader, rows_within, schema, writer
from ingestion.lake.connection import (
    _attach_statement,
    _extension_file,
    translated_errors,
    write_lock,
)
from tests.support.archive_files import agg_trades_csv
from tests.support.lake_days import (
    count,
    current_fingerprint,
    day,
    ledger_rows,
    parquet_files,
    put,
    run_in_processes,
)

pytestmark = pytest.mark.postgresql

SYMBOLS = ("BTCUSDT", "ETHUSDT")
DAYS = 8


def write_days(symbols: tuple[str, ...] = SYMBOLS, days: int = DAYS) -> None:
    for number in range(days):
        for symbol in symbols:
            put(day(symbol, number))


def open_lake(read_only: bool) -> int:
    """Rows in it: of one table, or of all, each of which must be there to be counted."""
    return count() if read_only else len(rows_within(writer().cursor(), "ETHUSDT"))


def maintain(rounds: int) -> None:
    for _ in range(rounds):
        lake_package.merge_small_files(writer())
        lake_package.free_disk(writer(), 7)


def test_two_writers_of_the_same_days_of_two_symbols_leave_exact_rows(lake: LakeConfig) -> None:
    calls = [(write_days, (SYMBOLS,)), (write_days, (SYMBOLS[::-1],))]
    assert run_in_processes(lake, calls) == [None, None]
    for symbol in SYMBOLS:
        assert count(symbol) == ledger_rows(symbol) == DAYS * 100
        assert len(parquet_files(lake, f"**/symbol={symbol}/*")) == 2 * DAYS  # replaced ones wait
        with read.snapshot() as cursor:
            ids = cursor.execute(
                "SELECT count(DISTINCT (timestamp, agg_trade_id)) FROM lake.aggtrades_history "
                "WHERE symbol = ?",
                [symbol],
            ).fetchone()
        assert ids == (DAYS * 100,)


def test_four_processes_may_open_a_lake_that_does_not_exist_yet(no_lake: LakeConfig) -> None:
    results = run_in_processes(no_lake, [(open_lake, (number % 2 == 0,)) for number in range(4)])
    assert results == [0] * 4


def test_a_reader_finishes_a_lake_whose_creator_was_killed(no_lake: LakeConfig) -> None:
    """Between the creation of the catalogue and that of the tables."""
    no_lake.data_path.mkdir(parents=True)
    with write_lock(no_lake), duckdb.connect() as database:
        for name in ("ducklake", "sqlite_scanner" if no_lake.is_sqlite else "postgres_scanner"):
            database.execute(f"LOAD '{_extension_file(name, no_lake)}'")
        database.execute(_attach_statement(no_lake, read_only=False))
    assert count() == 0
    put(day())
    assert count() == 100


@pytest.mark.skipif("not config.getoption('--database') == 'sqlite'")
def test_an_interrupted_opening_does_not_keep_the_catalogue_locked(
    no_lake: LakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(database: duckdb.DuckDBPyConnection) -> None:
        database.execute("BEGIN")
        database.execute("UPDATE __ducklake_metadata_lake.ducklake_metadata SET value = value")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(schema, "create", interrupted)
        with pytest.raises(KeyboardInterrupt) as kept:
            writer()
    assert writer().cursor().execute("SELECT count(*) FROM lake.loaded_files").fetchone() == (0,)
    assert kept.value.__traceback__  # as a log or a debugger may keep it


@pytest.mark.skipif("not config.getoption('--database') == 'sqlite'")
def test_a_reader_replaces_an_empty_catalogue_file(no_lake: LakeConfig) -> None:
    no_lake.catalog_path.parent.mkdir(parents=True)
    no_lake.catalog_path.touch()
    assert count() == 0


def lost() -> bool:
    return False


def broken() -> bool:
    raise RuntimeError("the question failed")


@pytest.mark.parametrize(
    ("may_write", "ended"),
    [(lost, nullcontext()), (broken, pytest.raises(RuntimeError))],
    ids=["lost", "broken"],
)
def test_a_load_that_may_not_be_written_leaves_no_trace(
    lake: LakeConfig, may_write: Callable[[], bool], ended: AbstractContextManager[Any]
) -> None:
    put(day(), content=agg_trades_csv(day(), rows=7))
    before, files = current_fingerprint("ETHUSDT"), parquet_files(lake)
    with ended:
        put(day(), may_write=may_write)
    assert (current_fingerprint("ETHUSDT"), parquet_files(lake)) == (before, files)
    put(day())
    assert count() == ledger_rows("ETHUSDT") == 100


def test_a_refused_file_leaves_no_trace(lake: LakeConfig) -> None:
    """What is staged is not what the catalogue can take: its transaction ends half-way."""
    put(day(), content=agg_trades_csv(day(), rows=7))
    before, files = current_fingerprint("ETHUSDT"), parquet_files(lake)

    def damage() -> bool:
        (staged,) = set(parquet_files(lake)) - set(files)
        staged.write_bytes(b"no parquet")
        return True

    with pytest.raises(TemporaryError):
        put(day(), may_write=damage)
    assert (current_fingerprint("ETHUSDT"), parquet_files(lake)) == (before, files)


def test_a_ledger_that_cannot_be_written_undoes_the_rows(lake: LakeConfig) -> None:
    put(day(), content=agg_trades_csv(day(), rows=7))
    before, files = current_fingerprint("ETHUSDT"), parquet_files(lake)
    with pytest.raises(TemporaryError):
        put(day(), sha256=[["no", 1], {"text": 2}])
    assert (current_fingerprint("ETHUSDT"), parquet_files(lake)) == (before, files)
    assert ledger_rows("ETHUSDT") == 7


@pytest.mark.parametrize("raw", ["\0", "'; DROP TABLE x; --", '"quoted"', "\\", "é€😀", "\ufffd"])
def test_any_text_may_lie_in_quarantine(lake: LakeConfig, raw: str) -> None:
    content = agg_trades_csv(day()).replace("50,100.49,", f"50,{raw}100.49,")
    put(day(), content=content)
    assert count() == 99
    cursor = reader().cursor()
    ((kept,),) = cursor.execute("SELECT raw FROM lake.quarantined_rows").fetchall()
    assert kept.startswith("50,")
    lake_package.merge_small_files(writer())
    assert cursor.execute("SELECT raw FROM lake.quarantined_rows").fetchall() == [(kept,)]


def test_a_staged_file_in_flight_survives_maintenance(lake: LakeConfig) -> None:
    put(day())
    in_flight = parquet_files(lake)[0].with_name("load-in-flight.parquet")
    in_flight.write_bytes(parquet_files(lake)[0].read_bytes())
    lake_package.free_disk(writer(), 7)
    assert in_flight.exists()
    two_days_ago = in_flight.stat().st_mtime - 2 * 86_400
    os.utime(in_flight, (two_days_ago, two_days_ago))
    lake_package.free_disk(writer(), 7)
    assert not in_flight.exists()
    assert count() == 100


def test_maintenance_and_writing_at_once_do_each_other_no_harm(lake: LakeConfig) -> None:
    calls = [(maintain, (6,)), (write_days, (("ETHUSDT",), 6))]
    assert run_in_processes(lake, calls) == [None, None]
    assert count() == 600


def spill(number: int) -> int:
    """Keep and sort more than the memory limit holds; returns how many rows came out in order."""
    cursor = writer().cursor()
    cursor.execute("SET memory_limit = '60MB'")
    cursor.execute(
        f"CREATE TEMP TABLE numbers AS SELECT hash(range + {number}) AS h, range * {number} AS a, "
        "range AS b FROM range(4000000)"
    )
    answer = cursor.execute(
        "SELECT count(*) FROM (SELECT *, lag(h) OVER (ORDER BY h) AS before FROM numbers) "
        "WHERE h >= before AND a >= b"
    )
    return answer.fetchone()[0]


@pytest.mark.slow
def test_processes_that_spill_to_disk_keep_out_of_each_others_way(lake: LakeConfig) -> None:
    assert run_in_processes(lake, [(spill, (7,)), (spill, (11,))]) == [3_999_999] * 2


def test_a_broken_duckdb_is_replaced_by_a_new_one(lake: LakeConfig) -> None:
    put(day())
    broken = writer()
    with pytest.raises(TemporaryError), translated_errors():
        raise duckdb.FatalException("database has been invalidated because of a fatal error")
    assert writer() is not broken
    put(day())
    assert count() == 100


@pytest.mark.skipif("config.getoption('--database') == 'sqlite'")
def test_a_catalogue_that_hung_up_is_reached_again(lake: LakeConfig) -> None:
    """As after a restart of PostgreSQL: the connections that a worker keeps are dead."""
    put(day())
    assert count() == 100
    with psycopg.connect(lake.catalog_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    for _ in range(3):
        with contextlib.suppress(TemporaryError):
            put(day(number=1))
            break
    assert count() == 200
