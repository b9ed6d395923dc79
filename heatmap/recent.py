"""Rows of the last weeks, kept in memory: from one answer to the next few of them are new.

A process keeps one range of each series with the state of the data that it was read in. New rows
mostly belong to today: then what lies before midnight (UTC) still holds, and the rest is read.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liqheat_project.kernel.instants import DAY_MS

Rows = dict[str, NDArray]
"""Arrays of equal length by name; the first of them is the time (int64 ms), which ascends."""

LONGEST_MS = 45 * DAY_MS
LARGEST_BYTES = 64_000_000
"""Of all series of a process together; what was kept first goes first."""


@dataclass(frozen=True)
class Kept:
    """All rows of a series in [start, end) (ms), and the state of the data before `midnight`, the
    last in it, and before `end`."""

    start: int
    midnight: int
    end: int
    state_before_midnight: object
    state: object
    rows: Rows

    def holds_until(self, state_before: Callable[[int], object]) -> int:
        """Up to which instant the rows are still those of the lake."""
        if state_before(self.end) == self.state:
            return self.end
        if state_before(self.midnight) == self.state_before_midnight:
            return self.midnight
        return self.start


_kept: dict[tuple[str, str], Kept] = {}
_guard = threading.Lock()


def rows_between(
    series: tuple[str, str],
    start: int,
    end: int,
    state_before: Callable[[int], object],
    load: Callable[[int, int], Rows],
) -> Rows:
    """The rows of a series, which is a symbol and a name, in [start, end) (ms).

    `load` reads them from the lake, as far as they are not kept; `state_before` gives what is equal
    while nothing changes before an instant. Nobody writes into the arrays: they may be those kept.
    """
    kept = _kept.get(series)
    known = (kept.start, kept.holds_until(state_before)) if kept else (0, 0)
    if kept and known[0] <= start < known[1]:
        since, rows = kept.start, _between(kept.rows, *known)
        if known[1] < end:
            rest = load(known[1], end)
            rows = {name: np.concatenate((rows[name], rest[name])) for name in rows}
    else:
        since, rows = start, load(start, end)
    since = max(since, end - LONGEST_MS)
    if (end, -since) > (known[1], -known[0]):  # more recent rows, or more of them
        _keep(series, since, end, state_before, _between(rows, since, end))
    return _between(rows, start, end)


def forget() -> None:
    """Read everything again."""
    _kept.clear()


def _keep(
    series: tuple[str, str],
    start: int,
    end: int,
    state_before: Callable[[int], object],
    rows: Rows,
) -> None:
    midnight = max(end // DAY_MS * DAY_MS, start)
    states = state_before(midnight), state_before(end)
    copied = {name: array.copy() for name, array in rows.items()}  # not part of a year's array
    with _guard:
        _kept.pop(series, None)
        _kept[series] = Kept(start, midnight, end, *states, copied)
        while sum(_bytes(one) for one in _kept.values()) > LARGEST_BYTES:
            del _kept[next(iter(_kept))]


def _bytes(kept: Kept) -> int:
    return sum(array.nbytes for array in kept.rows.values())


def _between(rows: Rows, start: int, end: int) -> Rows:
    time = next(iter(rows.values()))
    first, last = np.searchsorted(time, (start, end))
    return {name: array[first:last] for name, array in rows.items()}
