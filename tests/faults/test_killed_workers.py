"""Workers and brokers that die in the middle of a job, and two workers that meet."""

import os
import random
import signal
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import kombu.pools
import pytest
import redis
from django.db import connections

from ingestion import lake as lake_package
from ingestion import tasks
from ingestion.lake import LakeConfig, free_disk, remove_symbol, writer
from ingestion.models import ChunkState, IngestionJob
from liqheat_project.celery import app
from liqheat_project.kernel.runs import RunState
from tests.conftest import _services
from tests.faults.conftest import DAYS, WORKER_SETTINGS
from tests.support.lake_days import current_fingerprint, day, ledger_rows, parquet_files, put
from tests.support.services import PostgreSQL, Valkey, Worker
from tests.support.steps import send, wait_for, wait_for_end

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.postgresql]

Plan = Callable[..., IngestionJob]
StartWorker = Callable[..., Worker]


def kill_child(worker: Worker) -> None:
    for pid in worker.pool_pids():
        os.kill(pid, signal.SIGKILL)


def kill_main(worker: Worker) -> None:
    worker.kill()
    worker.start()


def kill_group(worker: Worker) -> None:
    os.killpg(worker.pid, signal.SIGKILL)
    worker.process.wait()
    worker.start()


def some_chunk(state: str) -> Callable[[IngestionJob], object]:
    return lambda job: job.chunks.filter(state=state).exists()


def assert_rows_of_a_clean_run(days: int = DAYS) -> None:
    """Compares with what a process that nobody disturbs writes from the same files."""
    rows, ledger = current_fingerprint("ETHUSDT"), ledger_rows("ETHUSDT")
    remove_symbol(writer(), "ETHUSDT")
    for number in range(days):
        put(day(number=number))
    assert (rows, ledger) == (current_fingerprint("ETHUSDT"), days * 100)


def assert_no_orphans_after_cleanup(config: LakeConfig) -> None:
    """Files that no state of the lake knows may lie there for a day, then they go."""
    long_ago = time.time() - 2 * 86_400
    for path in parquet_files(config):
        os.utime(path, (long_ago, long_ago))
    lake_package.merge_small_files(writer())
    free_disk(writer(), 7)
    # Earlier states count too: what a second job replaced can be brought back for some days.
    known = (
        writer()
        .cursor()
        .execute(
            "SELECT path FROM __ducklake_metadata_lake.ducklake_data_file "
            "UNION SELECT path FROM __ducklake_metadata_lake.ducklake_delete_file"
        )
        .fetchall()
    )
    loaded = parquet_files(config, "main/aggtrades_history/**/*.parquet")
    assert {path.name for path in loaded} <= {Path(name).name for (name,) in known}


def assert_loaded_as_by_a_clean_run(job: IngestionJob | None, config: LakeConfig) -> None:
    if job is None:
        return
    chunks = job.chunks.all()
    assert (job.state, job.error) == (RunState.SUCCEEDED, "")
    assert {chunk.state for chunk in chunks} == {ChunkState.LOADED}
    assert job.totals()["rows"] == DAYS * 100
    assert_no_orphans_after_cleanup(config)
    assert_rows_of_a_clean_run()
    remove_symbol(writer(), "ETHUSDT")


def test_jobs_survive_ten_deaths_of_their_worker_at_random_moments(
    five_days: Plan, start_worker: StartWorker, lake: LakeConfig, settings: Any
) -> None:
    settings.CHUNK_MAX_ATTEMPTS = 30
    worker = start_worker(concurrency=2)
    job = None
    for kill in islice(cycle([kill_child, kill_main, kill_group]), 10):
        if job is None or job.has_ended:
            assert_loaded_as_by_a_clean_run(job, lake)
            job = five_days(throttle_ms=100)
            send(job)
        wait_for(job, lambda job: job.has_ended or some_chunk(ChunkState.RUNNING)(job), 60)
        time.sleep(random.uniform(0, 0.6))
        kill(worker)
        job.refresh_from_db()
    assert job is not None
    wait_for_end(job)
    assert max(chunk.attempts for chunk in job.chunks.all()) >= 2
    assert_loaded_as_by_a_clean_run(job, lake)


