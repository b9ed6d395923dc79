"""Files of the lake that are not what they were: found, named, and their days loaded anew."""

import logging
import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ingestion import audit, lake
from ingestion.collecting import state
from ingestion.collecting.rounds import accounted, in_seconds
from ingestion.errors import BadRequest
from ingestion.lake.connection import translated_errors
from ingestion.lake.schema import dataset_of, table_of
from ingestion.models import (
    ENDED_CHUNK_STATES,
    Chunk,
    CollectorState,
    DamagedFile,
    IngestionJob,
    Symbol,
    SymbolEvent,
)
from ingestion.quality import report as quality
from liqheat_project.kernel.instants import DAY_SECONDS

COLLECTOR = CollectorState.Collector.LAKE_FILES
SLACK_SECONDS = 3600

Act = SymbolEvent.Act

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verified:
    """How many files were compared with their checksums, and those that stand as damaged."""

    files: int
    damaged: list[DamagedFile]


def verify(symbol: str | None = None) -> Verified:
    """Compare all files of the lake, or of one symbol, with their checksums. Those that have none
    yet get one. Raises LakeBusy, OutOfSpace or TemporaryError."""
    lake.record_new(lake.writer())
    standing = _standing()
    files = [file for file in standing if symbol in (None, file.symbol)]
    _note(lake.find_damage(lake.writer(), files), files, standing)
    found = DamagedFile.objects.all()
    return Verified(len(files), list(found.filter(symbol=symbol) if symbol else found))


def verify_share() -> None:
    """The night's round: as many files as let each have its turn within LAKE_VERIFY_DAYS. They go
    by their paths, from where the last round ended."""
    with accounted(COLLECTOR, DAY_SECONDS):
        new = lake.record_new(lake.writer())
        standing = _standing()
        before = CollectorState.objects.filter(collector=COLLECTOR).first()
        after = before.details.get("ended_at", "") if before else ""
        start = bisect_right([file.path for file in standing], after)
        count = math.ceil(len(standing) / settings.LAKE_VERIFY_DAYS)
        share = [*standing[start:], *standing[:start]][:count]
        damages = lake.find_damage(lake.writer(), share)
        _note(damages, share, standing)
        state.succeeded(
            COLLECTOR,
            next_run=in_seconds(DAY_SECONDS + SLACK_SECONDS),
            files=len(standing),
            compared=len(share),
            first_seen=new,
            damaged=len(damages),
            ended_at=share[-1].path if share else "",
        )


def merge_small_files() -> None:
    """Merge the lake's small files, and name those that are found damaged on the way."""
    _note(lake.merge_small_files(lake.writer()))


def mend(found: DamagedFile, by: Any = None) -> IngestionJob | None:
    """Take a damaged file out of the lake and load its days anew from the archive; the job, or None
    where all of them wait in one or are not over. What can be read of the file is kept.

    Raises BadRequest where there is nothing to load it from, or where it is whole again;
    TemporaryError when the lake could not be changed.
    """
    symbol = Symbol.objects.filter(name=found.symbol).first()
    if symbol is None or not found.dataset:
        raise BadRequest(f"{found} can only be put back from a backup: {found.path}")
    damages = lake.find_damage(
        lake.writer(), [file for file in _standing() if file.path == found.path]
    )
    if not damages:
        found.delete()
        raise BadRequest(f"{found} is whole, or no part of the lake any more")
    _take_out(damages, by)
    return _load_anew(symbol, damages, by=by).get(found.dataset)


def clear_the_way(chunks: Sequence[Chunk]) -> None:
    """Take damaged files out of the lake whose days these chunks, of one series, replace.

    Replacing rows would read them. Their other days are loaded anew by a job of its own, unless
    the chunks' own job does so.
    """
    symbol, dataset, interval = chunks[0].job.symbol, chunks[0].dataset, chunks[0].interval
    ranges = [_days_of(chunk) for chunk in chunks]
    table = table_of(dataset, interval).plain_name
    with translated_errors():  # a worker that loads files has no other use for a lake to read only
        files = lake.list_files(lake.writer().cursor(), symbol.name, table)
    touched = [file for file in files if any(file.touches(days) for days in ranges)]
    damages = lake.find_damage(lake.writer(), touched)
    if not damages:
        return
    _note(damages)
    _take_out(damages, None)
    unended = chunks[0].job.chunks.exclude(state__in=ENDED_CHUNK_STATES)
    own = unended.filter(dataset=dataset, interval=interval)
    _load_anew(symbol, damages, {day for chunk in own for day in lake.each_day(_days_of(chunk))})


