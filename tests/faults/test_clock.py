"""A clock that jumps. Leases and pauses are kept in its time: none may last for as long as it fell
back, and a job that lost its worker must not wait for the old time to come again."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ingestion.loading import jobs, lease, load
from ingestion.loading.progress import progress_of
from ingestion.models import Chunk, ChunkState, IngestionJob
from liqheat_project.kernel import clock
from liqheat_project.kernel.runs import RunState
from tests.faults.conftest import DAYS, LEASE_SECONDS
from tests.support.lake_days import count, ledger_rows
from tests.support.services import wait_until
from tests.support.steps import load_here

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]

A_YEAR = timedelta(days=365)
Plan = Callable[..., IngestionJob]


def shift(job: IngestionJob, by: timedelta) -> None:
    """Move all that is written down of a job, as if the clock had jumped the other way since."""
    for row in [*job.chunks.all(), IngestionJob.objects.get(pk=job.pk)]:
        for field in row._meta.fields:
            value = getattr(row, field.name)
            if field.get_internal_type() == "DateTimeField" and value:
                setattr(row, field.name, value + by)
        row.save()


@pytest.fixture
def dead(five_days: Plan) -> IngestionJob:
    """A job whose worker died with its first chunk; the second waits for another attempt, a third
    was enqueued again."""
    job = five_days(throttle_ms=0)
    first, second, third, *_ = job.chunks.all()
    assert lease.take(first.pk)
    Chunk.objects.filter(pk=second.pk).update(
        state=ChunkState.WAITING, attempts=1, retry_at=timezone.now() + timedelta(minutes=5)
    )
    Chunk.objects.filter(pk=third.pk).update(retry_at=timezone.now() + timedelta(hours=1))
    jobs.settle(job)
    return job


@pytest.mark.parametrize("jump", [A_YEAR, -A_YEAR], ids=["back", "forward"])
def test_a_dead_workers_job_goes_on_whichever_way_the_clock_jumped(
    dead: IngestionJob, jump: timedelta
) -> None:
    shift(dead, jump)
    now = timezone.now()
    told = set(jobs.sweep(now)) | set(jobs.sweep(now + timedelta(seconds=LEASE_SECONDS + 1)))
    assert told == set(dead.chunks.values_list("pk", flat=True))
    for chunk_id in told:
        load.load_chunk(chunk_id)
    dead.refresh_from_db()
    assert dead.state == RunState.SUCCEEDED
    assert count() == ledger_rows("ETHUSDT") == DAYS * 100


def test_a_job_run_in_the_foreground_goes_on_after_the_clock_fell_back(
    dead: IngestionJob,
) -> None:
    shift(dead, A_YEAR)
    assert load_here(dead).state == RunState.SUCCEEDED


def test_the_sweeper_does_not_flood_the_queue_after_the_clock_fell_back(five_days: Plan) -> None:
    job = five_days()
    shift(job, A_YEAR)
    now = timezone.now()
    told = [jobs.sweep(now + timedelta(seconds=n)) for n in range(10 * LEASE_SECONDS)]
    assert 5 <= sum(map(bool, told)) <= 10


def test_a_living_worker_keeps_its_lease_in_the_new_time(
    five_days: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "HEARTBEAT_SECONDS", 0.05)
    chunk_id = five_days().chunks.values_list("pk", flat=True)[0]
    held = lease.take(chunk_id)
    assert held is not None
    Chunk.objects.filter(pk=chunk_id).update(lease_until=timezone.now() + A_YEAR)
    with held.kept_alive():
        wait_until(
            lambda: lease_until(chunk_id) < timezone.now() + timedelta(minutes=1),
            10,
            "a sign of life in the new time",
        )
        assert lease.take(chunk_id) is None
        assert chunk_id not in jobs.sweep(timezone.now())
    assert held.is_held(held.chunks)


def lease_until(chunk_id: int) -> Any:
    return Chunk.objects.get(pk=chunk_id).lease_until


def test_a_job_that_began_in_the_future_can_be_watched(dead: IngestionJob) -> None:
    shift(dead, A_YEAR)
    dead.refresh_from_db()
    assert dead.duration == timedelta()
    assert progress_of(dead).seconds_left is None


@pytest.mark.skipif("config.getoption('--database') == 'sqlite'")
@pytest.mark.parametrize("skew", [timedelta(minutes=5), timedelta(minutes=-5)], ids=str)
def test_a_host_whose_clock_is_wrong_leaves_anothers_work_alone_and_is_left_alone(
    five_days: Plan, monkeypatch: pytest.MonkeyPatch, skew: timedelta
) -> None:
    first, second, *_ = five_days().chunks.values_list("pk", flat=True)
    assert lease.take(first)
    with monkeypatch.context() as patched:
        real = timezone.now
        patched.setattr(timezone, "now", lambda: real() + skew)
        assert lease.take(first) is None
        assert first not in jobs.sweep(clock.now())
        assert lease.take(second)
    assert lease.take(second) is None
    assert second not in jobs.sweep(clock.now())
