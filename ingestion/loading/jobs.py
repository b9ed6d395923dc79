"""The life of ingestion jobs: planned, handed out, settled, retried, cancelled, rescued."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Max, Q, QuerySet

from ingestion import audit
from ingestion.errors import BadRequest, FewerRows
from ingestion.loading import lease
from ingestion.market.datasets import (
    SERIES,
    parts_of,
)
from ingestion.market.files import plan_files
from ingestion.models import (
    ENDED_CHUNK_STATES,
    FAILED_CHUNK_STATES,
    Chunk,
    ChunkState,
    IngestionJob,
    Symbol,
    SymbolEvent,
)
from liqheat_project.kernel import clock
from liqheat_project.kernel.runs import ENDED_STATES, RunState

MAX_THROTTLE_MS = 60_000

Act = SymbolEvent.Act


@transaction.atomic
def create_job(
    symbol: Symbol,
    datasets: Sequence[str],
    start_date: date,
    end_date: date,
    *,
    source: str = IngestionJob.Source.ARCHIVE,
    folder: str = "",
    period: str = IngestionJob.Period.DAILY,
    dry_run: bool = False,
    reload: bool = False,
    throttle_ms: int = 0,
    requested_by: Any = None,
    only: Collection[date] | None = None,
    accept_fewer: bool = False,
    accept_bad: bool = False,
) -> IngestionJob:
    """Plan the loading of `datasets` (of SERIES) for the days `start_date` to `end_date`.

    `only` leaves out the files that do not start on one of these days. `accept_fewer` and
    `accept_bad` decide beforehand what `accept` decides of files that need it.
    Raises RefusedRange or RefusedPath for dates and names that cannot be, BadRequest otherwise.
    """
    if not datasets or (unknown := set(datasets) - set(SERIES)):
        named = ", ".join(sorted(unknown)) if datasets else "none"
        raise BadRequest(f"Datasets must be among {', '.join(SERIES)}; given: {named}.")
    if not 0 <= throttle_ms <= MAX_THROTTLE_MS:
        raise BadRequest(f"The throttle must be from 0 to {MAX_THROTTLE_MS} ms.")
    job = IngestionJob.objects.create(
        symbol=symbol,
        datasets=list(datasets),
        start_date=start_date,
        end_date=end_date,
        source=source,
        folder=folder,
        period=period,
        dry_run=dry_run,
        reload=reload,
        throttle_ms=throttle_ms,
        requested_by=requested_by,
    )
    files = [
        file
        for name in dict.fromkeys(datasets)
        for file in plan_files(symbol.name, *parts_of(name), start_date, end_date, period)  # type: ignore[arg-type]
        if only is None or file.start in only
    ]
    chunks = [
        Chunk(
            job=job,
            dataset=file.dataset,
            interval=file.interval or "",
            period=file.period,
            start=file.start,
            accept_fewer=accept_fewer,
            accept_bad=accept_bad,
        )
        for file in files
    ]
    Chunk.objects.bulk_create(chunks, batch_size=500)
    IngestionJob.objects.filter(pk=job.pk).update(steps_total=len(chunks))
    job.refresh_from_db()
    if not dry_run:
        options = {
            "replaces days": reload,
            "accepts fewer rows": accept_fewer,
            "accepts bad rows": accept_bad,
        }
        remark = ", ".join(text for text, chosen in options.items() if chosen)
        _record(Act.LOAD_ASKED, job, len(chunks), requested_by, remark)
    return job


def run_again(job: IngestionJob, requested_by: Any = None) -> IngestionJob:
    """A new job that asks for the same as `job`, files that are loaded already included."""
    return create_job(
        job.symbol,
        job.datasets,
        job.start_date,
        job.end_date,
        source=job.source,
        folder=job.folder,
        period=job.period,
        dry_run=job.dry_run,
        reload=True,
        throttle_ms=job.throttle_ms,
        requested_by=requested_by,
        only=set(job.chunks.values_list("start", flat=True)),
    )


@transaction.atomic
def retry_failed(job: IngestionJob, by: Any = None) -> list[int]:
    """Make the failed and cancelled chunks pending again; returns their ids, to be sent."""
    _locked(job)
    ids = _start_again(
        job, job.chunks.filter(state__in=[*FAILED_CHUNK_STATES, ChunkState.CANCELLED])
    )
    if ids:
        _record(Act.LOAD_RETRIED, job, len(ids), by)
    return ids


@transaction.atomic
def accept(job: IngestionJob, by: Any = None) -> list[int]:
    """Let in the files that need a decision, each for what it was held back for; returns the ids
    of the chunks, which are pending again, to be sent."""
    _locked(job)
    undecided = job.chunks.filter(state=ChunkState.UNDECIDED)
    by_kind = {
        "fewer rows": undecided.filter(error_class=FewerRows.__name__),
        "bad rows": undecided.exclude(error_class=FewerRows.__name__),
    }
    for kind, chunks in by_kind.items():
        if names := [chunk.file.name for chunk in chunks]:
            named = ", ".join(names[:10]) + (" and more" if names[10:] else "")
            text, counts = f"job {job.pk}, {kind}: {named}", {"files": len(names)}
            audit.record(Act.FILES_ACCEPTED, job.symbol.name, text, by, counts)
    by_kind["fewer rows"].update(accept_fewer=True)
    by_kind["bad rows"].update(accept_bad=True)
    return _start_again(job, undecided)


def _start_again(job: IngestionJob, again: QuerySet[Chunk]) -> list[int]:
    ids = list(again.values_list("pk", flat=True))
    Chunk.objects.filter(pk__in=ids).update(
        state=ChunkState.PENDING,
        attempts=0,
        reason="",
        error_class="",
        retry_at=None,
        started_at=None,
        finished_at=None,
    )
    if ids:
        # A job that had ended starts anew: its rate and time left must not count the pause.
        IngestionJob.objects.filter(pk=job.pk, state__in=ENDED_STATES).update(
            state=RunState.RUNNING, error="", started_at=None, finished_at=None
        )
        settle(job)
    return ids


@transaction.atomic
def cancel(job: IngestionJob, reason: str = "cancelled", by: Any = None) -> int:
    """Take the unfinished chunks away from their workers; returns how many there were."""
    _locked(job)
    now = clock.now()
    count = job.chunks.exclude(state__in=ENDED_CHUNK_STATES).update(
        state=ChunkState.CANCELLED, reason=reason, lease_token=None, finished_at=now
    )
    if not count:
        return 0
    settle(job)
    _record(Act.LOAD_CANCELLED, job, count, by, reason)
    return count


@transaction.atomic
def settle(job: IngestionJob) -> bool:
    """Bring the job's state in line with its chunks; True when this ended the job."""
    job, now = _locked(job), clock.now()
    counts = dict(job.chunks.values_list("state").annotate(Count("pk")).order_by())
    ended = sum(counts.get(state, 0) for state in ENDED_CHUNK_STATES)
    had_ended = job.has_ended
    job.steps_total = sum(counts.values())
    job.steps_done = ended
    if ended < job.steps_total:
        untouched = counts.get(ChunkState.PENDING, 0) == job.steps_total
        job.state = RunState.QUEUED if untouched else RunState.RUNNING
        job.finished_at = None
    else:
        job.state, job.error = _verdict(counts, job.steps_total)
        if not had_ended:
            job.finished_at = now
    if job.started_at is None and job.state != RunState.QUEUED:
        job.started_at = now
    job.save(
        update_fields=["steps_total", "steps_done", "state", "error", "started_at", "finished_at"]
    )
    return job.has_ended and not had_ended


