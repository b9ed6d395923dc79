"""What a CSV can hold that it should not: what becomes of the chunk, the rows and the ledger."""

from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ingestion.lake import LakeConfig, read
from ingestion.lake.ledger import lines_of
from ingestion.loading import jobs
from ingestion.market.files import ArchiveFile
from ingestion.models import Chunk, ChunkState
from ingestion.quality.report import check
from tests.support.archive_files import csv_of, put_csv
from tests.support.lake_days import count, ledger_rows, parquet_files
from tests.support.steps import load_here

pytestmark = pytest.mark.django_db(transaction=True)

TRADES = ArchiveFile("ETHUSDT", "aggTrades", None, date(2024, 11, 1))
CANDLES = ArchiveFile("ETHUSDT", "klines", "5m", date(2024, 11, 1))
FIGURES = ArchiveFile("ETHUSDT", "metrics", None, date(2024, 11, 1))
NEW_LABELS = ArchiveFile("ETHUSDT", "metrics", None, date(2026, 6, 25))
TABLES = {
    "aggTrades": "aggtrades_history",
    "klines": "klines_5m_history",
    "metrics": "open_interest_history",
}
ROWS = {"aggTrades": 100, "klines": 288, "metrics": 288}
MICROSECONDS = "000,"


class Case(NamedTuple):
    """A file with lines as they should not be, and what is counted of them."""

    file: ArchiveFile
    text: str
    quarantined: int = 0
    duplicates: int = 0
    reason: str = ""
    state: str = "unverified"


def lines(file: ArchiveFile) -> list[str]:
    return csv_of(file).splitlines()


def joined(changed: list[str]) -> str:
    return "\n".join(changed) + "\n"


def with_cell(file: ArchiveFile, line: int, cell: int, value: str) -> str:
    changed = lines(file)
    cells = changed[line].split(",")
    cells[cell] = value
    changed[line] = ",".join(cells)
    return joined(changed)


def in_microseconds(file: ArchiveFile) -> str:
    changed = lines(file)
    for number, line in enumerate(changed[1:], 1):
        cells = line.split(",")
        cells[0], cells[6] = f"{cells[0]}000", f"{cells[6]}999"
        changed[number] = ",".join(cells)
    return joined(changed)


CASES = {
    "a bad number": Case(
        TRADES, with_cell(TRADES, 5, 1, "12..5"), 1, reason="price", state="quarantined"
    ),
    "a time outside the day": Case(
        CANDLES,
        with_cell(CANDLES, 288, 0, "1730505600000"),
        1,
        reason="outside the file's range",
        state="quarantined",
    ),
    "unsorted": Case(FIGURES, joined([lines(FIGURES)[0], *reversed(lines(FIGURES)[1:])])),
    "every row twice": Case(
        FIGURES, joined([lines(FIGURES)[0], *lines(FIGURES)[1:] * 2]), duplicates=288
    ),
    "one id, two contents": Case(
        TRADES, with_cell(TRADES, 2, 0, "1"), 1, reason="different content", state="quarantined"
    ),
    "microseconds": Case(CANDLES, in_microseconds(CANDLES)),
    "filled ratio cells": Case(FIGURES, csv_of(FIGURES).replace(",,,,", ",1.5,,0.7,")),
    "labels of the new rule before its date": Case(
        FIGURES,
        joined(
            [lines(FIGURES)[0], "2024-11-01 00:00:00,ETHUSDT,999,99900,,,,", *lines(FIGURES)[1:-1]]
        ),
    ),
    "labels of the new rule": Case(NEW_LABELS, csv_of(NEW_LABELS)),
}


def load_text(symbol: Any, folder: Path, file: ArchiveFile, text: str) -> Chunk:
    put_csv(folder, file, text)
    name = f"{file.dataset} {file.interval or ''}".strip()
    job = jobs.create_job(
        symbol, [name], file.start, file.start, source="folder", folder=str(folder)
    )
    return load_here(job).chunks.get()


@pytest.mark.parametrize("name", CASES)
def test_rows_that_cannot_be_are_set_aside_and_counted_the_others_load(
    symbol: Any, lake: LakeConfig, tmp_path: Path, name: str
) -> None:
    case = CASES[name]
    chunk = load_text(symbol, tmp_path, case.file, case.text)
    assert (chunk.state, chunk.reason) == (ChunkState.LOADED, "")
    assert (chunk.quarantined, chunk.duplicates) == (case.quarantined, case.duplicates)
    rows = ROWS[case.file.dataset] - case.quarantined
    assert chunk.rows == rows == ledger_rows("ETHUSDT")
    assert count(table=TABLES[case.file.dataset]) == rows
    with read.snapshot() as cursor:
        (line,) = lines_of(cursor, "ETHUSDT")
        aside = read.quarantined_rows(cursor, "ETHUSDT")
        (found,) = check(cursor, "ETHUSDT")
    assert (line.quarantined, line.duplicates) == (case.quarantined, case.duplicates)
    assert len(aside) == case.quarantined
    assert [case.reason in str(row["reason"]) for row in aside] == [True] * case.quarantined, aside
    assert found.days[0].state == case.state


def test_the_seam_of_the_label_change_leaves_every_instant_once(
    symbol: Any, lake: LakeConfig, tmp_path: Path
) -> None:
    """The label 2026-06-25 00:00 stands in both files and means two instants."""
    before = ArchiveFile("ETHUSDT", "metrics", None, date(2026, 6, 24))
    for file in (before, NEW_LABELS):
        assert load_text(symbol, tmp_path, file, csv_of(file)).state == ChunkState.LOADED
    assert count(table="open_interest_history") == 2 * 288
    with read.snapshot() as cursor:
        (found,) = check(cursor, "ETHUSDT")
    assert [day.filled for day in found.days] == [288, 288]
    assert found.gaps == []


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        (TRADES, csv_of(TRADES).replace("quantity", "amount", 1), "no column quantity"),
        (FIGURES, csv_of(NEW_LABELS), "rows"),
        (CANDLES, "<html>sign in</html>\n", ""),
        (CANDLES, "", "empty"),
    ],
    ids=["a missing column", "another day", "no CSV", "nothing"],
)
def test_a_file_that_cannot_be_trusted_fails_whole(
    symbol: Any, lake: LakeConfig, tmp_path: Path, file: ArchiveFile, text: str, reason: str
) -> None:
    chunk = load_text(symbol, tmp_path, file, text)
    assert (chunk.state, chunk.attempts) == (ChunkState.FAILED, 1)
    assert chunk.error_class == "BadFormat"
    assert chunk.reason
    assert reason in chunk.reason
    assert parquet_files(lake) == []
