"""The data quality of a symbol: one state for each day of each dataset.

The lake says which rows there are and which files gave them; the chunks say what was tried. A day
is divided into slots, each of which must hold a row: a candle's length, five minutes for open
interest, an hour for trades, because the number of trades is unknown.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np
from django.db.models import Max, Min, QuerySet
from django.utils import timezone

from ingestion.errors import BadRequest, ChecksumMismatch, NotInSource
from ingestion.lake import each_day, read
from ingestion.lake.ledger import LedgerLine, lines_of
from ingestion.lake.schema import table_of
from ingestion.loading.jobs import create_job
from ingestion.market.datasets import INTERVALS, OPEN_INTEREST_MS, SERIES, parts_of
from ingestion.models import (
    ENDED_CHUNK_STATES,
    FAILED_CHUNK_STATES,
    Chunk,
    ChunkState,
    DamagedFile,
    IngestionJob,
    Symbol,
)
from liqheat_project.kernel.instants import DAY_MS, HOUR_MS, instant_of

SLOT_MS = {**INTERVALS, "metrics": OPEN_INTEREST_MS, "aggTrades": HOUR_MS}
"""Length of a day's slots, by candle interval or dataset."""

_ONE_DAY = timedelta(days=1)
_ENDED = (ChunkState.LOADED, ChunkState.UNCHANGED, *FAILED_CHUNK_STATES)


class DayState(StrEnum):
    """In the order in which a legend names them."""

    VERIFIED = "verified"
    REPLACED = "replaced"
    UNVERIFIED = "unverified"
    LIVE_ONLY = "live_only"
    QUARANTINED = "quarantined"
    PARTIAL = "partial"
    DAMAGED = "damaged"
    CHECKSUM_MISMATCH = "checksum_mismatch"
    MISSING_UPSTREAM = "missing_upstream"
    NOT_LOADED = "not_loaded"

    @property
    def sign(self) -> str:
        """A character that says it to those who do not see a colour."""
        return _SIGNS_AND_MEANINGS[self][0]

    @property
    def meaning(self) -> str:
        return _SIGNS_AND_MEANINGS[self][1]

    @property
    def label(self) -> str:
        return self.replace("_", " ")


_SIGNS_AND_MEANINGS = {
    DayState.VERIFIED: ("●", "verified: loaded, its checksum confirmed, nothing missing"),
    DayState.REPLACED: ("◉", "replaced: whole, and another version of the file was there before"),
    DayState.UNVERIFIED: ("◍", "loaded unverified: whole, but no checksum was published for it"),
    DayState.LIVE_ONLY: ("◌", "live only: rows collected live, no file of the archive yet"),
    DayState.QUARANTINED: ("◑", "quarantined: loaded, some rows of its file were set aside"),
    DayState.PARTIAL: ("◔", "partial: loaded, but rows are missing"),
    DayState.DAMAGED: ("▲", "damaged: the lake's own file with its rows is not what it was"),
    DayState.CHECKSUM_MISMATCH: ("✕", "checksum mismatch: the file is not what it should be"),
    DayState.MISSING_UPSTREAM: ("∅", "missing upstream: the source has no such file"),
    DayState.NOT_LOADED: ("·", "not loaded"),
}

BAD_STATES = frozenset(
    {
        DayState.QUARANTINED,
        DayState.PARTIAL,
        DayState.DAMAGED,
        DayState.CHECKSUM_MISMATCH,
        DayState.MISSING_UPSTREAM,
        DayState.NOT_LOADED,
    }
)
"""States that another load may mend. A missing checksum or live rows are nothing wrong."""

MISSING_STATES = frozenset(
    {
        DayState.DAMAGED,
        DayState.CHECKSUM_MISMATCH,
        DayState.MISSING_UPSTREAM,
        DayState.NOT_LOADED,
    }
)
"""Bad states in which the day's file is not in the lake, or not as it was. Days that are cut off or
have bad rows are loaded as well as they can be: the archive itself has some."""

FINE_STATES = frozenset({DayState.VERIFIED, DayState.REPLACED})
"""States in which the data of a day are complete."""


