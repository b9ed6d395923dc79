"""Merging, removing, forgetting: what must change, and what must not."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from ingestion.lake import (
    LakeConfig,
    free_disk,
    maintain,
    merge_small_files,
    read,
    remove_symbol,
    writer,
)
from ingestion.lake.ledger import lines_of
from ingestion.lake.schema import MARKET_TABLES
from ingestion.market.files import ArchiveFile
from tests.support.archive_files import klines_csv
from tests.support.lake_days import (
    count,
    current_fingerprint,
    day,
    fingerprint,
    ledger_rows,
    parquet_files,
    put,
)

pytestmark = pytest.mark.postgresql


def files_of(table: str) -> int:
    """Parquet files, their delete files included, that the newest state of a table consists of."""
    rows = (
        writer()
        .cursor()
        .execute(
            "SELECT count(data_file) + count(delete_file) FROM ducklake_list_files('lake', ?)",
            [table],
        )
    )
    return rows.fetchone()[0]


def paths_of(table: str) -> list[str]:
    rows = (
        writer().cursor().execute("SELECT data_file FROM ducklake_list_files('lake', ?)", [table])
    )
    return [path for (path,) in rows.fetchall()]


def digests(config: LakeConfig, symbol: str) -> dict[Path, str]:
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in parquet_files(config, f"**/symbol={symbol}/**/*.parquet")
    }


def change_catalog(config: LakeConfig, *statements: str) -> None:
    if config.is_sqlite:
        with closing(sqlite3.connect(config.catalog_path)) as catalog, catalog:
            for statement in statements:
                catalog.execute(statement)
    else:
        with psycopg.connect(config.catalog_url) as connection:
            for statement in statements:
                connection.execute(statement)


def put_market(symbol: str) -> None:
    put(day(symbol))
    put(day(symbol, 0, "metrics"), day(symbol, 1, "metrics"))
    put(day(symbol, 0, "klines", "5m"))


def test_merging_leaves_the_same_rows_in_one_file_a_symbol(lake: LakeConfig) -> None:
    for symbol in ("BTCUSDT", "ETHUSDT"):
        for number in range(4):
            put(day(symbol, number, "klines", "5m"))
            put(day(symbol, number, "metrics"))
    before = {symbol: current_fingerprint(symbol) for symbol in ("BTCUSDT", "ETHUSDT")}
    assert files_of("klines_5m_history") == files_of("open_interest_history") == 8
    merge_small_files(writer())
    assert files_of("klines_5m_history") == files_of("open_interest_history") == 2
    assert {symbol: current_fingerprint(symbol) for symbol in before} == before


def test_days_that_were_replaced_do_not_keep_a_table_in_pieces(lake: LakeConfig) -> None:
    for number in range(3):
        put(day("ETHUSDT", number, "klines", "5m"))
    merge_small_files(writer())
    for number in (1, 2):
        put(
            day("ETHUSDT", number, "klines", "5m"),
            content=klines_csv(day("ETHUSDT", number, "klines", "5m"), 200.0),
        )
        merge_small_files(writer())
    assert count(table="klines_5m_history") == 3 * 288
    assert files_of("klines_5m_history") == 1
    with read.snapshot() as cursor:
        prices = cursor.execute(
            "SELECT open_time::DATE - DATE '2024-11-01' AS day, min(low) "
            "FROM lake.klines_5m_history GROUP BY day ORDER BY day"
        ).fetchall()
    assert prices == [(0, 98.0), (1, 198.0), (2, 198.0)]


def test_a_large_file_is_not_written_again_for_every_new_row(
    lake: LakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        put(day("ETHUSDT", number, "klines", "5m"))
    merge_small_files(writer())
    settled = paths_of("klines_5m_history")
    assert len(settled) == 1
    size = Path(settled[0]).stat().st_size
    monkeypatch.setattr(maintain, "SETTLED_FILE_BYTES", size)
    for number in (3, 4):
        put(day("ETHUSDT", number, "klines", "5m"))
        merge_small_files(writer())
        assert settled[0] in paths_of("klines_5m_history")
    assert len(paths_of("klines_5m_history")) == 2
    assert count(table="klines_5m_history") == 5 * 288


def test_the_ledger_does_not_become_a_file_a_job(lake: LakeConfig) -> None:
    for number in range(5):
        put(day("ETHUSDT", number))
        merge_small_files(writer())
    put(day("ETHUSDT", 2))
    merge_small_files(writer())
    assert ledger_rows("ETHUSDT") == 500
    assert files_of("loaded_files") == 1


def test_removing_a_symbol_leaves_the_others_as_they_are_to_the_byte(lake: LakeConfig) -> None:
    for symbol in ("BTCUSDT", "ETHUSDT"):
        put_market(symbol)
    rows, ledger = current_fingerprint("BTCUSDT"), ledger_rows("BTCUSDT")
    files = digests(lake, "BTCUSDT")
    assert len(files) == 3
    removed = remove_symbol(writer(), "ETHUSDT")
    assert removed.rows == {
        "aggtrades_history": 100,
        "open_interest_history": 576,
        "klines_5m_history": 288,
    }
    assert set(current_fingerprint("ETHUSDT").values()) == {(0, None)}
    assert ledger_rows("ETHUSDT") == 0
    assert current_fingerprint("BTCUSDT") == rows
    assert (digests(lake, "BTCUSDT"), ledger_rows("BTCUSDT")) == (files, ledger)


def test_what_was_removed_can_still_be_read_as_it_was(lake: LakeConfig) -> None:
    put_market("ETHUSDT")
    merge_small_files(writer())
    cursor = writer().cursor()
    states = {read.version(cursor): current_fingerprint("ETHUSDT")}
    put(
        day("ETHUSDT", 0, "klines", "5m"),
        content=klines_csv(day("ETHUSDT", 0, "klines", "5m"), 200.0),
    )
    states[read.version(cursor)] = current_fingerprint("ETHUSDT")
    put(day("ETHUSDT", 1, "klines", "5m"))
    states[read.version(cursor)] = current_fingerprint("ETHUSDT")
    remove_symbol(writer(), "ETHUSDT")
    merge_small_files(writer())
    free_disk(writer(), 7)
    assert count("ETHUSDT") == 0
    for version, rows in states.items():
        assert fingerprint(cursor, "ETHUSDT", f"AT (VERSION => {version})") == rows


def test_states_older_than_the_undo_time_are_forgotten_and_their_files_deleted(
    lake: LakeConfig,
) -> None:
    put_market("ETHUSDT")
    remove_symbol(writer(), "ETHUSDT")
    put(day("BTCUSDT"))
    merge_small_files(writer())
    change_catalog(
        lake,
        "UPDATE ducklake_snapshot SET snapshot_time = '2024-01-01 00:00:00+00'",
    )
    free_disk(writer(), 3650)
    assert len(parquet_files(lake, "**/symbol=ETHUSDT/*")) == 3
    free_disk(writer(), 7)
    assert len(parquet_files(lake, "**/symbol=ETHUSDT/*")) == 3  # deleted a day later
    change_catalog(
        lake,
        "UPDATE ducklake_files_scheduled_for_deletion "
        "SET schedule_start = '2024-01-01 00:00:00+00'",
    )
    free_disk(writer(), 7)
    assert parquet_files(lake, "**/symbol=ETHUSDT/*") == []
    assert count("BTCUSDT") == 100
    assert set(current_fingerprint("ETHUSDT").values()) == {(0, None)}
    assert len(MARKET_TABLES) == len(current_fingerprint("ETHUSDT"))


def test_a_day_of_a_loaded_month_replaces_its_rows_and_keeps_the_months_line(
    lake: LakeConfig,
) -> None:
    first = day("ETHUSDT", 0, "klines", "5m")
    month = ArchiveFile("ETHUSDT", "klines", "5m", first.start, "monthly")
    broken = klines_csv(first).replace("\n1730505300000,", "\n,", 1)
    assert broken != klines_csv(first)
    put(month, content=broken)
    put(first)
    with read.snapshot() as cursor:
        lines = lines_of(cursor, "ETHUSDT")
        assert len(read.quarantined_rows(cursor, "ETHUSDT")) == 1
    assert [line.range_end.day for line in lines] == [1, 2]
    put(month)
    with read.snapshot() as cursor:
        (line,) = lines_of(cursor, "ETHUSDT")
        assert read.quarantined_rows(cursor, "ETHUSDT") == []
    assert line.rows == count(table="klines_5m_history") == 288
