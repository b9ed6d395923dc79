"""The public archive as the collectors that follow it ask it, and the jobs they make of it."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from ingestion.loading import load
from ingestion.loading.jobs import create_job
from ingestion.market.files import ArchiveFile
from ingestion.models import ENDED_CHUNK_STATES, FAILED_CHUNK_STATES, Chunk, ChunkState, Symbol
from ingestion.sources.archive import ArchiveSource

TRIED_FOR = timedelta(hours=20)
"""A file that failed, or was cancelled, is not asked for again within this time: a bad file gives
one failed job a day until the archive mends it."""


def open_archive() -> ArchiveSource:
    """The archive that ARCHIVE_BASE_URL names; to be closed."""
    return ArchiveSource(
        settings.ARCHIVE_BASE_URL,
        timeout=settings.ARCHIVE_TIMEOUT_SECONDS,
        max_bytes=settings.ARCHIVE_MAX_FILE_MB * load.MEGABYTE,
    )


@transaction.atomic
def ask_for(name: str, files: Iterable[ArchiveFile]) -> list[int]:
    """Jobs that load these files of a symbol; the ids of their chunks, to be sent.

    One job for all datasets that want the same days. Files that wait in a job already, or were
    tried lately, are left out; so is everything of a symbol that was disabled meanwhile.
    """
    # The row's lock keeps two rounds at once from asking for the same.
    symbol = Symbol.objects.select_for_update().filter(name=name, enabled=True).first()
    if symbol is None:
        return []
    days: dict[tuple[str, str], set[date]] = defaultdict(set)
    for file in set(files) - _pending_or_recent(symbol):
        days[file.series, file.period].add(file.start)
    datasets: dict[tuple[str, frozenset[date]], list[str]] = defaultdict(list)
    for (dataset, period), starts in sorted(days.items()):
        datasets[period, frozenset(starts)].append(dataset)
    ids: list[int] = []
    for (period, chosen), names in datasets.items():
        job = create_job(symbol, names, min(chosen), max(chosen), period=period, only=chosen)
        ids += job.chunks.values_list("pk", flat=True)
    return ids


def _pending_or_recent(symbol: Symbol) -> set[ArchiveFile]:
    waiting = ~Q(state__in=ENDED_CHUNK_STATES)
    tried = Q(
        state__in=[*FAILED_CHUNK_STATES, ChunkState.CANCELLED],
        finished_at__gt=timezone.now() - TRIED_FOR,
    )
    chunks = Chunk.objects.filter(waiting | tried, job__symbol=symbol, job__dry_run=False)
    return {chunk.file for chunk in chunks.select_related("job__symbol")}