@dataclass(frozen=True)
class Attempts:
    """The ended attempts at a day: why the newest failed, if it did, by the error's class and in
    words, and the checksums of the day's own files that were loaded."""

    error_class: str = ""
    reason: str = ""
    sha256s: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Day:
    """A day of a dataset: its state, and what that follows from.

    `filled` of `slots` hold rows. `quarantined` counts the rows set aside of the whole file that
    the day came from, which may be a month's. `error` and `reason` are why the newest attempt
    failed, if it did: by the error's class, and in words.
    """

    day: date
    state: DayState
    rows: int
    filled: int
    slots: int
    quarantined: int
    error: str
    reason: str

    @property
    def remarks(self) -> str:
        """What there is to say beside the state, or nothing."""
        parts = []
        if self.state in (DayState.PARTIAL, DayState.LIVE_ONLY):
            parts.append(f"{self.filled:,} of {self.slots:,} filled")
        if self.quarantined:
            parts.append(f"rows set aside: {self.quarantined:,}")
        if self.reason:
            parts.append(self.reason)
        return ", ".join(parts)


@dataclass(frozen=True)
class Gap:
    """A stretch without rows, [start, end), aware UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class DatasetQuality:
    """A dataset (of SERIES) over consecutive days. `gaps` lie between the first and the
    last slot of these days that holds a row; `files` gave the days their rows."""

    dataset: str
    days: list[Day]
    gaps: list[Gap]
    files: list[LedgerLine]

    @property
    def counts(self) -> dict[DayState, int]:
        """How many days are in each state; states without any are left out."""
        found = Counter(day.state for day in self.days)
        return {state: found[state] for state in DayState if found[state]}

    @property
    def bad_days(self) -> list[Day]:
        return [day for day in self.days if day.state in BAD_STATES]

    def missing_days(self, today: date) -> list[Day]:
        """Days before `today` whose file is not in the lake."""
        return [day for day in self.days if day.state in MISSING_STATES and day.day < today]

    @property
    def totals(self) -> dict[str, int]:
        """Rows of the days, their files, and of these files the rows set aside, the repetitions
        left out, and how many have no confirmed checksum."""
        return {
            "rows": sum(day.rows for day in self.days),
            "files": len(self.files),
            "quarantined": sum(file.quarantined for file in self.files),
            "duplicates": sum(file.duplicates for file in self.files),
            "unverified": sum(not file.verified for file in self.files),
        }

    def as_json(self, in_public: bool) -> dict[str, Any]:
        """The days in short: totals, counts by state, each day that is not fine, and the gaps.

        In public without the reasons in words, which name this machine's folders.
        """
        days = [_day_as_json(day) for day in self.days if day.state not in FINE_STATES]
        if in_public:
            for day in days:
                del day["reason"]
        return {
            "dataset": self.dataset,
            "first_day": self.days[0].day.isoformat(),
            "last_day": self.days[-1].day.isoformat(),
            **self.totals,
            "counts": {str(state): count for state, count in self.counts.items()},
            "days": days,
            "gaps": [{"start": _iso(gap.start), "end": _iso(gap.end)} for gap in self.gaps],
        }


def state_of(
    file: LedgerLine | None,
    attempts: Attempts,
    rows: int,
    filled: int,
    slots: int,
    is_damaged: bool = False,
) -> DayState:
    """The one state of a day; where several hold, what a person must act on first wins.

    1. damaged: a file of the lake that may hold rows of the day is; its rows are not looked at.
    2. checksum mismatch: the newest attempt failed by it, whatever older rows there are.
    3. Without a file: live only if there are rows; missing upstream if the source said so to the
       newest attempt; else not loaded, with the reason of any other failure.
    4. partial: slots are empty, more of them than rows were set aside.
    5. quarantined: rows were set aside.
    6. replaced: whole, and a file with another checksum was loaded for the same day before.
    7. verified or unverified: whole, with or without a published checksum.

    That the source no longer has a file whose rows are loaded changes nothing.
    """
    if is_damaged:
        return DayState.DAMAGED
    if attempts.error_class == ChecksumMismatch.__name__:
        return DayState.CHECKSUM_MISMATCH
    if file is None:
        if rows:
            return DayState.LIVE_ONLY
        missing = attempts.error_class == NotInSource.__name__
        return DayState.MISSING_UPSTREAM if missing else DayState.NOT_LOADED
    has_no_rows = not file.rows and not file.quarantined  # a day without trades
    if slots - filled > file.quarantined and not has_no_rows:
        return DayState.PARTIAL
    if file.quarantined:
        return DayState.QUARANTINED
    if attempts.sha256s - {file.sha256}:
        return DayState.REPLACED
    return DayState.VERIFIED if file.verified else DayState.UNVERIFIED


def known_days(cursor: duckdb.DuckDBPyConnection, symbol: str) -> tuple[date, date] | None:
    """The first and the last day of which anything was loaded, collected or tried."""
    tried = _chunks(symbol).aggregate(first=Min("start"), last=Max("start"))
    days = [day for day in tried.values() if day]
    ledger = lines_of(cursor, symbol)
    damaged = _damaged(symbol)
    covered = read.coverage(cursor, symbol, without={file.table for file in damaged})
    days += [day for file in damaged for day in (file.first_day, file.last_day) if day]
    days += [line.range_start.date() for line in ledger]
    days += [(line.range_end - _ONE_DAY).date() for line in ledger]
    for name in SERIES:
        found = covered.get(table_of(*_key(name)).plain_name)
        closing = 1 if name == "metrics" else 0  # open interest at midnight closes the day before
        if found:
            days += [_day_of(found.first_ms - closing), _day_of(found.last_ms - closing)]
    return (min(days), max(days)) if days else None


def check(
    cursor: duckdb.DuckDBPyConnection,
    symbol: str,
    first: date | None = None,
    last: date | None = None,
) -> list[DatasetQuality]:
    """The datasets of which anything is known within the days, in the snapshot of `cursor`.

    `first` and `last` are both included; None is the first or last day that `known_days` names.
    Days to come, beyond those of which anything is known, are left out.
    """
    known = known_days(cursor, symbol)
    if known is None:
        return []
    first = first or known[0]
    last = min(last or known[1], max(timezone.now().date(), known[1]))
    if last < first:
        return []
    tried = _attempts(symbol, first, last)
    ledger = lines_of(cursor, symbol)
    damaged = _damaged(symbol)
    found = [
        _check(cursor, symbol, name, ledger, tried, first, last, _days_damaged(damaged, name))
        for name in SERIES
    ]
    return [quality for quality in found if quality]


def repair(
    symbol: Symbol, dataset: str, days: Collection[date], requested_by: Any = None
) -> IngestionJob | None:
    """A job that loads these days from the archive, what is in the lake already included.

    Days that wait in another job are left out; None where no other is left. Raises BadRequest for
    days that are not over: the archive has none of them.
    """
    if any(day >= timezone.now().date() for day in days):
        raise BadRequest("The archive has the files of days that are over (UTC) only.")
    name, interval = _key(dataset)
    waiting = Chunk.objects.filter(
        job__symbol=symbol, job__dry_run=False, dataset=name, interval=interval, period="daily"
    ).exclude(state__in=ENDED_CHUNK_STATES)
    chosen = set(days) - set(waiting.values_list("start", flat=True))
    if not chosen:
        return None
    return create_job(
        symbol,
        [dataset],
        min(chosen),
        max(chosen),
        reload=True,
        requested_by=requested_by,
        only=chosen,
    )


def version_of_attempts(symbol: str) -> str:
    """Changes whenever an attempt at the symbol's files ends, or one of them is found damaged."""
    newest = _chunks(symbol).aggregate(at=Max("finished_at"), pk=Max("pk"))
    damaged = [file.pk for file in _damaged(symbol)]
    return f"{newest['at']} {newest['pk']} {damaged}"