def test_a_worker_that_is_paused_for_longer_than_its_lease_writes_nothing(
    five_days: Plan, start_worker: StartWorker, lake: LakeConfig
) -> None:
    """It comes back alive when another has its chunks; every day still stands there once."""
    slow = start_worker("slow", concurrency=1, **WORKER_SETTINGS)
    # It is paused before it reads a second file, so that it cannot hold the lake's lock.
    job = five_days(throttle_ms=2500)
    send(job)
    wait_for(job, some_chunk(ChunkState.LOADED), 30)
    wait_for(job, some_chunk(ChunkState.RUNNING), 20)
    (child,) = slow.pool_pids()
    os.kill(child, signal.SIGSTOP)
    IngestionJob.objects.filter(pk=job.pk).update(throttle_ms=0)
    start_worker("other", concurrency=1, **WORKER_SETTINGS)
    wait_for(job, lambda job: job.chunks.filter(state=ChunkState.LOADED).count() >= 3, 40)
    os.kill(child, signal.SIGCONT)
    wait_for_end(job)
    assert job.state == RunState.SUCCEEDED
    assert_no_orphans_after_cleanup(lake)
    assert_rows_of_a_clean_run()


def test_a_broker_that_forgets_everything_does_not_lose_the_job(
    five_days: Plan, start_worker: StartWorker, settings: Any
) -> None:
    start_worker(concurrency=1, **WORKER_SETTINGS)
    job = five_days()
    send(job)
    wait_for(job, some_chunk(ChunkState.LOADED), 30)
    redis.Redis.from_url(settings.REDIS_URL).flushall()
    assert job.chunks.exclude(state=ChunkState.LOADED).exists()
    wait_for_end(job)
    assert job.state == RunState.SUCCEEDED
    assert_rows_of_a_clean_run()


def test_a_broker_that_is_killed_and_started_again_does_not_lose_the_job(
    five_days: Plan, start_worker: StartWorker
) -> None:
    worker = start_worker(concurrency=1, **WORKER_SETTINGS)
    job = five_days()
    send(job)
    wait_for(job, some_chunk(ChunkState.RUNNING), 30)
    (session_broker,) = (one for one in _services if isinstance(one, Valkey))
    session_broker.restart_after_kill()
    wait_for_end(job)
    assert job.state == RunState.SUCCEEDED
    assert worker.process.poll() is None, f"it comes back by itself:\n{worker.log}"
    assert_rows_of_a_clean_run()
    forget_dead_connections()


def test_a_database_that_crashes_and_starts_again_does_not_lose_the_job(
    five_days: Plan, start_worker: StartWorker
) -> None:
    server = next((one for one in _services if isinstance(one, PostgreSQL)), None)
    if server is None:
        pytest.skip("SQLite is a file: there is no server to restart; PostgreSQL's run has it")
    start_worker(concurrency=2, **WORKER_SETTINGS)
    job = five_days()
    send(job)
    wait_for(job, some_chunk(ChunkState.RUNNING), 30)
    server.restart_after_crash()
    connections.close_all()
    wait_for_end(job)
    assert (job.state, job.error) == (RunState.SUCCEEDED, "")
    assert_rows_of_a_clean_run()


def forget_dead_connections() -> None:
    """Those to the broker that was killed; sending mends them by itself, a ping does not."""
    kombu.pools.reset()
    app._pool = app.amqp._producer_pool = None


def test_two_jobs_for_the_same_days_leave_one_set_of_rows(
    five_days: Plan, start_worker: StartWorker, lake: LakeConfig
) -> None:
    for name in ("first", "second"):
        start_worker(name, concurrency=2, **WORKER_SETTINGS)
    pair = [five_days(throttle_ms=100), five_days(throttle_ms=100)]
    for chunks in zip(*(job.chunks.values_list("pk", flat=True) for job in pair), strict=True):
        for chunk_id in chunks:
            tasks.send([chunk_id])
    for job in pair:
        wait_for_end(job)
        assert job.state == RunState.SUCCEEDED
    chunks = [chunk for job in pair for chunk in job.chunks.all()]
    for chunk in chunks:
        if chunk.state == ChunkState.UNCHANGED:
            assert "the same file has been in the lake since" in chunk.reason
        else:
            assert chunk.state == ChunkState.LOADED
    assert_no_orphans_after_cleanup(lake)
    assert_rows_of_a_clean_run()