def sweep(now: datetime) -> list[int]:
    """Ids of the chunks to enqueue again, because their message may be lost.

    Those whose worker gave no sign of life until its lease ran out and those whose next attempt is
    due, which are pending from then on, and those that have been pending for long while nothing of
    their job runs.
    """
    grace = timedelta(seconds=settings.SWEEP_SECONDS)
    dead = lease.has_expired(now)
    due = Q(state=ChunkState.WAITING) & (
        Q(retry_at__lt=now - grace) | Q(retry_at__gt=now + lease.LONGEST_WAIT)
    )
    found = Chunk.objects.filter(dead | due, job__state__in=[RunState.QUEUED, RunState.RUNNING])
    ids = set(found.values_list("pk", flat=True))
    Chunk.objects.filter(dead | due, pk__in=ids).update(
        state=ChunkState.PENDING, lease_token=None, lease_until=None, retry_at=now + _patience()
    )
    for job in IngestionJob.objects.filter(state__in=[RunState.QUEUED, RunState.RUNNING]):
        ids |= _forgotten_chunks(job, now)
    return sorted(ids)


def _forgotten_chunks(job: IngestionJob, now: datetime) -> set[int]:
    """Pending chunks of a job in which nothing has moved for as long as a message may be under way.

    A worker that is busy with other jobs keeps messages waiting. One sent twice does no harm, but
    thousands would: each chunk is enqueued again only when its job has stood still twice as long.
    """
    chunks = job.chunks.all()
    if chunks.filter(state=ChunkState.RUNNING).exists():
        return set()
    if not chunks.exclude(state__in=ENDED_CHUNK_STATES).exists():
        settle(job)  # its worker died between its last chunk and this line
        return set()
    moved = chunks.aggregate(last=Max("finished_at"))["last"] or job.created_at
    if now - _patience() < moved <= now:
        return set()
    # What moved in the future, or was told of in it, did so before the clock was set back.
    pause = max(now - moved, _patience())
    untold = Q(retry_at=None) | Q(retry_at__lte=now) | Q(retry_at__gt=now + 2 * pause)
    forgotten = chunks.filter(untold, state=ChunkState.PENDING)
    ids = set(forgotten.values_list("pk", flat=True))
    forgotten.update(retry_at=now + pause)
    return ids


def _record(act: SymbolEvent.Act, job: IngestionJob, files: int, by: Any, remark: str = "") -> None:
    text = f"job {job.pk}: {', '.join(job.datasets)}, {job.start_date} to {job.end_date}"
    text = f"{text}; {remark}" if remark else text
    audit.record(act, job.symbol.name, text, by, {"files": files})


def _patience() -> timedelta:
    return timedelta(seconds=settings.CHUNK_LEASE_SECONDS)


def _verdict(counts: dict[str, int], total: int) -> tuple[str, str]:
    failed, cancelled = counts.get(ChunkState.FAILED, 0), counts.get(ChunkState.CANCELLED, 0)
    undecided = counts.get(ChunkState.UNDECIDED, 0)
    parts = [f"{failed} of {total} files failed"] if failed else []
    if undecided:
        parts.append(f"{undecided} of {total} files need a decision")
    if parts:
        return RunState.FAILED, ", ".join(parts)
    if cancelled:
        return RunState.CANCELLED, f"{cancelled} of {total} files were not loaded"
    return RunState.SUCCEEDED, ""


def _locked(job: IngestionJob) -> IngestionJob:
    return IngestionJob.objects.select_for_update().get(pk=job.pk)