Tried = dict[tuple[str, str, date], Attempts]


def _check(
    cursor: duckdb.DuckDBPyConnection,
    symbol: str,
    name: str,
    ledger: Sequence[LedgerLine],
    tried: Tried,
    first: date,
    last: date,
    damaged: Mapping[date, str],
) -> DatasetQuality | None:
    """One dataset, None where nothing is known of it on these days."""
    dataset, interval = key = _key(name)
    slot_ms = SLOT_MS[interval or dataset]
    start_ms, end_ms = _milliseconds(first), _milliseconds(last + _ONE_DAY)
    parts = [
        read.filled_slots(cursor, symbol, dataset, interval, slot_ms, *part)
        for part in _parts(first, last, damaged)
    ]
    found = {name: np.concatenate([part[name] for part in parts]) for name in ("time", "rows")}
    number = (found["time"] - start_ms) // DAY_MS
    count = (end_ms - start_ms) // DAY_MS
    rows = np.bincount(number, found["rows"], count)
    filled = np.bincount(number, minlength=count)
    lines = [line for line in ledger if (line.dataset, line.interval) == key]
    files = _files_by_day([line for line in lines if not line.is_live])
    if not len(number) and not any(
        day in files or (*key, day) in tried or day in damaged for day in _days(first, last)
    ):
        return None
    days = []
    for index, day in enumerate(_days(first, last)):
        attempts, file = tried.get((*key, day), Attempts()), files.get(day)
        facts = (int(rows[index]), int(filled[index]), DAY_MS // slot_ms)
        state = state_of(file, attempts, *facts, is_damaged=day in damaged)
        quarantined = file.quarantined if file else 0
        reason = damaged.get(day, attempts.reason)
        days.append(Day(day, state, *facts, quarantined, attempts.error_class, reason))
    used = {files[day] for day in _days(first, last) if day in files}
    return DatasetQuality(name, days, _gaps(found["time"], slot_ms), list(used))


def _damaged(symbol: str) -> list[DamagedFile]:
    return list(DamagedFile.objects.filter(symbol=symbol, first_day__isnull=False))


def _days_damaged(damaged: Sequence[DamagedFile], dataset: str) -> dict[date, str]:
    """Why each day of a dataset is damaged: of the lake's files only, in words."""
    return {
        day: f"{file.path}: {file.reason}"
        for file in damaged
        if file.dataset == dataset
        for day in each_day(file.days)
    }


def _parts(first: date, last: date, without: Collection[date]) -> list[tuple[int, int]]:
    """[start, end) in milliseconds of the stretches between days that must not be read."""
    bounds = [first - _ONE_DAY, *sorted(day for day in without if first <= day <= last)]
    parts = [
        (_milliseconds(before + _ONE_DAY), _milliseconds(day))
        for before, day in pairwise([*bounds, last + _ONE_DAY])
    ]
    return [part for part in parts if part[0] < part[1]] or [(_milliseconds(first),) * 2]


def _day_as_json(day: Day) -> dict[str, Any]:
    return asdict(day) | {"day": day.day.isoformat(), "state": str(day.state)}


def _iso(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def _gaps(slots: np.ndarray, slot_ms: int) -> list[Gap]:
    after = np.flatnonzero(np.diff(slots) > slot_ms)
    return [
        Gap(instant_of(int(slots[index]) + slot_ms), instant_of(int(slots[index + 1])))
        for index in after
    ]


def _files_by_day(lines: Sequence[LedgerLine]) -> dict[date, LedgerLine]:
    """The file that gave each day its rows: of several that cover it, the one loaded last."""
    by_day: dict[date, LedgerLine] = {}
    for line in sorted(lines, key=lambda line: line.loaded_at):
        for day in _days(line.range_start.date(), (line.range_end - _ONE_DAY).date()):
            by_day[day] = line
    return by_day


def _attempts(symbol: str, first: date, last: date) -> Tried:
    """What the ended chunks say of each day; a month's chunk speaks for all of its days."""
    tried: Tried = {}
    chunks = _chunks(symbol).filter(start__gte=first.replace(day=1), start__lte=last)
    for chunk in chunks.select_related("job__symbol").order_by("finished_at", "pk"):
        failed = chunk.state in FAILED_CHUNK_STATES
        for day in _days(chunk.file.start, chunk.file.end - _ONE_DAY):
            key = (chunk.dataset, chunk.interval, day)
            loaded = tried.get(key, Attempts()).sha256s
            if chunk.state == ChunkState.LOADED and chunk.period == "daily":
                loaded |= {chunk.sha256}
            tried[key] = Attempts(
                error_class=chunk.error_class if failed else "",
                reason=chunk.reason if failed else "",
                sha256s=loaded,
            )
    return tried


def _chunks(symbol: str) -> QuerySet[Chunk]:
    return Chunk.objects.filter(
        job__symbol__name=symbol, job__dry_run=False, state__in=_ENDED, finished_at__isnull=False
    )


def _key(name: str) -> tuple[str, str]:
    dataset, interval = parts_of(name)
    return dataset, interval or ""


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=offset) for offset in range((last - first).days + 1))


def _milliseconds(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp()) * 1000


def _day_of(milliseconds: int) -> date:
    return instant_of(milliseconds).date()
