"""How far an ingestion job is, and how fast."""

from dataclasses import dataclass

from django.db.models import Count, QuerySet, Sum

from ingestion.models import ENDED_CHUNK_STATES, Chunk, ChunkState, IngestionJob


@dataclass(frozen=True)
class Progress:
    """Figures of a job at one moment.

    `percent` counts the files that have ended, and of those that are being read the share of their
    bytes. `rows_per_second` and `seconds_left` are None while nothing can be said of them.
    """

    percent: int
    rows: int
    bytes: int
    quarantined: int
    duplicates: int
    rows_per_second: float | None
    seconds_left: float | None
    files_by_state: dict[str, int]


def progress_of(job: IngestionJob) -> Progress:
    """The figures of `job` now. Rate and time left speak of its latest start, not of a retried
    job's earlier attempts."""
    counts = dict(job.chunks.values_list("state").annotate(Count("pk")).order_by())
    total = sum(counts.values())
    ended = sum(counts.get(state, 0) for state in ENDED_CHUNK_STATES)
    partly = _partly_read(job)
    return Progress(
        percent=_percent(job, ended + partly, total),
        rows_per_second=_rows_per_second(job),
        seconds_left=_seconds_left(job, total - ended - partly, partly),
        files_by_state=counts,
        **job.totals(),
    )


def _percent(job: IngestionJob, done: float, total: int) -> int:
    if job.has_ended:
        return 100
    return min(99, int(100 * done / total)) if total else 0


def _partly_read(job: IngestionJob) -> float:
    """Files that are being read, each counted by the share of its bytes."""
    running = job.chunks.filter(state=ChunkState.RUNNING, bytes_total__gt=0)
    return sum(
        (min(1.0, chunk.bytes_done / (chunk.bytes_total or 1)) for chunk in running), start=0.0
    )


def _rows_per_second(job: IngestionJob) -> float | None:
    if not job.duration:
        return None
    rows = _of_latest_start(job).aggregate(rows=Sum("rows"))["rows"]
    return rows / job.duration.total_seconds() if rows else None


def _seconds_left(job: IngestionJob, left: float, partly: float) -> float | None:
    if job.has_ended or not job.duration:
        return None
    done = _of_latest_start(job).count() + partly
    return job.duration.total_seconds() * left / done if done else None


def _of_latest_start(job: IngestionJob) -> QuerySet[Chunk]:
    return job.chunks.filter(finished_at__gte=job.started_at, state__in=ENDED_CHUNK_STATES)
