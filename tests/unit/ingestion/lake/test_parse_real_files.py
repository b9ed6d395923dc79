"""Real files of the archive, held against a slow reading."""

import csv
import zipfile
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from ingestion.lake.parse import parse
from ingestion.market.files import ArchiveFile
from tests.unit.ingestion.lake.parsing import (
    expected_trade,
    good_rows,
    naive,
    shown,
)


def unzipped(archive: Path, folder: Path) -> Path:
    with zipfile.ZipFile(archive) as packed:
        return Path(packed.extract(packed.namelist()[0], folder))


def slowly_read(path: Path) -> list[list[str]]:
    with path.open(newline="") as stream:
        rows = list(csv.reader(stream))
    return rows if rows[0][0][:1].isdigit() else rows[1:]


@pytest.mark.real_data
def test_a_real_day_of_trades_equals_a_slow_reading(
    cursor: duckdb.DuckDBPyConnection, real_data: Path, tmp_path: Path
) -> None:
    file = ArchiveFile("APEUSDT", "aggTrades", None, date(2024, 10, 18))
    path = unzipped(real_data / "archive" / file.archive_path, tmp_path)
    result = shown(cursor, parse(cursor, path, file, "rows"))
    expected = sorted(expected_trade(cells, "APEUSDT") for cells in slowly_read(path))
    assert (result.quarantined, result.duplicates, result.rows) == (0, 0, len(expected))
    assert good_rows(cursor) == expected


@pytest.mark.real_data
def test_a_real_spot_file_without_header_equals_a_slow_reading(
    cursor: duckdb.DuckDBPyConnection, real_data: Path, tmp_path: Path
) -> None:
    file = ArchiveFile("PEPEUSDT", "aggTrades", None, date(2024, 10, 27))
    archive = "archive/data/spot/daily/aggTrades/PEPEUSDT/PEPEUSDT-aggTrades-2024-10-27.zip"
    path = unzipped(real_data / archive, tmp_path)
    result = shown(cursor, parse(cursor, path, file, "rows"))
    expected = sorted(expected_trade(cells, "PEPEUSDT") for cells in slowly_read(path))
    assert (result.quarantined, result.rows) == (0, len(expected))
    assert good_rows(cursor) == expected


@pytest.mark.real_data
@pytest.mark.parametrize(
    "file",
    [
        ArchiveFile("AVAXUSDT", "metrics", None, date(2026, 2, 11)),
        ArchiveFile("BTCUSDT", "metrics", None, date(2025, 12, 1)),
    ],
    ids=str,
)
def test_a_real_day_of_open_interest_equals_a_slow_reading(
    cursor: duckdb.DuckDBPyConnection, real_data: Path, tmp_path: Path, file: ArchiveFile
) -> None:
    path = unzipped(real_data / "archive" / file.archive_path, tmp_path)
    result = shown(cursor, parse(cursor, path, file, "rows"))
    expected = sorted(
        (
            file.symbol,
            datetime.fromisoformat(cells[0]),
            float(Decimal(cells[2])),
            float(Decimal(cells[3])),
            "archive",
        )
        for cells in slowly_read(path)
    )
    assert (result.quarantined, result.duplicates, result.rows) == (0, 0, len(expected))
    assert good_rows(cursor) == expected


@pytest.mark.real_data
def test_a_real_month_of_candles_equals_a_slow_reading(
    cursor: duckdb.DuckDBPyConnection, real_data: Path, tmp_path: Path
) -> None:
    file = ArchiveFile("AVAXUSDT", "klines", "1m", date(2026, 2, 1), "monthly")
    path = unzipped(real_data / "archive" / file.archive_path, tmp_path)
    result = shown(cursor, parse(cursor, path, file, "rows"))
    expected = sorted(
        (
            "AVAXUSDT",
            naive(int(cells[0])),
            *(float(Decimal(cell)) for cell in cells[1:6]),
            naive(int(cells[6])),
            float(Decimal(cells[7])),
            int(cells[8]),
            float(Decimal(cells[9])),
            float(Decimal(cells[10])),
        )
        for cells in slowly_read(path)
    )
    assert (result.quarantined, result.duplicates, result.rows) == (0, 0, 28 * 1440)
    assert good_rows(cursor) == expected
