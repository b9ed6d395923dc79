"""The book at the first of each month, kept in files, so that no answer reads the whole history.

In the newest month it is kept each week, too, because most answers begin in the newest weeks. A
file is named after all that its book depends on: symbol, time, model and brackets, and the state
of the data before it. When one of them changes, the name is another; the old file goes when the new
one is written.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
from django.conf import settings

from heatmap.engine import Book, ModelParameters, advance, model_fingerprint
from heatmap.history import (
    History,
    engine_candles,
    load_arrays,
    load_open_interest,
)
from heatmap.kept_files import read_kept, write_kept
from heatmap.market import Market
from heatmap.trades import load_trades
from liqheat_project.kernel.instants import DAY_MS, instant_of, milliseconds_of


def book_before(
    cursor: duckdb.DuckDBPyConnection,
    market: Market,
    parameters: ModelParameters,
    instant: int,
    keep: bool,
) -> tuple[int, Book]:
    """The book at the history's last `checkpoint_times` up to `instant` (ms), and when that is.

    Without one since the history began, an empty book at its start. Books that are missing are
    computed one by one, from the newest one that is there; `keep` says whether to write them.
    """
    history = market.history
    # The weeks are those of the history's last month, so that windows of other months share them
    # and do not take turns in deleting each other's.
    kept = checkpoint_times(history.start, history.end)
    times = [time for time in kept if history.start < time <= instant]
    fingerprint = model_fingerprint(parameters, market.brackets.tables)
    at, book = history.start, Book()
    missing: list[int] = []
    for time in reversed(times):
        found = read_kept(_path(history, fingerprint, time), _load) if keep else None
        if found is not None:
            at, book = time, found
            break
        missing.append(time)
    for time in reversed(missing):
        book = _advanced(cursor, market, parameters, book, at, time)
        at = time
        if keep:
            _write(_path(history, fingerprint, time), book)
    if keep and missing:
        newest = datetime.fromtimestamp(history.end / 1000, UTC)
        drop_weeks_of_other_months(_folder(history), fingerprint, f"{newest:%Y-%m}")
    return at, book


def checkpoint_times(start: int, end: int) -> list[int]:
    """When books are kept in [start, end] (ms): at the first of each month (UTC), and in the month
    of `end` seven, fourteen and twenty-one days later, too."""
    first = _first_of_month(end)
    weeks = [first + days * DAY_MS for days in (7, 14, 21)]
    return [*month_starts(start, end), *(time for time in weeks if start <= time <= end)]


def drop_weeks_of_other_months(folder: Path, fingerprint: str, month: str) -> None:
    """Delete a model's weekly files that are not of `month`, such as 2024-11."""
    for path in folder.glob(f"????-??-??_{fingerprint}-*.npz"):
        if not path.name.startswith(f"{month}-"):
            path.unlink(missing_ok=True)


def month_starts(start: int, end: int) -> Iterator[int]:
    """The firsts of the months (UTC, ms) in [start, end]."""
    month = instant_of(_first_of_month(start))
    while (instant := milliseconds_of(month)) <= end:
        if instant >= start:
            yield instant
        month = datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)


def _first_of_month(instant: int) -> int:
    day = instant_of(instant)
    return milliseconds_of(datetime(day.year, day.month, 1, tzinfo=UTC))


def _advanced(
    cursor: duckdb.DuckDBPyConnection,
    market: Market,
    parameters: ModelParameters,
    book: Book,
    start: int,
    end: int,
) -> Book:
    history = market.history
    stretches = history.within(start, end)
    if not stretches:
        return book
    figures = load_open_interest(cursor, history, start, end)
    trades = load_trades(cursor, history, parameters, book, start, end)
    for stretch in stretches:
        candles = engine_candles(load_arrays(cursor, history, stretch), stretch.interval_ms)
        book = advance(book, candles, figures, market.brackets.tables, parameters, trades=trades)
    return book


def _path(history: History, fingerprint: str, time: int) -> Path:
    day = instant_of(time)
    name = f"{day:%Y-%m}" if day.day == 1 else f"{day:%Y-%m-%d}"
    return _folder(history) / f"{name}_{fingerprint}-{history.version_until(time)}.npz"


def _folder(history: History) -> Path:
    return Path(settings.VAR_DIR / "checkpoints" / history.symbol)


def _load(path: Path) -> Book:
    with np.load(path, allow_pickle=False) as arrays:
        return Book.from_arrays(dict(arrays))


def _write(path: Path, book: Book) -> None:
    write_kept(path, lambda file: np.savez(file, **book.to_arrays()))  # type: ignore[arg-type]
