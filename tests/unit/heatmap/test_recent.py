"""What is kept in memory is what the lake would give, and little of it is read again."""

import numpy as np
import pytest

from heatmap import recent
from heatmap.recent import DAY_MS, rows_between

HOUR_MS = DAY_MS // 24
SERIES = ("BTCUSDT", "1h")


class Lake:
    """A row an hour, the state of each day as a number, and what was read."""

    def __init__(self, hours: int) -> None:
        self.time = HOUR_MS * np.arange(hours)
        self.value = np.arange(hours, dtype=np.float64)
        self.states = dict.fromkeys(range(0, hours * HOUR_MS, DAY_MS), 0)
        self.read: list[tuple[int, int]] = []

    def rows(self, start: int, end: int) -> recent.Rows:
        inside = (self.time >= start) & (self.time < end)
        return {"time": self.time[inside], "value": self.value[inside]}

    def load(self, start: int, end: int) -> recent.Rows:
        self.read.append((start, end))
        return self.rows(start, end)

    def change(self, hour: int) -> None:
        self.value[hour] += 0.5
        self.states[hour * HOUR_MS // DAY_MS * DAY_MS] += 1

    def state_before(self, instant: int) -> list[int]:
        return [state for day, state in self.states.items() if day < instant]

    def ask(self, start: int, end: int) -> list[tuple[int, int]]:
        """Asks for rows, compares them with the truth, and gives what was read for it."""
        self.read.clear()
        found = rows_between(SERIES, start, end, self.state_before, self.load)
        for name, truth in self.rows(start, end).items():
            np.testing.assert_array_equal(found[name], truth)
        return list(self.read)


@pytest.fixture
def lake(monkeypatch):
    monkeypatch.setattr(recent, "_kept", {})
    return Lake(hours=100 * 24)


def test_nothing_is_read_twice_and_of_a_new_end_only_the_end(lake):
    start, end = 90 * DAY_MS, 95 * DAY_MS + 7 * HOUR_MS
    assert lake.ask(start, end) == [(start, end)]
    assert lake.ask(start, end) == lake.ask(start + DAY_MS, end - DAY_MS) == []
    assert lake.ask(start, end + DAY_MS) == [(end, end + DAY_MS)]
    assert lake.ask(start - DAY_MS, end) == [(start - DAY_MS, end)]


def test_what_changed_today_has_today_read_again_and_what_changed_before_has_all(lake):
    start, midnight, end = 90 * DAY_MS, 95 * DAY_MS, 95 * DAY_MS + 7 * HOUR_MS
    lake.ask(start, end)
    lake.change(95 * 24 + 3)
    assert lake.ask(start, end) == [(midnight, end)]
    assert lake.ask(start, end) == []
    lake.change(92 * 24)
    assert lake.ask(start, end) == [(start, end)]
    lake.change(97 * 24)  # later than all that was asked for
    assert lake.ask(start, end) == []


def test_any_series_of_requests_and_changes_gives_what_is_in_the_lake(lake):
    random = np.random.default_rng(1)
    for _ in range(500):
        start, end = sorted(random.integers(0, len(lake.time), 2).tolist())
        lake.ask(start * HOUR_MS, end * HOUR_MS + 1)
        if random.random() < 0.3:
            lake.change(int(random.integers(80 * 24, len(lake.time))))


def test_only_the_last_weeks_are_kept_and_the_oldest_series_goes_first(lake, monkeypatch):
    lake.ask(0, 100 * DAY_MS)
    (kept,) = recent._kept.values()
    assert (kept.start, kept.end) == (100 * DAY_MS - recent.LONGEST_MS, 100 * DAY_MS)
    assert kept.rows["time"].base is None  # no part of the whole
    monkeypatch.setattr(recent, "LARGEST_BYTES", 40_000)
    for name in ("a", "b", "c"):
        rows_between((name, "1h"), 0, 100 * DAY_MS, lake.state_before, lake.load)
    assert [symbol for symbol, _ in recent._kept] == ["b", "c"]
