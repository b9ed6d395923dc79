import itertools
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.errors import RefusedPath, RefusedRange
from ingestion.market.files import MAX_FILES, ArchiveFile, plan_files

DAY = date(2024, 11, 1)
ARCHIVE = "data/futures/um"


@pytest.mark.parametrize(
    ("arguments", "name", "path"),
    [
        (
            ("ETHUSDT", "aggTrades", None, DAY),
            "ETHUSDT-aggTrades-2024-11-01",
            f"{ARCHIVE}/daily/aggTrades/ETHUSDT/ETHUSDT-aggTrades-2024-11-01.zip",
        ),
        (
            ("ETHUSDT", "klines", "15m", DAY),
            "ETHUSDT-15m-2024-11-01",
            f"{ARCHIVE}/daily/klines/ETHUSDT/15m/ETHUSDT-15m-2024-11-01.zip",
        ),
        (
            ("1000PEPEUSDT", "markPriceKlines", "1m", DAY, "monthly"),
            "1000PEPEUSDT-1m-2024-11",
            f"{ARCHIVE}/monthly/markPriceKlines/1000PEPEUSDT/1m/1000PEPEUSDT-1m-2024-11.zip",
        ),
        (
            ("ETHUSDT", "metrics", None, DAY),
            "ETHUSDT-metrics-2024-11-01",
            f"{ARCHIVE}/daily/metrics/ETHUSDT/ETHUSDT-metrics-2024-11-01.zip",
        ),
    ],
)
def test_names_are_those_of_the_archive(arguments, name, path):
    file = ArchiveFile(*arguments)
    assert (file.name, file.archive_path) == (name, path)


def test_a_folder_is_searched_in_the_runbooks_layout_before_the_archives():
    assert ArchiveFile("ETHUSDT", "klines", "15m", DAY).folder_paths == (
        "ETHUSDT/klines/15m/ETHUSDT-15m-2024-11-01.csv",
        "ETHUSDT/klines/15m/ETHUSDT-15m-2024-11-01.zip",
        "data/futures/um/daily/klines/ETHUSDT/15m/ETHUSDT-15m-2024-11-01.csv",
        "data/futures/um/daily/klines/ETHUSDT/15m/ETHUSDT-15m-2024-11-01.zip",
    )
    assert ArchiveFile("ETHUSDT", "aggTrades", None, DAY).folder_paths[0] == (
        "ETHUSDT/aggTrades/ETHUSDT-aggTrades-2024-11-01.csv"
    )


@pytest.mark.parametrize(
    ("period", "end"), [("daily", datetime(2023, 12, 2)), ("monthly", datetime(2024, 1, 1))]
)
def test_the_range_is_half_open_and_utc(period, end):
    file = ArchiveFile("ETHUSDT", "aggTrades", None, date(2023, 12, 1), period)
    assert file.start_instant == datetime(2023, 12, 1, tzinfo=UTC)
    assert file.end_instant == end.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "arguments",
    [
        ("../ETHUSDT", "aggTrades", None, DAY),
        ("ETHUSDT\n", "aggTrades", None, DAY),
        ("ethusdt", "aggTrades", None, DAY),
        ("E", "aggTrades", None, DAY),
        ("E" * 31, "aggTrades", None, DAY),
        (None, "aggTrades", None, DAY),
        ("ETHUSDT", "trades", None, DAY),
        ("ETHUSDT", "../metrics", None, DAY),
        ("ETHUSDT", "aggTrades", "15m", DAY),
        ("ETHUSDT", "klines", None, DAY),
        ("ETHUSDT", "klines", "2h", DAY),
        ("ETHUSDT", "metrics", None, DAY, "monthly"),
        ("ETHUSDT", "klines", "1m", date(2024, 11, 2), "monthly"),
        ("ETHUSDT", "klines", "1m", DAY, "yearly"),
        ("ETHUSDT", "aggTrades", None, "2024-11-01"),
        ("ETHUSDT", "aggTrades", None, datetime(2024, 11, 1)),
    ],
)
def test_what_cannot_name_a_file_is_refused(arguments):
    with pytest.raises(RefusedPath):
        ArchiveFile(*arguments)


def test_a_plan_covers_both_ends():
    files = plan_files("ETHUSDT", "metrics", None, date(2024, 2, 28), date(2024, 3, 1))
    assert [file.start for file in files] == [
        date(2024, 2, 28),
        date(2024, 2, 29),
        date(2024, 3, 1),
    ]


def test_a_monthly_plan_covers_every_month_touched():
    files = plan_files("ETHUSDT", "klines", "1m", date(2023, 12, 31), date(2024, 2, 1), "monthly")
    assert [file.name[-7:] for file in files] == ["2023-12", "2024-01", "2024-02"]


@given(st.dates(date(2019, 9, 1), date(2035, 1, 1)), st.integers(0, 400))
def test_planned_files_touch_without_gap_or_overlap(first, days):
    last = date.fromordinal(first.toordinal() + days)
    for period in ("daily", "monthly"):
        files = plan_files("ETHUSDT", "klines", "5m", first, last, period)
        assert files[0].start <= first and files[-1].end > last
        assert all(a.end == b.start for a, b in itertools.pairwise(files))


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2024, 11, 2), date(2024, 11, 1)),
        (date(2019, 8, 31), date(2024, 11, 1)),
        (date(2019, 9, 1), date.fromordinal(date(2019, 9, 1).toordinal() + MAX_FILES)),
    ],
)
def test_reversed_early_and_endless_ranges_are_refused(first, last):
    with pytest.raises(RefusedRange):
        plan_files("ETHUSDT", "aggTrades", None, first, last)


def test_a_plan_may_be_as_long_as_the_limit():
    last = date.fromordinal(date(2019, 9, 1).toordinal() + MAX_FILES - 1)
    assert len(plan_files("ETHUSDT", "metrics", None, date(2019, 9, 1), last)) == MAX_FILES
