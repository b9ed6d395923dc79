"""The commands that load: foreground, queue, interruption, the runbook's lines."""

import hashlib
import re
import signal
import socket
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError

from ingestion import console
from ingestion.lake import LakeConfig, read
from ingestion.market.files import ArchiveFile, plan_files
from ingestion.models import ChunkState, IngestionJob, Symbol
from liqheat_project.kernel.runs import RunState
from tests.conftest import worker_environment
from tests.support.archive_files import agg_trades_csv, put_csv, put_zip
from tests.support.archive_server import ArchiveServer
from tests.support.commands import MANAGE, said, shell
from tests.support.services import CHECKOUT, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

FIRST, LAST = date(2024, 11, 1), date(2024, 11, 3)
DATES = ["--symbol", "ETHUSDT", "--start-date", FIRST, "--end-date", LAST]


@pytest.fixture(autouse=True)
def symbol(transactional_db: None, lake: LakeConfig) -> Symbol:
    return Symbol.objects.get_or_create(name="ETHUSDT", defaults={"tick_size": "0.01"})[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three days of everything, in the runbook's layout."""
    place = tmp_path / "data"
    for dataset, interval in (
        ("aggTrades", None),
        ("klines", "15m"),
        ("klines", "1h"),
        ("klines", "5m"),
        ("markPriceKlines", "1m"),
        ("metrics", None),
    ):
        for file in plan_files("ETHUSDT", dataset, interval, FIRST, LAST):
            put_csv(place, file)
    return place


def rows(table: str, columns: str = "*") -> list[tuple]:
    with read.snapshot() as cursor:
        return cursor.execute(f"SELECT {columns} FROM lake.{table} ORDER BY ALL").fetchall()


@pytest.mark.parametrize(
    ("command", "table", "count"),
    [
        (["ingest_aggtrades"], "aggtrades_history", 300),
        (["ingest_oi"], "open_interest_history", 864),
        (["ingest_klines_15m", "--interval", "15m"], "klines_15m_history", 288),
        (["ingest_klines", "--interval", "1h"], "klines_1h_history", 72),
        (
            ["ingest_klines", "--interval", "1m", "--mark-price"],
            "mark_price_klines_1m_history",
            4320,
        ),
    ],
)
def test_a_command_loads_its_dataset_and_says_what_it_did(
    command: list[str], table: str, count: int, folder: Path
) -> None:
    text = said(*command, *DATES, "--data-dir", folder)
    assert rows(table, "count(*)") == [(count,)]
    assert f"rows         {count:,}" in text
    assert "files        3 loaded, 0 unchanged, 0 failed (3 without a .CHECKSUM)" in text
    assert "ETHUSDT is not enabled" in text


def test_a_second_run_changes_nothing_unless_told_to(folder: Path) -> None:
    command = ["ingest_klines_15m", *DATES, "--data-dir", folder]
    said(*command)
    before = rows("klines_15m_history")
    assert "0 loaded, 3 unchanged, 0 failed" in said(*command)
    assert "3 loaded, 0 unchanged, 0 failed" in said(*command, "--reload")
    assert rows("klines_15m_history") == before


def test_the_archive_is_the_source_without_a_folder(tmp_path: Path, settings: Any) -> None:
    Symbol.objects.update(enabled=True)
    for file in plan_files("ETHUSDT", "metrics", None, FIRST, LAST):
        put_zip(tmp_path, file)
    with ArchiveServer(tmp_path) as server:
        settings.ARCHIVE_BASE_URL = server.url
        text = said("ingest_oi", *DATES)
    assert "files        3 loaded, 0 unchanged, 0 failed\n" in text
    assert "Note" not in text
    assert IngestionJob.objects.get().requested_by is None


def test_a_month_is_one_file(tmp_path: Path) -> None:
    file = ArchiveFile("ETHUSDT", "aggTrades", None, FIRST, "monthly")
    put_csv(tmp_path, file)
    text = said("ingest_aggtrades", *DATES, "--data-dir", tmp_path, "--monthly")
    assert "monthly files hold whole months: 2024-11-01 to 2024-11-30" in text
    assert "1 loaded" in text


def test_a_dry_run_writes_nothing(folder: Path) -> None:
    text = said("ingest_aggtrades", *DATES, "--data-dir", folder, "--dry-run")
    assert "checked, nothing written" in text
    assert "rows         300" in text
    assert rows("aggtrades_history") == []


def test_the_throttle_reaches_the_job(folder: Path) -> None:
    said("ingest_aggtrades", *DATES, "--data-dir", folder, "--throttle-ms", 20)
    assert IngestionJob.objects.get().throttle_ms == 20


def test_a_relative_folder_is_taken_from_where_the_user_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    said("ingest_klines_15m", *DATES, "--data-dir", "data")
    assert IngestionJob.objects.get().folder == str(folder)


def test_db_is_accepted_with_a_note(folder: Path) -> None:
    text = said("ingest_oi", *DATES, "--data-dir", folder, "--db", "data/liquidations.duckdb")
    assert "LAKE_CATALOG_URL" in text
    assert "3 loaded" in text


def test_a_failed_file_is_named_with_its_reason_and_fails_the_command(folder: Path) -> None:
    missing = folder / "ETHUSDT/metrics/ETHUSDT-metrics-2024-11-02.csv"
    missing.unlink()
    done = shell("ingest_oi", *DATES, "--data-dir", folder)
    assert done.returncode == 1
    assert "2 loaded, 0 unchanged, 1 failed" in done.stdout
    assert re.search(r"failed: ETHUSDT-metrics-2024-11-02: .*has no ETHUSDT-metrics", done.stderr)
    assert "Traceback" not in done.stderr
    assert IngestionJob.objects.get().state == RunState.FAILED


REFUSED = [
    (["--symbol", "NEWUSDT", *DATES[2:]], "register_symbol NEWUSDT --tick-size"),
    (["--symbol", "ethusdt", *DATES[2:]], "ETHUSDT is"),
    (DATES[:4], "Give --end-date"),
    ([*DATES, "--start-date", "2024-11-31"], "not in the calendar"),
    ([*DATES, "--start-date", "20241101"], "no date like 2024-11-01"),
    ([*DATES, "--start-date", "2024-11-04"], "comes before"),
    ([*DATES, "--start-date", "2019-01-01"], "archive begins"),
    ([*DATES, "--end-date", datetime.now(UTC).date() + timedelta(days=1)], "in the future"),
    ([*DATES, "--data-dir", "no/such/folder"], "is not a folder"),
    ([*DATES, "--throttle-ms", -1], "throttle must be"),
]


def test_what_cannot_be_is_refused_before_there_is_a_job() -> None:
    for arguments, complaint in REFUSED:
        with pytest.raises(CommandError, match=re.escape(complaint)):
            said("ingest_aggtrades", *arguments)
    assert not IngestionJob.objects.exists()


def test_open_interest_has_no_months() -> None:
    with pytest.raises(CommandError, match="no monthly metrics"):
        said("ingest_oi", *DATES, "--monthly")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_leaves_a_cancelled_job(number: int, code: int, folder: Path) -> None:
    options = [*DATES, "--data-dir", folder]
    process = subprocess.Popen(
        [*MANAGE, "ingest_aggtrades", *map(str, options), "--throttle-ms", "1000"],
        env=worker_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline().startswith("1 of 3 files, 100 rows")
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Interrupted" in errors
    assert "Traceback" not in errors
    job = IngestionJob.objects.get()
    assert job.state == RunState.CANCELLED
    states = set(job.chunks.values_list("state", flat=True))
    assert states == {ChunkState.LOADED, ChunkState.CANCELLED}
    loaded = job.chunks.filter(state=ChunkState.LOADED).count()
    assert rows("aggtrades_history", "count(*)") == [(100 * loaded,)]
    said("ingest_aggtrades", *options)
    assert rows("aggtrades_history", "count(*)") == [(300,)]


@pytest.mark.parametrize("option", ["--dry-run", "--data-dir=.", "--queue", "--monthly"])
def test_open_interest_is_not_collected_live_by_who_forgot_the_days(option: str) -> None:
    with pytest.raises(CommandError, match="Give --start-date and --end-date"):
        said("ingest_oi", "--symbol", "ETHUSDT", option)


def test_the_time_zone_of_the_machine_changes_nothing(tmp_path: Path) -> None:
    day = date(2024, 11, 3)  # a day of 25 hours in New York
    for dataset, interval in (("aggTrades", None), ("metrics", None), ("klines", "15m")):
        put_csv(tmp_path, ArchiveFile("ETHUSDT", dataset, interval, day))
    options = ["--symbol", "ETHUSDT", "--start-date", day, "--end-date", day, "--reload"]
    options = [str(option) for option in [*options, "--data-dir", tmp_path]]
    commands = ("ingest_aggtrades", "ingest_oi", "ingest_klines_15m")
    tables = ("aggtrades_history", "open_interest_history", "klines_15m_history", "loaded_files")
    script = f"""
from django.core.management import execute_from_command_line
for command in {commands}:
    execute_from_command_line(["manage.py", command, *{options}])
"""

    def load_in(zone: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=worker_environment() | {"TZ": zone},
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        found = [rows(table, "* EXCLUDE (chunk_id, loaded_at)") for table in tables[3:]]
        found += [rows(table) for table in tables[:3]]
        assert all(found)
        return [hashlib.sha256(repr(content).encode()).hexdigest() for content in found]

    assert load_in("America/New_York") == load_in("UTC")
    assert rows("aggtrades_history", "min(timestamp)") == [(datetime(2024, 11, 3),)]
    assert rows("open_interest_history", "max(timestamp)") == [(datetime(2024, 11, 4),)]
    assert rows("klines_15m_history", "count(*), min(open_time)") == [(96, datetime(2024, 11, 3))]


def test_the_runbooks_lines_work_as_they_stand(tmp_path: Path) -> None:
    for file in plan_files("ETHUSDT", "aggTrades", None, FIRST, date(2024, 11, 30)):
        put_csv(tmp_path, file, agg_trades_csv(file, rows=10))
    for file in plan_files("ETHUSDT", "klines", "15m", FIRST, date(2024, 11, 30)):
        put_zip(tmp_path / "mirror", file)
    script = f"""
set -e
{MANAGE[0]} {MANAGE[1]} ingest_aggtrades \\
  --symbol ETHUSDT \\
  --start-date 2024-11-01 \\
  --end-date 2024-11-30 \\
  --data-dir {tmp_path} \\
  --db data/processed/liquidations.duckdb \\
  --dry-run
{MANAGE[0]} {MANAGE[1]} ingest_aggtrades --symbol ETHUSDT --start-date 2024-11-01 \\
  --end-date 2024-11-07 \\
  --data-dir {tmp_path} \\
  --db data/processed/liquidations.duckdb \\
  --throttle-ms 200
{MANAGE[0]} {MANAGE[1]} lake '''
  SELECT COUNT(*) as trades, MIN(timestamp) as start, MAX(timestamp) as end
  FROM aggtrades_history WHERE symbol = '"'"'ETHUSDT'"'"'
'''
{MANAGE[0]} {MANAGE[1]} ingest_klines_15m \\
  --symbol ETHUSDT \\
  --start-date 2024-11-01 \\
  --end-date 2024-11-30
"""
    with ArchiveServer(tmp_path / "mirror") as server:
        done = subprocess.run(
            ["bash", "-c", script],
            env=worker_environment() | {"ARCHIVE_BASE_URL": server.url},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    assert "30 checked" in done.stdout
    assert "7 loaded" in done.stdout
    assert re.search(r"70 2024-11-01 00:00:00 2024-11-07 21:36:00", done.stdout)
    assert "30 loaded" in done.stdout
    assert rows("klines_15m_history", "count(*)") == [(2880,)]


def test_the_queue_hands_the_files_to_the_workers(worker: Any, folder: Path) -> None:
    text = said("ingest_klines_15m", *DATES, "--data-dir", folder, "--queue")
    job = IngestionJob.objects.get()
    assert f"Job {job.pk} is queued: 3 files of ETHUSDT klines 15m" in text
    assert f"/admin/ingestion/ingestionjob/{job.pk}/change/" in text
    assert "no worker" not in text
    wait_until(lambda: IngestionJob.objects.get().has_ended, 30, "the job to end")
    assert IngestionJob.objects.get().state == RunState.SUCCEEDED
    assert rows("klines_15m_history", "count(*)") == [(288,)]


def test_the_queue_says_when_nobody_works_on_it(folder: Path) -> None:
    text = said("ingest_oi", *DATES, "--data-dir", folder, "--queue")
    assert "no worker answers" in text
    assert IngestionJob.objects.get().state == RunState.QUEUED


def test_without_a_broker_there_is_no_job(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REDIS_URL = "redis://:secret@127.0.0.1:9/0"
    with pytest.raises(CommandError, match=r"No broker answers at 127\.0\.0\.1:9") as caught:
        said("ingest_oi", *DATES, "--queue")
    assert "secret" not in str(caught.value)
    monkeypatch.setattr(console, "BROKER_TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        with pytest.raises(CommandError, match="No broker answers"):
            said("ingest_oi", *DATES, "--queue")
    assert not IngestionJob.objects.exists()


def test_a_broker_that_goes_away_leaves_no_queued_job() -> None:
    script = f"""
import django; django.setup()
from django.core.management import call_command
from ingestion import console
console.require_broker = lambda hint: None  # it answered a moment ago
call_command("ingest_oi", *{list(map(str, DATES))!r}, "--queue")
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=worker_environment() | {"REDIS_URL": "redis://127.0.0.1:9/0"},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "The broker does not answer" in done.stderr
    assert IngestionJob.objects.get().state == RunState.CANCELLED
