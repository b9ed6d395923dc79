"""Some days of a symbol taken out of the lake: those, all at once, and nothing else."""

from datetime import UTC, date, datetime, timedelta

import duckdb
import pytest

from ingestion.lake import (
    Days,
    LakeConfig,
    free_disk,
    read,
    remove_symbol,
    writer,
)
from ingestion.lake.ledger import lines_of
from ingestion.lake.schema import LEDGER, QUARANTINE
from ingestion.market.files import ArchiveFile
from tests.integration.ingestion.lake.test_upkeep import change_catalog
from tests.support.archive_files import csv_of
from tests.support.lake_days import FIRST, current_fingerprint, day, fingerprint, put

pytestmark = pytest.mark.postgresql

DAY_MS = 86_400_000
MIDDLE = Days(FIRST + timedelta(days=1), FIRST + timedelta(days=2))


def put_days(symbol: str, numbers: range = range(4)) -> None:
    for number in numbers:
        put(day(symbol, number, "klines", "5m"))
        put(day(symbol, number, "metrics"))
    trades = day(symbol, numbers[1])
    put(trades, content=csv_of(trades).replace("\n7,", "\nseven,"))
    writer().cursor().execute(
        "INSERT INTO lake.liquidation_events VALUES (?, ?, 'long', 1.0, 1.0, 1.0, 'live')",
        [symbol, datetime(2024, 11, 2, 12)],
    )


def everything(symbol: str) -> tuple:
    """Rows of all tables by count and checksum, the ledger and the quarantine."""
    with read.snapshot() as cursor:
        books = [
            sorted(map(str, cursor.execute(f"FROM {name} WHERE symbol = ?", [symbol]).fetchall()))
            for name in (LEDGER, QUARANTINE)
        ]
    return current_fingerprint(symbol), *books


@pytest.mark.parametrize("days", [Days(), MIDDLE], ids=["all", "range"])
def test_other_symbols_and_days_stay_as_they_are(lake: LakeConfig, days: Days) -> None:
    for symbol in ("ETHUSDT", "BTCUSDT"):
        put_days(symbol)
    other = everything("BTCUSDT")
    removal = remove_symbol(writer(), "ETHUSDT", days)
    whole_days = 4 if days.first is None else 2
    assert removal.rows["open_interest_history"] == whole_days * 288
    assert (removal.rows["liquidation_events"], removal.quarantined) == (1, 1)
    assert removal.files == 2 * whole_days + 1
    assert everything("BTCUSDT") == other


def rows_by_day(cursor: duckdb.DuckDBPyConnection, dataset: str, interval: str) -> dict[date, int]:
    found = read.filled_slots(cursor, "ETHUSDT", dataset, interval, DAY_MS, 0, 10**13)
    days = [datetime.fromtimestamp(time / 1000, UTC).date() for time in found["time"].tolist()]
    return dict(zip(days, found["rows"].tolist(), strict=True))


def test_the_days_around_a_range_stay(lake: LakeConfig) -> None:
    put_days("ETHUSDT")
    remove_symbol(writer(), "ETHUSDT", MIDDLE)
    with read.snapshot() as cursor:
        for key in (("klines", "5m"), ("metrics", "")):
            counts = rows_by_day(cursor, *key)
            assert counts == {FIRST: 288, FIRST + timedelta(days=3): 288}
        lines = lines_of(cursor, "ETHUSDT")
    assert {line.range_start.date() for line in lines} == set(counts)


def test_a_month_keeps_the_parts_outside_of_the_days(lake: LakeConfig) -> None:
    days = [csv_of(day("ETHUSDT", number, "klines", "5m")) for number in range(30)]
    header = days[0].partition("\n")[0] + "\n"
    month = ArchiveFile("ETHUSDT", "klines", "5m", date(2024, 11, 1), "monthly")
    put(month, content=header + "".join(text.removeprefix(header) for text in days))
    remove_symbol(writer(), "ETHUSDT", MIDDLE)
    remove_symbol(writer(), "ETHUSDT", Days(date(2024, 11, 10), date(2024, 11, 12)))
    with read.snapshot() as cursor:
        lines = lines_of(cursor, "ETHUSDT")
        counts = rows_by_day(cursor, "klines", "5m")
    spans = [(line.range_start.day, line.range_end.day, line.rows) for line in lines]
    assert spans == [(1, 2, 288), (4, 10, 6 * 288), (13, 1, 18 * 288)]
    assert len(counts) == 25 and set(counts.values()) == {288}


def change_times(lake: LakeConfig, versions: str) -> None:
    change_catalog(
        lake,
        "UPDATE ducklake_snapshot SET snapshot_time = '2024-01-01 00:00:00+00' "
        f"WHERE snapshot_id {versions}",
    )


def test_a_state_that_was_the_newest_for_long_outlives_its_removal(lake: LakeConfig) -> None:
    put_days("ETHUSDT")
    before = current_fingerprint("ETHUSDT")
    version = read.version(writer().cursor())
    remove_symbol(writer(), "ETHUSDT")
    change_times(lake, f"<= {version}")
    free_disk(writer())
    assert fingerprint(writer().cursor(), "ETHUSDT", f"AT (VERSION => {version})") == before
