"""`manage.py lake`: SQL over the lake that can read the lake and do nothing else."""

import csv
import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from django.core.management import CommandError, call_command

from ingestion.errors import BadQuery
from ingestion.lake import LakeConfig, query, writer
from ingestion.models import Symbol
from tests.conftest import copied_lake, worker_environment
from tests.support.commands import MANAGE, said

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def data_folder(empty_lake: LakeConfig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two days of open interest of ETHUSDT in a lake of this module; the folder of its files."""
    with copied_lake(tmp_path_factory.mktemp("queries"), empty_lake) as config:
        with writer().transaction() as cursor:
            cursor.execute(
                """
                INSERT INTO lake.open_interest_history
                SELECT 'ETHUSDT', TIMESTAMP '2024-11-01' + to_minutes(5 * i), 1000, 100000,
                       'archive'
                FROM range(1, 577) steps(i)
                """
            )
        yield config.data_path


@pytest.fixture(autouse=True)
def symbols(transactional_db: None, data_folder: Path) -> None:
    for name in ("ETHUSDT", "BTCUSDT"):
        Symbol.objects.get_or_create(name=name, defaults={"tick_size": "0.01"})


def test_the_runbooks_queries_need_no_prefix_and_may_quote_a_symbol_twice() -> None:
    assert "576" in said(
        "lake", "SELECT COUNT(*) FROM open_interest_history WHERE symbol = 'ETHUSDT'"
    )
    assert "576" in said(
        "lake", 'SELECT COUNT(*) FROM open_interest_history WHERE symbol = "ETHUSDT"'
    )
    text = said(
        "lake",
        """
  SELECT COUNT(*) as snapshots, AVG(open_interest_value) as avg_oi
  FROM open_interest_history
  WHERE symbol = 'ETHUSDT'
  AND timestamp > ?
""",
        "2024-11-02 12:00:00",
    )
    assert text.split() == ["snapshots", "avg_oi", "144", "100,000.0"]


def test_only_a_registered_symbol_becomes_text() -> None:
    assert said("lake", """SELECT 'a "ETHUSDT" b' AS quoted""").split()[1:] == [
        "a",
        '"ETHUSDT"',
        "b",
    ]
    assert said("lake", 'SELECT 7 AS "ETHUSDT"').split() == ["ETHUSDT", "7"]
    with pytest.raises(CommandError, match="NOSUCH"):
        said("lake", 'SELECT count(*) FROM open_interest_history WHERE symbol = "NOSUCH"')


def test_a_table_for_people() -> None:
    text = said("lake", "SELECT *, NULL AS nothing FROM open_interest_history ORDER BY 2 LIMIT 1")
    header, row = (line.split() for line in text.splitlines())
    assert header[:2] == ["symbol", "timestamp"]
    assert row == [
        "ETHUSDT", "2024-11-01", "00:05:00", "1,000.0", "100,000.0", "archive", "NULL",
    ]  # fmt: skip
    many = said("lake", "SELECT * FROM open_interest_history, range(2)")
    assert len(many.splitlines()) == 1 + 1000 + 1
    assert "the first 1,000 rows" in many
    assert said("lake", "SELECT 1 WHERE false").strip() == "No rows."
    assert "PROJECTION" in said("lake", "EXPLAIN SELECT 1")


def test_csv_and_json_hold_all_rows(capsys: pytest.CaptureFixture[str]) -> None:
    sql = "SELECT timestamp, open_interest_contracts AS contracts, NULL AS nothing FROM "
    sql += "open_interest_history, range(2) ORDER BY timestamp"
    call_command("lake", sql, "--csv")
    lines = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    call_command("lake", sql, "--json")
    objects = json.loads(capsys.readouterr().out)
    assert len(lines) == len(objects) == 1152
    assert lines[0] == {"timestamp": "2024-11-01 00:05:00", "contracts": "1000.0", "nothing": ""}
    assert objects[0] == {"timestamp": "2024-11-01T00:05:00", "contracts": 1000, "nothing": None}


def test_every_form_of_reading_is_allowed() -> None:
    assert "open_interest_history" in said("lake", "SHOW TABLES")
    sealed = query.sealed_lake()
    for sql in (
        "DESCRIBE open_interest_history",
        "FROM open_interest_history",
        "WITH a AS (SELECT 1 AS x) SELECT x FROM a;",
        "SUMMARIZE open_interest_history",
        "EXPLAIN ANALYZE SELECT * FROM open_interest_history",
        "SELECT count(*) FROM lake.open_interest_history AT (VERSION => 1)",
        "SELECT range, unnest([1]) FROM range(3)",
        "SELECT count(*) FROM information_schema.tables",
        "SELECT now() - INTERVAL 1 HOUR",
    ):
        assert list(query.run(sealed, sql).rows)


def test_nothing_else_than_one_reading_statement_is_run(data_folder: Path, tmp_path: Path) -> None:
    sealed = query.sealed_lake()
    inside, outside = data_folder / "stolen.csv", tmp_path / "stolen.csv"
    for sql in (
        "",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE open_interest_history",
        "DELETE FROM open_interest_history",
        "WITH a AS (SELECT 1) DELETE FROM open_interest_history",
        "INSERT INTO open_interest_history FROM open_interest_history",
        f"COPY (SELECT 1) TO '{outside}'",
        f"COPY (SELECT 1) TO '{inside}'",
        f"EXPLAIN ANALYZE COPY (SELECT 1) TO '{inside}'",
        f"EXPLAIN ANALYZE /* x */ COPY (SELECT 1) TO '{inside}'",
        f"EXPORT DATABASE '{tmp_path}/export'",
        f"ATTACH '{tmp_path}/new.duckdb'",
        "DETACH lake",
        "USE memory",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "PRAGMA database_list",
        "CALL ducklake_expire_snapshots('lake', older_than => now()::TIMESTAMP)",
        "CREATE TABLE x AS SELECT 1",
        "PREPARE x AS SELECT 1",
        "CHECKPOINT",
    ):
        with pytest.raises(BadQuery):
            list(query.run(sealed, sql).rows)
            pytest.fail(f"ran: {sql}")
    assert not inside.exists()
    assert not outside.exists()
    assert not (tmp_path / "new.duckdb").exists()
    assert "576" in said("lake", "SELECT count(*) FROM open_interest_history")


def test_nothing_outside_of_the_lake_is_read(tmp_path: Path) -> None:
    sealed = query.sealed_lake()
    secret = tmp_path / "secret.csv"
    secret.write_text("password\nhunter2\n")
    database = sqlite3.connect(tmp_path / "other.sqlite3")
    database.execute("CREATE TABLE secret AS SELECT 'hunter2' AS password")
    database.commit()
    database.close()
    for table in (
        f"'{secret}'",
        f"read_csv('{secret}')",
        f"read_text('{secret}')",
        f"glob('{tmp_path}/*')",
        f"sniff_csv('{secret}')",
        f"sqlite_scan('{tmp_path}/other.sqlite3', 'secret')",
        f"query('FROM read_csv(''{secret}'')')",
        "postgres_scan('host=127.0.0.1', 'public', 'secret')",
        "__ducklake_metadata_lake.ducklake_metadata",
        "duckdb_secrets()",
        "secret",
    ):
        for sql in (
            f"SELECT * FROM {table}",
            f"SELECT (SELECT count(*) FROM {table})",
            f"WITH a AS (FROM {table}) FROM a",
            f"SUMMARIZE SELECT * FROM {table}",
        ):
            with pytest.raises(BadQuery):
                pytest.fail(f"{sql}: {list(query.run(sealed, sql).rows)}")


def test_duckdb_itself_is_sealed_too(tmp_path: Path) -> None:
    """The second fence, for what the first one may not know."""
    cursor = query.sealed_lake().cursor()
    (tmp_path / "secret.csv").write_text("password\nhunter2\n")
    visible_to_python = duckdb.sql("SELECT 'hunter2'")
    for sql in (
        f"FROM read_csv('{tmp_path}/secret.csv')",
        f"COPY (SELECT 1) TO '{tmp_path}/stolen.csv'",
        f"ATTACH '{tmp_path}/new.duckdb'",
        "SET enable_external_access = true",
        "SET threads = 1",
        "FROM visible_to_python",
        "DELETE FROM lake.open_interest_history",
    ):
        with pytest.raises(duckdb.Error):
            cursor.execute(sql)
            pytest.fail(f"ran: {sql}")
    assert visible_to_python.fetchall()
    assert cursor.execute("SELECT count(*) FROM lake.open_interest_history").fetchone() == (576,)


def test_an_error_is_one_clear_line() -> None:
    with pytest.raises(CommandError, match="nonsense") as caught:
        said("lake", "SELECT nonsense FROM open_interest_history")
    assert "\n" not in str(caught.value)
    assert caught.value.returncode == 1


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as closed:
        done = subprocess.run(
            [*MANAGE, "lake", "SELECT * FROM open_interest_history, range(100)", "--csv"],
            env=worker_environment(),
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (done.returncode, done.stderr) == (0, "")
