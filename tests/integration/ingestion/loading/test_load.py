"""Jobs loaded for real: files on disk or over HTTP, Django's database, the lake."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from ingestion.lake import LakeConfig, read, rows_within
from ingestion.lake.ledger import lines_of
from ingestion.loading import jobs, load
from ingestion.market.files import ArchiveFile, plan_files
from ingestion.models import Chunk, ChunkState, IngestionJob, Symbol
from liqheat_project.kernel.logs import EVENTS
from liqheat_project.kernel.runs import RunState
from tests.support.archive_files import agg_trades_csv, put_csv, put_zip
from tests.support.archive_server import ArchiveServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]

FIRST, LAST = date(2024, 11, 1), date(2024, 11, 3)


@pytest.fixture
def symbol(transactional_db: None) -> Symbol:
    return Symbol.objects.get_or_create(name="ETHUSDT", defaults={"tick_size": "0.01"})[0]


@pytest.fixture(autouse=True)
def quick_retries(settings: Any) -> None:
    settings.RETRY_BACKOFF_SECONDS = 0.05
    settings.CHUNK_MAX_ATTEMPTS = 3


def run(job: IngestionJob) -> IngestionJob:
    load.run_here(job, lambda job: None)
    job.refresh_from_db()
    return job


def folder_job(symbol: Symbol, folder: Path, *datasets: str, **options: Any) -> IngestionJob:
    return jobs.create_job(
        symbol, datasets, FIRST, LAST, source="folder", folder=str(folder), **options
    )


def trades(symbol: str = "ETHUSDT") -> list[tuple]:
    with read.snapshot() as cursor:
        return cursor.execute(
            "SELECT * FROM lake.aggtrades_history WHERE symbol = ? ORDER BY timestamp", [symbol]
        ).fetchall()


def test_every_dataset_of_a_folder_is_loaded(
    symbol: Symbol, lake: LakeConfig, tmp_path: Path
) -> None:
    for dataset, interval in (("aggTrades", None), ("klines", "15m"), ("metrics", None)):
        for file in plan_files("ETHUSDT", dataset, interval, FIRST, LAST):
            put_csv(tmp_path, file)
    job = run(folder_job(symbol, tmp_path, "aggTrades", "klines 15m", "metrics"))
    assert (job.state, job.steps_done, job.steps_total) == (RunState.SUCCEEDED, 9, 9)
    with read.snapshot() as cursor:
        counts = rows_within(cursor, "ETHUSDT")
        lines = lines_of(cursor, "ETHUSDT")
    assert counts["aggtrades_history"] == 300
    assert counts["klines_15m_history"] == 3 * 96
    assert counts["open_interest_history"] == 3 * 288
    assert sum(line.rows for line in lines) == job.totals()["rows"] == 300 + 3 * 96 + 3 * 288
    assert not any(line.verified for line in lines)


def test_the_archive_is_loaded_over_http_and_verified(
    symbol: Symbol, lake: LakeConfig, tmp_path: Path, settings: Any
) -> None:
    for file in plan_files("ETHUSDT", "klines", "5m", FIRST, LAST):
        put_zip(tmp_path, file)
    with ArchiveServer(tmp_path) as server:
        settings.ARCHIVE_BASE_URL = server.url
        job = run(jobs.create_job(symbol, ["klines 5m"], FIRST, LAST))
    assert job.state == RunState.SUCCEEDED
    assert all(chunk.verified and len(chunk.sha256) == 64 for chunk in job.chunks.all())


def test_loading_a_day_twice_leaves_the_same_rows(
    symbol: Symbol, lake: LakeConfig, tmp_path: Path
) -> None:
    for file in plan_files("ETHUSDT", "aggTrades", None, FIRST, LAST):
        put_csv(tmp_path, file)
    run(folder_job(symbol, tmp_path, "aggTrades"))
    before = trades()
    again = run(folder_job(symbol, tmp_path, "aggTrades", reload=True))
    assert {chunk.state for chunk in again.chunks.all()} == {ChunkState.LOADED}
    assert trades() == before


def test_a_file_that_is_loaded_already_is_left_alone_and_says_so(
    symbol: Symbol, lake: LakeConfig, tmp_path: Path
) -> None:
    for file in plan_files("ETHUSDT", "aggTrades", None, FIRST, LAST):
        put_csv(tmp_path, file)
    run(folder_job(symbol, tmp_path, "aggTrades"))
    second = run(folder_job(symbol, tmp_path, "aggTrades"))
    assert second.state == RunState.SUCCEEDED
    for chunk in second.chunks.all():
        assert chunk.state == ChunkState.UNCHANGED
        assert "has been in the lake since" in chunk.reason


def test_a_changed_file_replaces_its_day_only(
    symbol: Symbol, lake: LakeConfig, tmp_path: Path
) -> None:
    files = plan_files("ETHUSDT", "aggTrades", None, FIRST, LAST)
    for file in files:
        put_csv(tmp_path, file)
    run(folder_job(symbol, tmp_path, "aggTrades"))
    put_csv(tmp_path, files[1], agg_trades_csv(files[1], rows=107))
    job = run(folder_job(symbol, tmp_path, "aggTrades"))
    states = [chunk.state for chunk in job.chunks.all()]
    assert states == [ChunkState.UNCHANGED, ChunkState.LOADED, ChunkState.UNCHANGED]
    assert len(trades()) == 100 + 107 + 100


def test_a_missing_file_fails_the_job_and_the_others_load(
    symbol: Symbol, lake: LakeConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", EVENTS)
    files = plan_files("ETHUSDT", "aggTrades", None, FIRST, LAST)
    for file in (files[0], files[2]):
        put_csv(tmp_path, file)
    job = run(folder_job(symbol, tmp_path, "aggTrades"))
    assert (job.state, job.error) == (RunState.FAILED, "1 of 3 files failed")
    failed = job.chunks.get(state=ChunkState.FAILED)
    assert "ETHUSDT-aggTrades-2024-11-02" in failed.reason
    assert failed.attempts == 1
    assert len(trades()) == 200
    lines = [record.fields for record in caplog.records if record.getMessage() == "file"]
    assert [(line["file"][-10:], line["state"], line.get("rows")) for line in lines] == [
        ("2024-11-01", "loaded", 100),
        ("2024-11-02", "failed", None),
        ("2024-11-03", "loaded", 100),
    ]

    put_csv(tmp_path, files[1])
    assert jobs.retry_failed(job) == [failed.pk]
    job = run(job)
    assert (job.state, job.error, len(trades())) == (RunState.SUCCEEDED, "", 300)


def test_a_source_in_trouble_is_tried_again_and_then_given_up(
    symbol: Symbol, lake: LakeConfig, tmp_path: Path, settings: Any
) -> None:
    file = ArchiveFile("ETHUSDT", "aggTrades", None, FIRST)
    put_zip(tmp_path, file)
    settings.ARCHIVE_BASE_URL = "http://127.0.0.1:9"
    job = run(jobs.create_job(symbol, ["aggTrades"], FIRST, FIRST))
    chunk = job.chunks.get()
    assert (job.state, chunk.state, chunk.attempts) == (RunState.FAILED, ChunkState.FAILED, 3)
    assert "127.0.0.1:9" in chunk.reason


def test_a_dry_run_checks_and_counts_but_writes_nothing(
    symbol: Symbol, lake: LakeConfig, tmp_path: Path
) -> None:
    for file in plan_files("ETHUSDT", "aggTrades", None, FIRST, LAST):
        put_csv(tmp_path, file)
    job = run(folder_job(symbol, tmp_path, "aggTrades", dry_run=True))
    assert {chunk.state for chunk in job.chunks.all()} == {ChunkState.CHECKED}
    assert job.totals()["rows"] == 300
    assert trades() == []
    assert not list(lake.data_path.rglob("*.parquet"))


def test_a_file_with_fewer_rows_needs_a_decision_which_a_dry_run_says_too(
    symbol: Symbol, lake: LakeConfig, tmp_path: Path
) -> None:
    files = plan_files("ETHUSDT", "aggTrades", None, FIRST, LAST)
    for file in files:
        put_csv(tmp_path, file)
    run(folder_job(symbol, tmp_path, "aggTrades"))
    put_csv(tmp_path, files[1], agg_trades_csv(files[1], rows=30))
    tried = [run(folder_job(symbol, tmp_path, "aggTrades", dry_run=dry)) for dry in (True, False)]
    for job, others in zip(tried, (ChunkState.CHECKED, ChunkState.UNCHANGED), strict=True):
        assert (job.state, job.error) == (RunState.FAILED, "1 of 3 files need a decision")
        states = [chunk.state for chunk in job.chunks.all()]
        assert states == [others, ChunkState.UNDECIDED, others]
        reason = job.chunks.all()[1].reason
        assert "has 30 rows on 2024-11-02, and the lake holds 100" in reason
    for job, rows in zip(tried, (300, 230), strict=True):
        jobs.accept(job)
        assert run(job).state == RunState.SUCCEEDED
        assert len(trades()) == rows


def test_a_cancelled_job_writes_nothing_more(
    symbol: Symbol, lake: LakeConfig, tmp_path: Path
) -> None:
    for file in plan_files("ETHUSDT", "aggTrades", None, FIRST, LAST):
        put_csv(tmp_path, file)
    job = folder_job(symbol, tmp_path, "aggTrades")
    first = job.chunks.first()
    assert first is not None
    load.load_chunk(first.pk)
    assert jobs.cancel(job) == 2
    for chunk in job.chunks.all():
        load.load_chunk(chunk.pk)
    job.refresh_from_db()
    assert job.state == RunState.CANCELLED
    assert len(trades()) == 100


def test_a_dead_workers_chunk_is_found_and_loaded(
    symbol: Symbol, lake: LakeConfig, tmp_path: Path
) -> None:
    put_csv(tmp_path, ArchiveFile("ETHUSDT", "aggTrades", None, FIRST))
    job = jobs.create_job(
        symbol, ["aggTrades"], FIRST, FIRST, source="folder", folder=str(tmp_path)
    )
    gone = timezone.now() - timedelta(seconds=1)
    Chunk.objects.filter(job=job).update(
        state=ChunkState.RUNNING, attempts=1, lease_token="0" * 32, lease_until=gone
    )
    jobs.settle(job)
    (chunk_id,) = jobs.sweep(timezone.now())
    load.load_chunk(chunk_id)
    chunk = job.chunks.get()
    assert (chunk.state, chunk.attempts, len(trades())) == (ChunkState.LOADED, 2, 100)


def test_a_chunk_in_another_workers_hands_is_left_alone(
    symbol: Symbol, lake: LakeConfig, tmp_path: Path
) -> None:
    put_csv(tmp_path, ArchiveFile("ETHUSDT", "aggTrades", None, FIRST))
    job = jobs.create_job(
        symbol, ["aggTrades"], FIRST, FIRST, source="folder", folder=str(tmp_path)
    )
    later = timezone.now() + timedelta(seconds=60)
    Chunk.objects.filter(job=job).update(
        state=ChunkState.RUNNING, lease_token="0" * 32, lease_until=later
    )
    load.load_chunk(job.chunks.get().pk)
    assert job.chunks.get().state == ChunkState.RUNNING
    assert trades() == []
    assert jobs.sweep(timezone.now()) == []


def test_workers_that_die_on_a_chunk_again_and_again_fail_it(
    symbol: Symbol, lake: LakeConfig, tmp_path: Path
) -> None:
    job = folder_job(symbol, tmp_path, "aggTrades")
    gone = timezone.now() - timedelta(seconds=1)
    Chunk.objects.filter(job=job).update(
        state=ChunkState.RUNNING, attempts=3, lease_token="0" * 32, lease_until=gone
    )
    for chunk_id in jobs.sweep(timezone.now()):
        load.load_chunk(chunk_id)
    job.refresh_from_db()
    assert (job.state, job.error) == (RunState.FAILED, "3 of 3 files failed")
    assert "its worker died" in job.chunks.all()[0].reason


def test_a_commit_that_was_not_reported_is_not_loaded_twice(
    symbol: Symbol, lake: LakeConfig, tmp_path: Path
) -> None:
    """The worker died after the lake's commit and before its row said so."""
    put_csv(tmp_path, ArchiveFile("ETHUSDT", "aggTrades", None, FIRST))
    job = jobs.create_job(
        symbol, ["aggTrades"], FIRST, FIRST, source="folder", folder=str(tmp_path)
    )
    run(job)
    with read.snapshot() as cursor:
        before = read.version(cursor)
    Chunk.objects.filter(job=job).update(state=ChunkState.PENDING, rows=0)
    jobs.settle(job)
    load.load_chunk(job.chunks.get().pk)
    chunk = job.chunks.get()
    assert (chunk.state, chunk.rows) == (ChunkState.LOADED, 100)
    with read.snapshot() as cursor:
        assert read.version(cursor) == before