def clear_for_roll_back(symbol: Symbol, days: lake.Days, by: Any = None) -> str:
    """Take damaged files out of the lake that may hold rows of these days, which a roll back would
    read; what it can't keep of them, in words, or nothing. Days outside of these are loaded anew.
    """
    with lake.read.snapshot() as cursor:
        files = lake.list_files(cursor, symbol.name, days=days)
    damages = lake.find_damage(lake.writer(), files)
    if not damages:
        return ""
    _note(damages)
    named = "; ".join(str(row) for row in _rows_of(damages))
    _take_out(damages, by)
    if days != lake.ALL_DAYS:
        _load_anew(symbol, damages, days, by)
    return (
        f"Damaged files went without being kept for the undo: {named}. Copies of what can be read "
        f"of them lie in {lake.writer().config.data_path / 'damaged'}."
    )


def _standing() -> list[lake.LakeFile]:
    with lake.read.snapshot() as cursor:
        return sorted(lake.list_files(cursor), key=lambda file: file.path)


def _note(
    damages: Sequence[lake.Damage],
    compared: Iterable[lake.LakeFile] = (),
    standing: Iterable[lake.LakeFile] | None = None,
) -> None:
    """Write down what was found, and forget files that are whole again or gone."""
    damaged = {damage.file.path: damage for damage in damages}
    whole = {file.path for file in compared} - damaged.keys()
    present = None if standing is None else {file.path for file in standing}
    for row in DamagedFile.objects.all():
        if row.path in whole or (present is not None and row.path not in present):
            row.delete()
    for path, damage in damaged.items():
        file, days = damage.file, damage.file.days or lake.ALL_DAYS
        row, is_new = DamagedFile.objects.update_or_create(
            path=path,
            defaults={"reason": damage.reason},
            create_defaults={
                "symbol": file.symbol,
                "table": file.table,
                "dataset": _dataset(file),
                "first_day": days.first,
                "last_day": days.last,
                "reason": damage.reason,
            },
        )
        if is_new:
            text = f"{row}: {row.reason}: {row.path}"
            logger.error("A file of the lake is damaged: %s", text)
            audit.record(Act.DAMAGE_FOUND, row.symbol, text)


def _take_out(damages: Sequence[lake.Damage], by: Any) -> None:
    rows = _rows_of(damages)
    copies = lake.take_out(lake.writer(), damages)
    kept = f" Kept: {', '.join(map(str, copies))}." if copies else " Nothing could be kept."
    with transaction.atomic():
        for row in rows:
            audit.record(Act.DAMAGE_REMOVED, row.symbol, f"{row}: {row.path}.{kept}", by)
            row.delete()


def _rows_of(damages: Sequence[lake.Damage]) -> list[DamagedFile]:
    return list(DamagedFile.objects.filter(path__in=[damage.file.path for damage in damages]))


def _load_anew(
    symbol: Symbol,
    damages: Sequence[lake.Damage],
    without: Collection[date] | lake.Days = (),
    by: Any = None,
) -> dict[str, IngestionJob]:
    """By dataset the job that loads the days of damaged files, where one is needed."""
    wanted: dict[str, set[date]] = defaultdict(set)
    today = timezone.now().date()
    for damage in damages:
        if (dataset := _dataset(damage.file)) and damage.file.days:
            wanted[dataset] |= {day for day in lake.each_day(damage.file.days) if day < today}
    jobs = {}
    for dataset, days in wanted.items():
        left = {day for day in days if not _is_among(day, without)}
        if left and (job := quality.repair(symbol, dataset, left, by)):
            jobs[dataset] = job
    return jobs


def _is_among(day: date, days: Collection[date] | lake.Days) -> bool:
    if isinstance(days, lake.Days):
        return (days.first or day) <= day <= (days.last or day)
    return day in days


def _dataset(file: lake.LakeFile) -> str:
    series = dataset_of(file.market_table) if file.market_table else None
    return " ".join(series).strip() if series else ""


def _days_of(chunk: Chunk) -> lake.Days:
    return lake.Days(chunk.file.start, chunk.file.end - timedelta(days=1))
