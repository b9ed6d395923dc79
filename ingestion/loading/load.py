"""The use case: a leased batch of archive files goes from its source into the lake."""

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from django.conf import settings
from django.db.models import Min
from django.utils import timezone

from ingestion import lake
from ingestion.errors import (
    IngestionError,
    LeaseLost,
    NeedsDecision,
    TemporaryError,
)
from ingestion.lake.ledger import LedgerLine, lines_of
from ingestion.lake.parse import drop, parse
from ingestion.lake.write import Load, check_files, replace_files
from ingestion.loading import jobs, lease
from ingestion.loading.lease import Lease
from ingestion.models import ENDED_CHUNK_STATES, Chunk, ChunkState, IngestionJob
from ingestion.quality import damage
from ingestion.sources.archive import ArchiveSource
from ingestion.sources.folder import FolderSource
from ingestion.sources.staging import Source
from liqheat_project.kernel import clock
from liqheat_project.kernel.backoff import backoff
from liqheat_project.kernel.exits import pass_on_hidden_exit
from liqheat_project.kernel.instants import naive
from liqheat_project.kernel.leftovers import private_name, remove_leftovers

LONGEST_BACKOFF_SECONDS = 600.0
LONGEST_NAP = 1.0  # a foreground job looks up this often, in case it was cancelled elsewhere
MEGABYTE = 1_000_000

Ledger = dict[tuple[datetime, datetime], LedgerLine]

logger = logging.getLogger(__name__)


@dataclass
class Outcome:
    """What the caller must see to: chunks to be tried again after so many seconds, and whether the
    job ended with this batch and left small files to be merged."""

    retries: dict[int, float] = field(default_factory=dict)
    merge_due: bool = False


def load_chunk(chunk_id: int) -> Outcome:
    """Load a chunk, and the waiting neighbours its lease includes.

    Idempotent: a chunk that is done, cancelled or in another worker's hands is left alone. Every
    file ends in a state with a reason; one that fails does not keep its neighbours from loading.
    """
    held = lease.take(chunk_id)
    outcome = Outcome()
    if held is not None:
        if held.chunks[0].job.started_at is None:
            jobs.settle(held.chunks[0].job)  # it runs from now on, not from its first file's end
        try:
            with held.kept_alive():
                _load_batch(held, outcome)
        except Exception as error:
            pass_on_hidden_exit(error)
            logger.exception("%s ended in an unforeseen way", held.chunks[0])
            for chunk in held.chunks:
                _end_attempt(held, chunk, TemporaryError(f"unexpected: {error!r}"), outcome)
    job = IngestionJob.objects.filter(chunks=chunk_id).first()
    outcome.merge_due = job is not None and jobs.settle(job) and left_small_files(job)
    return outcome


def run_here(job: IngestionJob, report: Callable[[IngestionJob], None]) -> None:
    """Load a job in this process until it has ended, later attempts included."""
    unfinished = job.chunks.exclude(state__in=ENDED_CHUNK_STATES)
    while ids := list(unfinished.values_list("pk", flat=True)):
        for chunk_id in ids:
            load_chunk(chunk_id)
            job.refresh_from_db()
            report(job)
        if unfinished.exists():
            time.sleep(_nap(unfinished.aggregate(soonest=Min("retry_at"))["soonest"]))
    if left_small_files(job):
        damage.merge_small_files()


def _nap(until: datetime | None) -> float:
    wait = (until - clock.now()).total_seconds() if until else LONGEST_NAP
    return max(0.0, min(wait, LONGEST_NAP))


def left_small_files(job: IngestionJob) -> bool:
    """Whether the job wrote what `lake.merge_small_files` merges."""
    return job.chunks.filter(state=ChunkState.LOADED).exclude(dataset="aggTrades").exists()


def clear_leftovers() -> None:
    """Remove what killed workers left of files they were reading, and what their DuckDB spilled."""
    for folder in ("staging", "duckdb"):
        remove_leftovers(settings.VAR_DIR / folder)


