"""Whether the archive has changed files since they were loaded: it replaces some unannounced."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from ingestion import lake
from ingestion.collecting import state
from ingestion.collecting.archive import ask_for, open_archive
from ingestion.collecting.rounds import accounted, enabled_symbols, idle, in_seconds
from ingestion.errors import BadArchive
from ingestion.lake.connection import translated_errors
from ingestion.lake.ledger import LedgerLine, lines_of
from ingestion.market.files import ArchiveFile
from ingestion.models import CollectorState
from ingestion.sources.archive import ArchiveSource
from liqheat_project.kernel.instants import DAY_SECONDS, naive

COLLECTOR = CollectorState.Collector.CHECKSUMS
SLACK_SECONDS = 3600  # a night's round may take longer than that of the night before
_CONCURRENCY = 8


def collect() -> list[int]:
    """Compare the files of the last CHECKSUM_DAYS of all enabled symbols; the ids of the chunks
    that fetch changed ones again, to be sent."""
    symbols = enabled_symbols()
    if not symbols:
        idle(COLLECTOR)
        return []
    asked: list[int] = []
    with accounted(COLLECTOR, DAY_SECONDS):
        stored = stored_checksums(symbols, timezone.now())
        with open_archive() as archive:
            published = published_checksums(archive, stored)
        changed = {file for file, sha256 in published.items() if sha256 != stored[file]}
        for symbol in symbols:
            asked += ask_for(symbol, [file for file in changed if file.symbol == symbol])
        state.succeeded(
            COLLECTOR,
            next_run=in_seconds(DAY_SECONDS + SLACK_SECONDS),
            files=len(stored),
            changed=len(changed),
            fetched_again=len(asked),
            without_checksum=len(stored) - len(published),
        )
    return asked


def stored_checksums(symbols: Iterable[str], now: datetime) -> dict[ArchiveFile, str]:
    """The sha256 of the files that came from the archive and reach into the last CHECKSUM_DAYS."""
    since = naive(now) - timedelta(days=settings.CHECKSUM_DAYS)
    with translated_errors(), lake.read.snapshot() as cursor:
        lines = [line for name in symbols for line in lines_of(cursor, name)]
    return {
        file: line.sha256
        for line in lines
        if not line.is_live and line.range_end > since and "://" in line.origin
        if (file := file_of(line))
    }


def published_checksums(
    archive: ArchiveSource, files: Iterable[ArchiveFile]
) -> dict[ArchiveFile, str]:
    """What the archive says now; files for which it has nothing that is a checksum are left out.

    Raises SourceUnavailable or IncompleteDownload.
    """
    files = list(files)

    def ask(file: ArchiveFile) -> str | None:
        try:
            return archive.expected_checksum(file)
        except BadArchive:
            return None

    with ThreadPoolExecutor(_CONCURRENCY) as pool:
        try:
            answers = list(pool.map(ask, files))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return {file: sha256 for file, sha256 in zip(files, answers, strict=True) if sha256}


def file_of(line: LedgerLine) -> ArchiveFile | None:
    """The archive's file of a line of the ledger; None of a part of one, as a roll back leaves."""
    for period in ("daily", "monthly"):
        if period == "monthly" and (line.dataset == "metrics" or line.range_start.day != 1):
            continue
        file = ArchiveFile(
            line.symbol,
            line.dataset,  # type: ignore[arg-type]
            line.interval or None,
            line.range_start.date(),
            period,
        )
        if naive(file.end_instant) == line.range_end and file.name in line.origin:
            return file
    return None
