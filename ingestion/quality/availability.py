"""Which files of a symbol its source has, and which of them the lake holds."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from ingestion import lake
from ingestion.errors import BadRequest
from ingestion.lake.ledger import lines_of
from ingestion.market.datasets import parts_of
from ingestion.market.files import ArchiveFile, Period, plan_files
from ingestion.sources.staging import Source
from liqheat_project.kernel.instants import naive

MAX_FILES = 600
"""Files that one check may ask the source for: the archive answers each with a request."""


class FileState(StrEnum):
    LOADED = "loaded"
    AVAILABLE = "available"
    GONE = "gone"
    MISSING = "missing"

    @property
    def meaning(self) -> str:
        return _SIGNS_AND_MEANINGS[self][1]

    @property
    def sign(self) -> str:
        """A character that says it to those who do not see a colour."""
        return _SIGNS_AND_MEANINGS[self][0]


_SIGNS_AND_MEANINGS = {
    FileState.LOADED: ("●", "at the source and loaded"),
    FileState.AVAILABLE: ("○", "at the source, not loaded"),
    FileState.GONE: ("◐", "loaded, not at the source any more"),
    FileState.MISSING: ("·", "not at the source"),
}


@dataclass(frozen=True)
class Series:
    """The files of one symbol's dataset in order of time, each with its state."""

    symbol: str
    dataset: str
    files: list[tuple[ArchiveFile, FileState]]

    @property
    def counts(self) -> dict[FileState, int]:
        """How many files are in each state; states without any are left out."""
        found = Counter(state for _, state in self.files)
        return {state: found[state] for state in FileState if found[state]}


def check(
    source: Source,
    symbols: Sequence[str],
    datasets: Sequence[str],
    first_day: date,
    last_day: date,
    period: Period = "daily",
) -> list[Series]:
    """Hold the source's files and the lake's ledger against each other, one Series for every
    symbol and dataset (of SERIES).

    Raises BadRequest for more than MAX_FILES files, RefusedRange or RefusedPath for days and names
    that cannot be, SourceUnavailable when the source does not answer.
    """
    planned = {
        (symbol, dataset): plan_files(symbol, *parts_of(dataset), first_day, last_day, period)
        for symbol in symbols
        for dataset in datasets
    }
    asked = sum(len(files) for files in planned.values())
    if asked > MAX_FILES:
        raise BadRequest(
            f"This would ask the source for {asked:,} files, {MAX_FILES} are allowed at a time: "
            "choose fewer symbols, datasets or days."
        )
    present = source.available([file for files in planned.values() for file in files])
    loaded = _loaded_ranges(symbols)
    return [
        Series(symbol, dataset, [(file, _state(file, present, loaded)) for file in files])
        for (symbol, dataset), files in planned.items()
    ]


def not_loaded(files: Sequence[ArchiveFile]) -> list[ArchiveFile]:
    """Those of the files that the lake does not hold, neither themselves nor in their month's."""
    loaded = _loaded_ranges(sorted({file.symbol for file in files}))
    return [file for file in files if not _is_held(file, loaded)]


Ranges = dict[tuple[str, str, str], list[tuple[datetime, datetime]]]


def _loaded_ranges(symbols: Sequence[str]) -> Ranges:
    ranges: Ranges = {}
    with lake.read.snapshot() as cursor:
        for symbol in symbols:
            for line in lines_of(cursor, symbol):
                if line.is_live:
                    continue  # the file itself is still to be loaded
                key = (symbol, line.dataset, line.interval)
                ranges.setdefault(key, []).append((line.range_start, line.range_end))
    return ranges


def _state(file: ArchiveFile, present: set[ArchiveFile], loaded: Ranges) -> FileState:
    if _is_held(file, loaded):
        return FileState.LOADED if file in present else FileState.GONE
    return FileState.AVAILABLE if file in present else FileState.MISSING


def _is_held(file: ArchiveFile, loaded: Ranges) -> bool:
    start, end = (naive(instant) for instant in (file.start_instant, file.end_instant))
    # A day counts as loaded when its month's file is, and a month when all of its days are.
    held = loaded.get((file.symbol, file.dataset, file.interval or ""), [])
    for held_start, held_end in held:  # in order of time
        if held_start <= start < held_end:
            start = held_end
    return start >= end
