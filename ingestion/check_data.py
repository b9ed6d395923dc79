"""What is loaded of a symbol, and what is missing."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from ingestion import lake
from ingestion.jobs import DATASET_CHOICES, parts_of
from ingestion.lake.read import LoadedFile, loaded_files, rows_by_day
from ingestion.models import Chunk, ChunkState, Symbol

ROWS_OF_A_DAY = {"1m": 1440, "5m": 288, "15m": 96, "metrics": 288}
"""Rows of a whole day, by candle interval or dataset. The number of trades is nobody's to know."""


@dataclass(frozen=True)
class DatasetReport:
    """One dataset of a symbol within the days asked about.

    `missing_days` lie between the first and the last day, or between the days asked for, and no
    loaded file covers them. `short_days` are loaded, but have fewer rows than a whole day: rows
    that there are, by day. `failed` are files whose last loading failed and that are not loaded.
    """

    name: str
    loaded_days: list[date]
    missing_days: list[date]
    short_days: dict[date, int]
    rows: int
    quarantined: int
    duplicates: int
    unverified: int
    failed: list[Chunk] = field(default_factory=list)


def check_symbol(symbol: Symbol, first: date | None, last: date | None) -> list[DatasetReport]:
    """Reports on the datasets of which anything was loaded or tried, all in one state of the lake.

    `first` and `last`, both included, bound what is looked at; None leaves that side open.
    """
    with lake.read.snapshot() as cursor:
        lines = loaded_files(cursor, symbol.name)
        ledger = [line for line in lines if not line.is_live]
        counts = {
            name: rows_by_day(cursor, symbol.name, *_key(name))
            for name in DATASET_CHOICES
            if any((line.dataset, line.interval) == _key(name) for line in ledger)
        }
    reports = []
    for name in DATASET_CHOICES:
        lines = [line for line in ledger if (line.dataset, line.interval) == _key(name)]
        report = _report(symbol, name, lines, counts.get(name, {}), first, last)
        if report.loaded_days or report.failed:
            reports.append(report)
    return reports


def _report(
    symbol: Symbol,
    name: str,
    lines: list[LoadedFile],
    counts: dict[date, int],
    first: date | None,
    last: date | None,
) -> DatasetReport:
    def asked_for(day: date) -> bool:
        return (first is None or day >= first) and (last is None or day <= last)

    dataset, interval = _key(name)
    covered = {day for line in lines for day in _days_of(line)}
    loaded = sorted(filter(asked_for, covered))
    whole = ROWS_OF_A_DAY.get(interval or dataset, 0)
    within = [line for line in lines if any(map(asked_for, _days_of(line)))]
    chunks = Chunk.objects.filter(
        job__symbol=symbol, dataset=dataset, interval=interval, state=ChunkState.FAILED
    )
    failed = {
        chunk.start: chunk
        for chunk in chunks.filter(job__dry_run=False).order_by("job__created_at", "pk")
        if chunk.start not in covered and asked_for(chunk.start)
    }
    return DatasetReport(
        name=name,
        loaded_days=loaded,
        missing_days=[
            day
            for day in _days(first or loaded[0], last or loaded[-1])
            if loaded and day not in covered
        ]
        if loaded
        else [],
        short_days={day: counts.get(day, 0) for day in loaded if counts.get(day, 0) < whole},
        rows=sum(count for day, count in counts.items() if asked_for(day)),
        quarantined=sum(line.quarantined for line in within),
        duplicates=sum(line.duplicates for line in within),
        unverified=sum(not line.verified for line in within),
        failed=[failed[day] for day in sorted(failed)],
    )


def _key(name: str) -> tuple[str, str]:
    dataset, interval = parts_of(name)
    return dataset, interval or ""


def _days_of(line: LoadedFile) -> Iterator[date]:
    return _days(line.range_start.date(), line.range_end.date() - timedelta(days=1))


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=offset) for offset in range((last - first).days + 1))