def source_of(job: IngestionJob) -> AbstractContextManager[Source]:
    """The source that a job reads: the public archive, or its local folder."""
    max_bytes = settings.ARCHIVE_MAX_FILE_MB * MEGABYTE
    if job.source == IngestionJob.Source.FOLDER:
        return nullcontext(FolderSource(Path(job.folder), max_bytes=max_bytes))
    return ArchiveSource(
        settings.ARCHIVE_BASE_URL, timeout=settings.ARCHIVE_TIMEOUT_SECONDS, max_bytes=max_bytes
    )


def _load_batch(held: Lease, outcome: Outcome) -> None:
    job = held.chunks[0].job
    staging = settings.VAR_DIR / "staging"
    staging.mkdir(parents=True, exist_ok=True)
    cursor = lake.writer().cursor()
    loads: dict[int, Load] = {}
    with (
        TemporaryDirectory(dir=staging, prefix=f"{private_name()}-") as directory,
        source_of(job) as source,
    ):
        ledger = _ledger(held.chunks[0])
        try:
            for chunk in held.chunks:
                time.sleep(job.throttle_ms / 1000)
                try:
                    load = _prepare(held, chunk, source, Path(directory), ledger)
                except IngestionError as error:
                    _end_attempt(held, chunk, error, outcome)
                else:
                    if load:
                        loads[chunk.pk] = load
            _finish(held, loads, outcome)
        finally:
            for load in loads.values():
                drop(cursor, load.parsed)


def _prepare(
    held: Lease, chunk: Chunk, source: Source, directory: Path, ledger: Ledger
) -> Load | None:
    """Fetch and parse one file; None when it turned out to be in the lake already."""
    file = chunk.file
    known = ledger.get((naive(file.start_instant), naive(file.end_instant)))
    if known and known.sha256 == source.expected_checksum(file):
        _end_unchanged(held, chunk, known)
        return None
    staged = source.fetch(
        file, directory, lambda done, total: held.report_bytes(chunk, done, total)
    )
    held.report_bytes(chunk, staged.source_bytes, staged.source_bytes)
    if known and known.sha256 == staged.sha256:
        _end_unchanged(held, chunk, known)
        staged.csv_path.unlink()
        return None
    parsed = parse(
        lake.writer().cursor(),
        staged.csv_path,
        file,
        f"chunk_{chunk.pk}",
        timezone.now(),
        chunk.accept_bad,
    )
    staged.csv_path.unlink()
    return Load(
        parsed,
        staged.origin,
        staged.sha256,
        staged.verified,
        chunk.pk,
        chunk.accept_fewer,
        chunk.accept_bad,
    )


def _finish(held: Lease, loads: dict[int, Load], outcome: Outcome) -> None:
    """Write what was parsed in one commit, or only report it for a dry run. Files that cannot go
    with the others end by themselves, and the rest is tried again."""
    while loads:
        chunks = [chunk for chunk in held.chunks if chunk.pk in loads]
        try:
            written = _write(held, chunks, loads)
        except NeedsDecision as error:
            loads = _without_undecided(held, chunks, loads, error, outcome)
        except IngestionError as error:
            for chunk in chunks:
                _end_attempt(held, chunk, error, outcome)
            return
        else:
            if written is not None:
                _report(held, chunks, {load.chunk_id: load for load in written})
                return
            loads = _without_unchanged(held, chunks, loads)


def _write(held: Lease, chunks: list[Chunk], loads: dict[int, Load]) -> list[Load] | None:
    """None where another job has put one of the files into the lake meanwhile. Raises LeaseLost,
    NeedsDecision and what else keeps the lake from being written."""
    if chunks[0].job.dry_run:
        return check_files(lake.writer(), list(loads.values()))
    damage.clear_the_way(chunks)
    written = replace_files(
        lake.writer(),
        list(loads.values()),
        lambda: held.is_held(chunks) and not _unchanged(chunks, loads),
        timezone.now(),
    )
    if written is None and not _unchanged(chunks, loads):
        raise LeaseLost(f"{chunks[0]} was taken over or cancelled")
    return written


