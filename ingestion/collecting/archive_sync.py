"""The archive's files of the last days, loaded by ordinary jobs once they are published."""

from collections import Counter
from datetime import date, timedelta

from django.conf import settings
from django.utils import timezone

from ingestion import lake
from ingestion.collecting import state
from ingestion.collecting.archive import ask_for, open_archive
from ingestion.collecting.rounds import accounted, enabled_symbols, idle, in_seconds, mark_refused
from ingestion.lake.connection import translated_errors
from ingestion.market.datasets import SERIES, parts_of
from ingestion.market.files import ArchiveFile, plan_files
from ingestion.models import CollectorState
from ingestion.quality.availability import not_loaded

COLLECTOR = CollectorState.Collector.ARCHIVE_SYNC
LATE_DAYS = 2
"""For so many days a file may not be published yet."""


def collect() -> list[int]:
    """One round for all enabled symbols; the ids of the chunks that it asked for, to be sent."""
    symbols = enabled_symbols()
    if not symbols:
        idle(COLLECTOR)
        return []
    asked: list[int] = []
    with accounted(COLLECTOR, settings.ARCHIVE_SYNC_SECONDS):
        if unknown := set(settings.ARCHIVE_SYNC_DATASETS) - set(SERIES):
            reason = f"ARCHIVE_SYNC_DATASETS names {', '.join(sorted(unknown))}; it may name "
            state.failed(COLLECTOR, reason + ", ".join(SERIES))
            return []
        yesterday = _today() - timedelta(days=1)
        missing = {symbol: missing_files(symbol, yesterday) for symbol in symbols}
        with open_archive() as archive:
            published = archive.available([file for files in missing.values() for file in files])
        for symbol, files in missing.items():
            asked += ask_for(symbol, published.intersection(files))
        mark_refused(COLLECTOR, _stopped(missing, published, yesterday))
        state.succeeded(
            COLLECTOR,
            next_run=in_seconds(settings.ARCHIVE_SYNC_SECONDS),
            files_asked_for=len(asked),
            not_published_yet=sum(map(len, missing.values())) - len(published),
        )
    return asked


def missing_files(symbol: str, last_day: date) -> list[ArchiveFile]:
    """The daily files up to `last_day` that the symbol should have and the lake does not hold."""
    first_day = last_day - timedelta(days=settings.ARCHIVE_SYNC_DAYS - 1)
    return not_loaded(
        [
            file
            for dataset in datasets_of(symbol)
            for file in plan_files(symbol, *parts_of(dataset), first_day, last_day)
        ]
    )


def datasets_of(symbol: str) -> list[str]:
    """What is kept up to date: ARCHIVE_SYNC_DATASETS and what was loaded before, except for trades:
    a day of them is a hundred times a day of all others, so they must be asked for by name."""
    with translated_errors(), lake.read.snapshot() as cursor:
        series = lake.read.loaded_series(cursor, symbol).get(symbol, [])
    loaded = {f"{one.dataset} {one.interval}".strip() for one in series} - {"aggTrades"}
    wanted = loaded.union(settings.ARCHIVE_SYNC_DATASETS)
    return [dataset for dataset in SERIES if dataset in wanted]


def _stopped(
    missing: dict[str, list[ArchiveFile]], published: set[ArchiveFile], last_day: date
) -> dict[str, str]:
    """By symbol, that the archive publishes a dataset of it no more. A day that it left out is a
    hole; that it has none of all the days by now is another matter."""
    last_day -= timedelta(days=LATE_DAYS)
    days = settings.ARCHIVE_SYNC_DAYS - LATE_DAYS
    reasons = {}
    for symbol, files in missing.items():
        late = [file for file in files if file.start <= last_day and file not in published]
        counts = Counter(file.series for file in late)
        if stopped := [name for name, count in counts.items() if count == days]:
            reasons[symbol] = (
                f"{symbol}: the archive has no {' and no '.join(stopped)} of the {days} days up to "
                f"{last_day}. Check whether the symbol is still traded under this name."
            )
    return reasons


def _today() -> date:
    return timezone.now().date()
