"""Two at once on the same chunk, job or day, and the moments in between."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from ingestion.lake import LakeConfig, write_lock, writer
from ingestion.loading import jobs, lease, load
from ingestion.market.files import ArchiveFile, plan_files
from ingestion.models import Chunk, ChunkState, IngestionJob
from ingestion.symbols import rollback
from liqheat_project.kernel.runs import RunState
from tests.faults.conftest import DAYS, WORKER_SETTINGS
from tests.support.archive_files import klines_csv, put_csv
from tests.support.lake_days import FIRST, count, ledger_rows, parquet_files
from tests.support.services import Worker, wait_until
from tests.support.steps import load_here, send, wait_for_end

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]

Plan = Callable[..., IngestionJob]


@pytest.fixture
def three_metrics(symbol: Any, lake: LakeConfig, tmp_path: Path) -> IngestionJob:
    """A job of three small files, which one lease takes together."""
    last = FIRST + timedelta(days=2)
    for file in plan_files("ETHUSDT", "metrics", None, FIRST, last):
        put_csv(tmp_path, file)
    return jobs.create_job(symbol, ["metrics"], FIRST, last, source="folder", folder=str(tmp_path))


@contextmanager
def background(*calls: Callable[[], Any]) -> Iterator[list[Future]]:
    def run(call: Callable[[], Any]) -> Any:
        try:
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        yield [pool.submit(run, call) for call in calls]


def states(job: IngestionJob) -> list[str]:
    return [chunk.state for chunk in job.chunks.all()]


def first_chunk(job: IngestionJob) -> Chunk:
    chunk = job.chunks.first()
    assert chunk is not None
    return chunk


def test_an_error_that_nobody_foresaw_is_tried_again(
    five_days: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = five_days(throttle_ms=0)
    chunk_id = first_chunk(job).pk

    def fail(*_: object) -> None:
        raise MemoryError("no room to think")

    with monkeypatch.context() as patch:
        patch.setattr(load, "parse", fail)
        outcome = load.load_chunk(chunk_id)
    assert list(outcome.retries) == [chunk_id]
    chunk = first_chunk(job)
    assert chunk.state == ChunkState.WAITING
    assert "no room to think" in chunk.reason
    job.refresh_from_db()
    assert job.state == RunState.RUNNING
    load_here(job)
    assert (job.state, count()) == (RunState.SUCCEEDED, DAYS * 100)


def test_a_heartbeat_outlives_a_database_that_fails_once(
    five_days: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "HEARTBEAT_SECONDS", 0.05)
    held = lease.take(first_chunk(five_days()).pk)
    assert held is not None
    Chunk.objects.filter(pk=held.chunks[0].pk).update(lease_until=timezone.now())
    failed = threading.Event()
    real = lease._lease_end

    def fail_once(now: Any) -> Any:
        if not failed.is_set():
            failed.set()
            raise OperationalError("database is locked")
        return real(now)

    monkeypatch.setattr(lease, "_lease_end", fail_once)
    with held.kept_alive():
        wait_until(
            lambda: Chunk.objects.get(pk=held.chunks[0].pk).lease_until > timezone.now(),
            10,
            "a sign of life after the failed one",
        )
    assert failed.is_set()


def test_what_was_tried_before_goes_alone(three_metrics: IngestionJob) -> None:
    """A file that kills its worker must not take its neighbours' attempts along."""
    first, second, third = three_metrics.chunks.all()
    Chunk.objects.filter(pk=second.pk).update(attempts=1)
    held = lease.take(first.pk)
    assert held is not None
    assert [chunk.pk for chunk in held.chunks] == [first.pk, third.pk]
    alone = lease.take(second.pk)
    assert alone is not None
    assert [chunk.pk for chunk in alone.chunks] == [second.pk]