def _report(held: Lease, chunks: list[Chunk], loads: dict[int, Load]) -> None:
    for chunk in chunks:
        load = loads[chunk.pk]
        held.end(
            chunk,
            ChunkState.CHECKED if chunk.job.dry_run else ChunkState.LOADED,
            rows=load.parsed.rows,
            quarantined=load.parsed.quarantined,
            duplicates=load.parsed.duplicates,
            sha256=load.sha256,
            verified=load.verified,
            origin=load.origin,
            reason=load.parsed.note,
        )


def _without_unchanged(held: Lease, chunks: list[Chunk], loads: dict[int, Load]) -> dict[int, Load]:
    unchanged = _unchanged(chunks, loads)
    for chunk in chunks:
        if chunk.pk in unchanged:
            _end_unchanged(held, chunk, unchanged[chunk.pk])
    return {pk: load for pk, load in loads.items() if pk not in unchanged}


def _without_undecided(
    held: Lease,
    chunks: list[Chunk],
    loads: dict[int, Load],
    error: NeedsDecision,
    outcome: Outcome,
) -> dict[int, Load]:
    for chunk in chunks:
        if reason := error.reasons.get(chunk.pk):
            _end_attempt(held, chunk, type(error)(reason), outcome)
    return {pk: load for pk, load in loads.items() if pk not in error.reasons}


def _unchanged(chunks: list[Chunk], loads: dict[int, Load]) -> dict[int, LedgerLine]:
    """By chunk, the ledger's lines of those files that the lake holds by now."""
    ledger = _ledger(chunks[0])
    found = {}
    for chunk in chunks:
        known = ledger.get((naive(chunk.file.start_instant), naive(chunk.file.end_instant)))
        if known and known.sha256 == loads[chunk.pk].sha256:
            found[chunk.pk] = known
    return found


def _end_unchanged(held: Lease, chunk: Chunk, known: LedgerLine) -> None:
    """The lake holds this very file: by an earlier attempt at this chunk, or by another job."""
    own = known.chunk_id == chunk.pk
    held.end(
        chunk,
        ChunkState.LOADED if own else ChunkState.UNCHANGED,
        rows=known.rows if own else 0,
        quarantined=known.quarantined if own else 0,
        duplicates=known.duplicates if own else 0,
        sha256=known.sha256,
        verified=known.verified,
        origin=known.origin,
        reason=""
        if own
        else f"the same file has been in the lake since {known.loaded_at:%Y-%m-%d %H:%M} UTC "
        f"({known.rows:,} rows)",
    )


def _end_attempt(held: Lease, chunk: Chunk, error: IngestionError, outcome: Outcome) -> None:
    why = {"reason": str(error), "error_class": type(error).__name__}
    if isinstance(error, NeedsDecision):
        held.end(chunk, ChunkState.UNDECIDED, **why)
        return
    if not isinstance(error, TemporaryError) or chunk.attempts >= settings.CHUNK_MAX_ATTEMPTS:
        held.end(chunk, ChunkState.FAILED, **why)
        return
    # A lost lease changes nothing here, except for the rest of a batch of which one was taken away.
    wait = backoff(chunk.attempts, settings.RETRY_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS)
    delay = max(wait, getattr(error, "retry_after", None) or 0)
    retry_at = clock.now() + timedelta(seconds=delay)
    if held.end(chunk, ChunkState.WAITING, retry_at=retry_at, **why):
        outcome.retries[chunk.pk] = delay


def _ledger(chunk: Chunk) -> Ledger:
    job = chunk.job
    own = None
    if job.reload or job.dry_run:
        # What earlier attempts at this very job committed still counts: a task that is delivered
        # twice must not load twice.
        own = set(job.chunks.values_list("pk", flat=True))
    lines = lines_of(lake.writer().cursor(), job.symbol.name, chunk.dataset)
    return {
        (line.range_start, line.range_end): line
        for line in lines
        if line.interval == chunk.interval
        and (own is None or line.chunk_id in own)
        and not _is_replaced_in_part(line, lines)
    }


def _is_replaced_in_part(line: LedgerLine, lines: list[LedgerLine]) -> bool:
    """Whether a day of this month was loaded from another file since."""
    return line.range_end - line.range_start > timedelta(days=1) and any(
        line.range_start <= other.range_start
        and other.range_end <= line.range_end
        and other.loaded_at > line.loaded_at
        for other in lines
    )
