"""Open interest as the archive has it, read by plain DuckDB."""

from datetime import date, datetime, timedelta
from itertools import pairwise

import duckdb
import pytest

from ingestion.errors import BadFormat
from ingestion.market.files import ArchiveFile
from tests.support.archive_files import metrics_csv
from tests.unit.ingestion.lake.parsing import (
    METRICS,
    Parse,
    bad_rows,
    good_rows,
    text,
    with_cell,
)

METRICS_TEXT = metrics_csv(METRICS)
BAD_METRICS_CELLS = [
    (0, "", "blank"),
    (0, "yesterday", "cannot be read"),
    (0, "1730462400000", "cannot be read"),
    (0, "infinity", "outside"),
    (0, "294247-01-10 04:00:54.775806", "outside"),
    (0, "2024-11-01 00:00:00", "outside"),
    (0, "2024-11-02 00:05:00", "outside"),
    (1, "BTCUSDT", "another symbol"),
    (2, "", "blank"),
    (2, "-1", "open interest"),
    (2, "nan", "open interest"),
    (2, "much", "sum_open_interest"),
    (3, "inf", "value"),
    (3, "-1", "value"),
]


@pytest.mark.parametrize(("column", "value", "reason"), BAD_METRICS_CELLS)
def test_a_bad_cell_sends_its_open_interest_to_quarantine(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse, column: int, value: str, reason: str
) -> None:
    result = parsed(METRICS, with_cell(METRICS_TEXT, 100, column, value))
    assert (result.rows, result.quarantined, result.duplicates) == (287, 1, 0)
    assert reason in bad_rows(cursor)[0][1]


@pytest.mark.parametrize("value", ["", "1.5", "nonsense"])
def test_the_ratios_of_metrics_may_be_blank_or_anything(parsed: Parse, value: str) -> None:
    content = text([line.rstrip(",") + f",{value}" * 4 for line in METRICS_TEXT.splitlines()[1:]])
    assert parsed(METRICS, content).rows == 288


def test_a_blank_value_of_open_interest_is_null(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse
) -> None:
    assert parsed(METRICS, with_cell(METRICS_TEXT, 1, 3, "")).quarantined == 0
    assert good_rows(cursor)[0][2:] == (1000.0, None, "archive")


def test_open_interest_is_out_of_order_as_on_2024_08_08(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse
) -> None:
    parsed(METRICS, METRICS_TEXT)
    expected = good_rows(cursor)
    lines = METRICS_TEXT.splitlines()
    assert parsed(METRICS, text([lines[0], *lines[150:], *lines[1:150]])).rows == 288
    assert good_rows(cursor) == expected


def instants_and_figures(cursor: duckdb.DuckDBPyConnection) -> list[tuple]:
    return [(row[1], row[2]) for row in good_rows(cursor)]


def test_the_label_change_of_metrics_gives_every_instant_to_exactly_one_file(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse
) -> None:
    """The label 2026-06-25 00:00 stands in two files: 00:00 in the older, 00:05 in the newer."""
    before = ArchiveFile("ETHUSDT", "metrics", None, date(2026, 6, 24))
    after = ArchiveFile("ETHUSDT", "metrics", None, date(2026, 6, 25))
    older, newer = metrics_csv(before, 1000.0), metrics_csv(after, 5000.0)
    assert older.splitlines()[-1].startswith("2026-06-25 00:00:00")
    assert newer.splitlines()[1].startswith("2026-06-25 00:00:00")

    assert parsed(before, older).rows == 288
    first = instants_and_figures(cursor)
    assert parsed(after, newer).rows == 288
    second = instants_and_figures(cursor)

    assert first[0] == (datetime(2026, 6, 24, 0, 5), 1000.0)
    assert first[-1] == (datetime(2026, 6, 25), 1287.0)
    assert second[0] == (datetime(2026, 6, 25, 0, 5), 5000.0)
    assert second[-1] == (datetime(2026, 6, 26), 5287.0)
    instants = [instant for instant, _ in first + second]
    assert len(set(instants)) == 576
    assert {(b - a).seconds for a, b in pairwise(instants)} == {300}


@pytest.mark.parametrize("label", ["2024-11-01", "2024-11-01 00:00:00"])
def test_a_file_with_one_figure_for_its_day_says_why_it_is_refused(
    parsed: Parse, label: str
) -> None:
    header, line, *_ = METRICS_TEXT.splitlines()
    with pytest.raises(BadFormat, match="dated by the day alone"):
        parsed(METRICS, text([header, ",".join([label, *line.split(",")[1:]])]))


def test_labels_of_the_other_rule_fall_out_of_the_day(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse
) -> None:
    """An old-style row labelled 00:00 of the next day has no place in a file of the new rule."""
    after = ArchiveFile("ETHUSDT", "metrics", None, date(2026, 6, 25))
    result = parsed(after, metrics_csv(after) + "2026-06-26 00:00:00,ETHUSDT,1,100,,,,\n")
    assert (result.rows, result.quarantined) == (288, 1)
    assert "outside" in bad_rows(cursor)[0][1]


@pytest.mark.parametrize("day", [date(2026, 6, 12), date(2026, 7, 1)])
def test_the_labels_of_a_file_decide_and_not_its_date(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse, day: date
) -> None:
    file = ArchiveFile("ETHUSDT", "metrics", None, day)
    midnight = datetime.combine(day, datetime.min.time())
    instants = [midnight + timedelta(minutes=5 * number) for number in range(1, 289)]
    for shift in (timedelta(0), timedelta(minutes=5)):
        lines = [f"{instant - shift},ETHUSDT,{1000 + instant.minute},5,,,," for instant in instants]
        assert parsed(file, text([METRICS_TEXT.splitlines()[0], *lines])).quarantined == 0
        assert instants_and_figures(cursor) == [(one, 1000.0 + one.minute) for one in instants]
