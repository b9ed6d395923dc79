"""The book at the first of each month, kept in files, so that no answer reads the whole history.

A file is named after all that its book depends on: symbol, month, model and brackets, and the
state of the data before it. When one of them changes, the name is another; the old file goes when
the new one is written.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
from django.conf import settings

from heatmap.brackets import Brackets
from heatmap.engine import Book, ModelParameters, advance, model_fingerprint
from heatmap.history import (
    History,
    engine_candles,
    load_arrays,
    load_open_interest,
)
from heatmap.kept_files import read_kept, write_kept
from heatmap.trades import load_trades


def book_before(
    cursor: duckdb.DuckDBPyConnection,
    history: History,
    brackets: Brackets,
    parameters: ModelParameters,
    instant: int,
    keep: bool,
) -> tuple[int, Book]:
    """The book at the last first of a month up to `instant` (ms), and when that is.

    Without one since the history began, an empty book at its start. Months that are missing are
    computed one by one, from the newest one that is there; `keep` says whether to write them.
    """
    months = [month for month in month_starts(history.start, instant) if month > history.start]
    fingerprint = model_fingerprint(parameters, brackets.tables)
    at, book = history.start, Book()
    missing: list[int] = []
    for month in reversed(months):
        found = read_kept(_path(history, fingerprint, month), _load) if keep else None
        if found is not None:
            at, book = month, found
            break
        missing.append(month)
    for month in reversed(missing):
        book = _advanced(cursor, history, brackets, parameters, book, at, month)
        at = month
        if keep:
            _write(_path(history, fingerprint, month), book)
    return at, book


def month_starts(start: int, end: int) -> Iterator[int]:
    """The firsts of the months (UTC, ms) in [start, end]."""
    day = datetime.fromtimestamp(start / 1000, UTC)
    month = datetime(day.year, day.month, 1, tzinfo=UTC)
    while (instant := int(month.timestamp() * 1000)) <= end:
        if instant >= start:
            yield instant
        month = datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)


def _advanced(
    cursor: duckdb.DuckDBPyConnection,
    history: History,
    brackets: Brackets,
    parameters: ModelParameters,
    book: Book,
    start: int,
    end: int,
) -> Book:
    stretches = history.within(start, end)
    if not stretches:
        return book
    figures = load_open_interest(cursor, history.symbol, start, end)
    trades = load_trades(cursor, history, parameters, book, start, end)
    for stretch in stretches:
        candles = engine_candles(load_arrays(cursor, history, stretch), stretch.interval_ms)
        book = advance(book, candles, figures, brackets.tables, parameters, trades=trades)
    return book


def _path(history: History, fingerprint: str, month: int) -> Path:
    name = f"{datetime.fromtimestamp(month / 1000, UTC):%Y-%m}-{fingerprint}"
    folder = settings.VAR_DIR / "checkpoints" / history.symbol
    return Path(folder / f"{name}-{history.version_until(month)}.npz")


def _load(path: Path) -> Book:
    with np.load(path, allow_pickle=False) as arrays:
        return Book.from_arrays(dict(arrays))


def _write(path: Path, book: Book) -> None:
    write_kept(path, lambda file: np.savez(file, **book.to_arrays()))  # type: ignore[arg-type]
