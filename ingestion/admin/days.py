"""The grid of days: a row for every month, or of months a row for every year."""

from dataclasses import dataclass

from ingestion.availability import FileState, Series
from ingestion.sources.files import ArchiveFile

Cell = tuple[ArchiveFile, FileState] | None


@dataclass(frozen=True)
class Grid:
    """`columns` are the days of a month or the months of a year; a cell outside the range that was
    asked for is None."""

    columns: list[int]
    rows: list[tuple[str, list[Cell]]]


def grid(series: Series) -> Grid:
    """Put the files of a series where a calendar has them."""
    monthly = bool(series.files) and series.files[0][0].period == "monthly"
    columns = list(range(1, 13 if monthly else 32))
    rows: dict[str, list[Cell]] = {}
    for file, state in series.files:
        label = f"{file.start:%Y}" if monthly else f"{file.start:%Y-%m}"
        row = rows.setdefault(label, [None] * len(columns))
        row[(file.start.month if monthly else file.start.day) - 1] = (file, state)
    return Grid(columns, list(rows.items()))
