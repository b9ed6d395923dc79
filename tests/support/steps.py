"""What the tests of faults do with jobs."""

import time
from collections.abc import Callable

from ingestion import tasks
from ingestion.loading import load
from ingestion.models import IngestionJob


def send(job: IngestionJob) -> None:
    tasks.send(job.chunks.values_list("pk", flat=True))


def wait_for(job: IngestionJob, done: Callable[[IngestionJob], object], seconds: float) -> None:
    """Does what beat does, until `done`."""
    deadline = time.monotonic() + seconds
    while not done(job):
        assert time.monotonic() < deadline, [
            (chunk.state, chunk.attempts, chunk.reason) for chunk in job.chunks.all()
        ]
        tasks.sweep()
        time.sleep(0.2)
        job.refresh_from_db()


def wait_for_end(job: IngestionJob, seconds: float = 90) -> None:
    wait_for(job, lambda job: job.has_ended, seconds)


def load_here(job: IngestionJob) -> IngestionJob:
    load.run_here(job, lambda job: None)
    job.refresh_from_db()
    return job