def test_bad_rows_are_kept_aside_and_counted(
    symbol: Symbol, lake: LakeConfig, tmp_path: Path
) -> None:
    file = ArchiveFile("ETHUSDT", "aggTrades", None, FIRST)
    lines = agg_trades_csv(file).splitlines()
    lines[5] = lines[5].replace(lines[5].split(",")[1], "cheap", 1)
    put_csv(tmp_path, file, "\n".join(lines) + "\n")
    job = jobs.create_job(
        symbol, ["aggTrades"], FIRST, FIRST, source="folder", folder=str(tmp_path)
    )
    run(job)
    assert job.totals() | {"bytes": 0} == {
        "rows": 99,
        "bytes": 0,
        "quarantined": 1,
        "duplicates": 0,
    }
    with read.snapshot() as cursor:
        (row,) = read.quarantined_rows(cursor, "ETHUSDT")
    assert (row["line"], row["raw"]) == (6, lines[5])
    run(folder_job(symbol, tmp_path, "aggTrades", reload=True))
    with read.snapshot() as cursor:
        assert len(read.quarantined_rows(cursor, "ETHUSDT")) == 1


def test_running_again_reloads_what_is_there(
    symbol: Symbol, lake: LakeConfig, tmp_path: Path
) -> None:
    for file in plan_files("ETHUSDT", "aggTrades", None, FIRST, LAST):
        put_csv(tmp_path, file)
    job = run(folder_job(symbol, tmp_path, "aggTrades"))
    again = run(jobs.run_again(job))
    assert again.pk != job.pk
    assert {chunk.state for chunk in again.chunks.all()} == {ChunkState.LOADED}
    assert len(trades()) == 300
