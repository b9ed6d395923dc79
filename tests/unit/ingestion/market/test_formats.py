import zipfile
from datetime import UTC, date, datetime, timedelta

import pytest

from ingestion.errors import BadFormat
from ingestion.market.files import ArchiveFile
from ingestion.market.formats import (
    COLUMNS,
    MICROSECONDS_FROM,
    open_interest_label_shift,
    read_layout,
    row_range,
)

TRADE = "171927517,0.7097,19.0,551530707,551530707,1729209603958,false"
SNAPSHOT = "2026-01-13 00:05:00,ETHUSDT,2236288.139,6925891621.635143,,,,"


@pytest.mark.parametrize("dataset", COLUMNS)
@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_header_is_recognised(dataset, ending, mark):
    layout = read_layout(mark + ",".join(COLUMNS[dataset]) + ending, dataset)
    assert layout.has_header
    assert layout.names[: len(COLUMNS[dataset])] == tuple(COLUMNS[dataset])


@pytest.mark.parametrize(
    ("line", "dataset"),
    [
        (TRADE, "aggTrades"),
        ("\ufeff" + TRADE + "\r\n", "aggTrades"),
        ("bad,0.7097,19.0,551530707,551530707,1729209603958,false", "aggTrades"),
        (",0.7097,19.0,551530707,551530707,1729209603958,false", "aggTrades"),
        (SNAPSHOT, "metrics"),
        ("1768262400000,1,2,3,4,5,1768262699999,0,0,0,0,0", "klines"),
        ("1768262400000,1,2,3,4,0,1768262699999,0,60,0,0,0", "markPriceKlines"),
    ],
)
def test_a_file_without_header_has_its_columns_in_order(line, dataset):
    layout = read_layout(line, dataset)
    assert not layout.has_header
    assert layout.names == COLUMNS[dataset]


def test_columns_are_found_where_the_header_says():
    layout = read_layout(
        'is_buyer_maker, "Price" ,surprise,quantity,agg_trade_id,first_trade_id,last_trade_id,'
        "transact_time",
        "aggTrades",
    )
    assert layout.names.index("price") == 1
    assert layout.names.index("agg_trade_id") == 4
    assert layout.names[2] == "extra_2"


def test_an_eighth_column_without_header_is_extra():
    assert read_layout(TRADE + ",True", "aggTrades").names[7:] == ("extra_7",)


@pytest.mark.parametrize(
    ("line", "dataset", "named"),
    [
        (
            "agg_trade_id,price,first_trade_id,last_trade_id,transact_time,is_buyer_maker",
            "aggTrades",
            "quantity",
        ),
        ("171927517,0.7097,19.0,551530707,551530707,1729209603958", "aggTrades", "is_buyer_maker"),
        ("timestamp,sumOpenInterest", "metrics", "create_time"),
        ("create_time,create_time,symbol", "metrics", "twice"),
        ("<!DOCTYPE html>", "klines", "open_time"),
        ("", "klines", "empty"),
        ("\ufeff\r\n", "klines", "empty"),
        (",,,,,,", "aggTrades", "empty"),
        ("1\x00" + "9" * 200_000, "klines", "klines"),
    ],
)
def test_a_missing_column_is_named(line, dataset, named):
    with pytest.raises(BadFormat, match=named):
        read_layout(line, dataset)


def test_what_no_table_needs_may_be_missing():
    assert len(read_layout(",".join(COLUMNS["klines"][:-1]), "klines").names) == 11
    assert len(read_layout("2026-01-13 00:05:00,ETHUSDT,1,2", "metrics").names) == 4


def test_milliseconds_and_microseconds_do_not_meet():
    assert 1_568_000_000_000 < MICROSECONDS_FROM < 1_568_000_000_000_000
    assert datetime.fromtimestamp(MICROSECONDS_FROM / 1_000_000, UTC).year == 1973


def _published(day: date) -> list[datetime]:
    # As binance-public-data's issue 491 describes the files.
    first = timedelta(minutes=0 if day >= date(2026, 6, 25) else 5)
    start = datetime.combine(day, datetime.min.time(), UTC) + first
    return [start + timedelta(minutes=5 * row) for row in range(288)]


def test_open_interest_has_every_instant_once_across_the_label_change():
    instants = []
    for day in (date(2026, 6, 23), date(2026, 6, 24), date(2026, 6, 25), date(2026, 6, 26)):
        file = ArchiveFile("BTCUSDT", "metrics", None, day)
        start, end = row_range(file)
        valid = [label + open_interest_label_shift(file) for label in _published(day)]
        assert all(start <= instant < end for instant in valid)
        instants += valid
    first = datetime(2026, 6, 23, 0, 5, tzinfo=UTC)
    assert instants == [first + timedelta(minutes=5 * row) for row in range(4 * 288)]


def test_the_doubled_label_means_two_instants():
    label = datetime(2026, 6, 25, tzinfo=UTC)
    old, new = (ArchiveFile("BTCUSDT", "metrics", None, date(2026, 6, day)) for day in (24, 25))
    assert label in _published(old.start) and label in _published(new.start)
    assert label + open_interest_label_shift(old) == label
    assert label + open_interest_label_shift(new) == label + timedelta(minutes=5)


def test_rows_of_trades_and_candles_start_at_midnight():
    file = ArchiveFile("BTCUSDT", "klines", "1m", date(2024, 2, 1), "monthly")
    assert row_range(file) == (file.start_instant, file.end_instant)


def test_row_ranges_of_consecutive_days_touch():
    first, second = (ArchiveFile("BTCUSDT", "metrics", None, date(2026, 6, d)) for d in (24, 25))
    assert row_range(first)[1] == row_range(second)[0]
    assert row_range(first)[0] > first.start_instant
    assert row_range(first)[1] > first.end_instant


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("path", "has_header", "width"),
    [
        ("futures/um/daily/aggTrades/APEUSDT/APEUSDT-aggTrades-2024-10-18.zip", True, 7),
        ("spot/daily/aggTrades/PEPEUSDT/PEPEUSDT-aggTrades-2024-10-27.zip", False, 8),
    ],
)
def test_real_files_of_the_exchange(real_data, path, has_header, width):
    with zipfile.ZipFile(real_data / "archive/data" / path) as archive:
        lines = archive.read(archive.namelist()[0]).decode().splitlines()
    layout = read_layout(lines[0], "aggTrades")
    assert (layout.has_header, len(layout.names)) == (has_header, width)
    row = lines[1].split(",")
    assert row[layout.names.index("is_buyer_maker")].lower() in ("true", "false")
    assert int(row[layout.names.index("transact_time")]) < MICROSECONDS_FROM
