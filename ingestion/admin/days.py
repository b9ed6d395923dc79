"""The grid of days: a row for every month, or of months a row for every year."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True)
class Cell:
    """A day or month with its state, which has a `sign`, and the text that explains it."""

    start: date
    state: Any
    text: str


@dataclass(frozen=True)
class Grid:
    """`columns` are the days of a month or the months of a year; a cell outside the range that was
    asked for is None."""

    columns: list[int]
    rows: list[tuple[str, list[Cell | None]]]


def grid(cells: Iterable[Cell], monthly: bool = False) -> Grid:
    """Put cells, which are in order of time, where a calendar has them."""
    columns = list(range(1, 13 if monthly else 32))
    rows: dict[str, list[Cell | None]] = {}
    for cell in cells:
        label = f"{cell.start:%Y}" if monthly else f"{cell.start:%Y-%m}"
        row = rows.setdefault(label, [None] * len(columns))
        row[(cell.start.month if monthly else cell.start.day) - 1] = cell
    return Grid(columns, list(rows.items()))
