"""Sessions on PostgreSQL that end, hang or are shared while the lake is written."""

import os
import pwd
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from ingestion.errors import LakeBusy, OutcomeUnknown, RefusedCatalogue
from ingestion.lake import LakeConfig, configure, read, write_lock, writer
from ingestion.lake.connection import Lake
from ingestion.lake.liquidations import Heard, add_liquidations
from ingestion.lake.live import add_open_interest
from ingestion.market.records import Liquidation, OpenInterestFigure
from liqheat_project.kernel.postgres import SERVER
from liqheat_project.launcher.processes import spawn
from tests.support.lake_days import count, day, ledger_rows, parquet_files, put, run_in_processes
from tests.support.services import free_port, wait_until

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.skipif("config.getoption('--database') == 'sqlite'"),
]

AT_MS = 1_730_419_200_000


def put_day() -> None:
    put(day(dataset="metrics"))


def collect() -> None:
    figures = [OpenInterestFigure("ETHUSDT", AT_MS + minute * 60_000, 5.0) for minute in range(288)]
    add_open_interest(
        writer(), figures, [None] * 288, "test", lambda: ["ETHUSDT"], datetime.now(UTC)
    )


def record() -> None:
    events = [
        Liquidation("ETHUSDT", AT_MS + minute * 60_000, "long", 1.0, 1.0, 1.0)
        for minute in range(288)
    ]
    heard = [Heard("ETHUSDT", AT_MS, AT_MS + 600_000)]
    add_liquidations(writer(), events, heard, [], lambda: ["ETHUSDT"])


def end_sessions(config: LakeConfig, holding: str = "locktype = 'advisory'") -> None:
    with psycopg.connect(config.catalog_url, autocommit=True) as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database AS base "
            f"ON base.oid = database WHERE datname = current_database() AND {holding} "
            "AND pid <> pg_backend_pid()"
        ).fetchall()
    assert ended


def before_the_commit(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    commit = Lake._commit

    def late(self: Lake, cursor: object) -> None:
        monkeypatch.setattr(Lake, "_commit", commit)
        happens()
        commit(self, cursor)  # type: ignore[arg-type]

    monkeypatch.setattr(Lake, "_commit", late)


@pytest.mark.parametrize(
    ("write", "table"),
    [
        (put_day, "open_interest_history"),
        (collect, "open_interest_history"),
        (record, "liquidation_events"),
    ],
)
def test_a_lock_lost_before_the_commit_lets_one_of_two_writers_through(
    lake: LakeConfig,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[], None],
    table: str,
) -> None:
    def taken_over() -> None:
        end_sessions(lake)
        run_in_processes(lake, [(write, ())])

    before_the_commit(monkeypatch, taken_over)
    with pytest.raises(LakeBusy, match="conflict"):
        write()
    assert count(table=table) == 288
    assert len(parquet_files(lake)) == (write is put_day)
    write()
    assert count(table=table) == 288
    if write is not record:
        assert ledger_rows("ETHUSDT") == 288


def test_a_lock_lost_to_nobody_costs_nothing(
    lake: LakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_the_commit(monkeypatch, lambda: end_sessions(lake))
    put_day()
    assert count(table="open_interest_history") == ledger_rows("ETHUSDT") == 288


def test_a_catalogue_lost_in_the_commit_leaves_the_file_that_may_be_part_of_it(
    lake: LakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_the_commit(
        monkeypatch, lambda: end_sessions(lake, "relation::regclass::text LIKE 'ducklake%'")
    )
    with pytest.raises(OutcomeUnknown):
        put_day()
    assert len(parquet_files(lake)) == 1
    put_day()
    assert count(table="open_interest_history") == ledger_rows("ETHUSDT") == 288


def test_both_ends_of_the_locks_session_look_after_the_other(lake: LakeConfig) -> None:
    with write_lock(lake), psycopg.connect(lake.postgres_dsn) as connection:
        found = {name: connection.execute(f"SHOW {name}").fetchall()[0][0] for name in SERVER}
        own = connection.info.get_parameters()
    assert found == {name: str(value) for name, value in SERVER.items()}
    assert (own["keepalives_idle"], own["tcp_user_timeout"]) == ("5", "20000")


def open_and_read() -> int:
    return len(writer().cursor().execute("FROM lake.loaded_files").fetchall()) + count()


def test_who_reads_does_not_wait_for_who_writes(lake: LakeConfig) -> None:
    put(day())
    with write_lock(lake):
        assert run_in_processes(lake, [(open_and_read, ())]) == [101]


@contextmanager
def pooled(url: str, mode: str) -> Iterator[str]:
    """PgBouncer in front of the server of `url`."""
    program = shutil.which("pgbouncer")
    if not program:
        pytest.skip("pgbouncer is not installed")
    server, port = urlsplit(url), free_port()
    folder = Path(tempfile.mkdtemp())  # PgBouncer does not run as root, and must read it
    folder.chmod(0o777)
    (folder / "users").write_text(f'"postgres" "{server.password}"\n')
    (folder / "ini").write_text(
        f"[databases]\n* = host={server.hostname} port={server.port}\n[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = plain\nauth_file = {folder}/users\npool_mode = {mode}\n"
        "ignore_startup_parameters = options\n"
    )
    for name in ("users", "ini"):
        (folder / name).chmod(0o644)  # the program's own umask allows nobody else
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    process = spawn([program, str(folder / "ini")], folder / "log", user=user)
    address = server._replace(netloc=f"postgres:{server.password}@127.0.0.1:{port}").geturl()

    def answers() -> bool:
        try:
            psycopg.connect(address).close()
        except psycopg.OperationalError:
            return False
        return True

    try:
        wait_until(answers, 20, f"pgbouncer; its log is {folder / 'log'}")
        yield address
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def test_a_pooler_that_gives_the_lock_to_others_is_refused(
    lake: LakeConfig,
) -> None:
    put(day())
    for mode in ("transaction", "session"):
        with pooled(lake.catalog_url, mode) as address:
            configure(replace(lake, catalog_url=address))
            if mode == "transaction":
                with pytest.raises(RefusedCatalogue, match="the PostgreSQL server itself"):
                    writer()
            else:
                with read.snapshot() as cursor:
                    assert cursor.execute("FROM lake.loaded_files").fetchall()