def test_the_rest_of_a_batch_is_given_back_when_one_is_taken_away(
    three_metrics: IngestionJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = three_metrics.chunks.all()
    real = load.replace_files

    def steal_one(*arguments: Any) -> None:
        Chunk.objects.filter(pk=third.pk).update(lease_token="1" * 32)
        real(*arguments)

    monkeypatch.setattr(load, "replace_files", steal_one)
    outcome = load.load_chunk(first.pk)
    assert states(three_metrics) == [ChunkState.WAITING, ChunkState.WAITING, ChunkState.RUNNING]
    assert sorted(outcome.retries) == [first.pk, second.pk]
    assert count(table="open_interest_history") == 0


def test_a_message_that_comes_twice_at_once_loads_once(five_days: Plan) -> None:
    chunk_id = first_chunk(five_days(throttle_ms=300)).pk
    with background(*[lambda: load.load_chunk(chunk_id)] * 4) as futures:
        for future in futures:
            future.result(30)
    chunk = Chunk.objects.get(pk=chunk_id)
    assert (chunk.state, chunk.attempts) == (ChunkState.LOADED, 1)
    assert count() == ledger_rows("ETHUSDT") == 100


def test_a_message_for_a_chunk_that_is_gone_is_ignored(five_days: Plan) -> None:
    assert load.load_chunk(10**9) == load.Outcome()


def test_a_job_ends_once_however_many_say_so(five_days: Plan) -> None:
    job = five_days()
    job.chunks.update(state=ChunkState.LOADED)
    with background(*[lambda: jobs.settle(job)] * 6) as futures:
        ended = [future.result(30) for future in futures]
    assert ended.count(True) == 1


@pytest.mark.parametrize("roll_back", [False, True])
def test_nothing_lands_after_a_cancel_that_finds_the_load_waiting_for_the_lock(
    five_days: Plan, lake: LakeConfig, roll_back: bool
) -> None:
    job = five_days(throttle_ms=0)
    chunk_id = first_chunk(job).pk
    writer()  # opening it takes the lock too
    with background(lambda: load.load_chunk(chunk_id)) as (loading,), write_lock(lake):
        wait_until(lambda: parquet_files(lake) or loading.done(), 30, "the load to stage its file")
        assert not loading.done()
        jobs.cancel(job)  # the first half of a rollback; the second waits for the lock
    loading.result(30)
    if roll_back:
        rollback.roll_back(job.symbol)
    assert first_chunk(job).state == ChunkState.CANCELLED
    assert count() == ledger_rows("ETHUSDT") == 0
    assert parquet_files(lake) == []


def test_of_two_jobs_that_read_the_same_file_at_once_the_second_says_that_it_is_there(
    five_days: Plan, lake: LakeConfig
) -> None:
    pair = [five_days(throttle_ms=0), five_days(throttle_ms=0)]
    ids = [first_chunk(job).pk for job in pair]
    writer()  # opening it takes the lock too
    with background(*[partial(load.load_chunk, pk) for pk in ids]) as loads, write_lock(lake):
        wait_until(lambda: len(parquet_files(lake)) == 2, 30, "both to stage their files")
    for future in loads:
        future.result(30)
    chunks = sorted(Chunk.objects.filter(pk__in=ids), key=lambda chunk: chunk.state)
    assert [chunk.state for chunk in chunks] == [ChunkState.LOADED, ChunkState.UNCHANGED]
    assert "the same file has been in the lake since" in chunks[1].reason
    assert [chunk.attempts for chunk in chunks] == [1, 1]
    assert count() == ledger_rows("ETHUSDT") == 100
    assert len(parquet_files(lake)) == 1


def test_of_a_batch_only_what_another_job_left_is_written(
    three_metrics: IngestionJob, monkeypatch: pytest.MonkeyPatch, lake: LakeConfig, tmp_path: Path
) -> None:
    second = jobs.create_job(
        three_metrics.symbol, ["metrics"], FIRST + timedelta(days=1), FIRST + timedelta(days=1),
        source="folder", folder=str(tmp_path),
    )  # fmt: skip
    real = load.replace_files

    def another_comes_first(*arguments: Any) -> None:
        monkeypatch.setattr(load, "replace_files", real)
        load_here(second)
        real(*arguments)

    monkeypatch.setattr(load, "replace_files", another_comes_first)
    load.load_chunk(first_chunk(three_metrics).pk)
    assert states(three_metrics) == [ChunkState.LOADED, ChunkState.UNCHANGED, ChunkState.LOADED]
    assert count(table="open_interest_history") == ledger_rows("ETHUSDT") == 3 * 288


def test_the_sweeper_does_not_flood_the_queue_of_busy_workers(five_days: Plan) -> None:
    job = five_days()
    everything = sorted(job.chunks.values_list("pk", flat=True))
    now = timezone.now()
    IngestionJob.objects.filter(pk=job.pk).update(created_at=now - timedelta(hours=1))
    told = [jobs.sweep(now + timedelta(seconds=15 * n)) for n in range(4 * 60 * 4)]
    assert told[0] == everything
    assert [ids for ids in told if ids] == [everything] * 3  # after 1, 2 and 4 hours, not 960 times


def test_dead_and_due_chunks_are_told_of_once(five_days: Plan) -> None:
    job = five_days()
    dead, due, *_ = job.chunks.all()
    now = timezone.now()
    long_ago = now - timedelta(seconds=30)
    Chunk.objects.filter(pk=dead.pk).update(
        state=ChunkState.RUNNING, attempts=1, lease_token="0" * 32, lease_until=long_ago
    )
    Chunk.objects.filter(pk=due.pk).update(
        state=ChunkState.WAITING, attempts=1, retry_at=long_ago, reason="it was 500"
    )
    assert jobs.sweep(now) == sorted([dead.pk, due.pk])
    assert jobs.sweep(now + timedelta(seconds=1)) == []
    assert first_chunk(job).lease_token is None


def test_a_chunk_that_waits_does_not_hide_the_forgotten_ones(five_days: Plan) -> None:
    job = five_days()
    waiting, *forgotten = job.chunks.all()
    now = timezone.now()
    IngestionJob.objects.filter(pk=job.pk).update(created_at=now - timedelta(minutes=5))
    Chunk.objects.filter(pk=waiting.pk).update(
        state=ChunkState.WAITING, retry_at=now + timedelta(minutes=10)
    )
    assert jobs.sweep(now) == sorted(chunk.pk for chunk in forgotten)


def test_a_month_that_a_day_replaced_in_part_is_loaded_again(
    symbol: Any, lake: LakeConfig, tmp_path: Path
) -> None:
    first = date(2024, 11, 1)
    month = ArchiveFile("ETHUSDT", "klines", "5m", first, "monthly")
    other = ArchiveFile("ETHUSDT", "klines", "5m", date(2024, 11, 2))
    days = [klines_csv(ArchiveFile("ETHUSDT", "klines", "5m", date(2024, 11, n))) for n in (1, 2)]
    put_csv(tmp_path, month, days[0] + days[1].partition("\n")[2])
    put_csv(tmp_path, other, klines_csv(other, 500.0))

    def run(period: str, day: date) -> str:
        job = load_here(
            jobs.create_job(
                symbol, ["klines 5m"], day, day,
                source="folder", folder=str(tmp_path), period=period,
            )
        )  # fmt: skip
        return first_chunk(job).state

    assert run("monthly", first) == ChunkState.LOADED
    assert run("monthly", first) == ChunkState.UNCHANGED
    assert run("daily", other.start) == ChunkState.LOADED
    assert run("monthly", first) == ChunkState.LOADED
    assert count(table="klines_5m_history") == ledger_rows("ETHUSDT") == 576


@pytest.mark.slow
def test_four_workers_meet_no_locked_database(
    five_days: Plan, start_worker: Callable[..., Worker]
) -> None:
    worker = start_worker(concurrency=4, **WORKER_SETTINGS)
    pair = [five_days(throttle_ms=0), five_days(throttle_ms=0, reload=True)]
    for job in pair:
        send(job)
    for job in pair:
        wait_for_end(job)
        assert job.state == RunState.SUCCEEDED
    assert count() == ledger_rows("ETHUSDT") == DAYS * 100
    assert "locked" not in worker.log
    assert "Traceback" not in worker.log
