"""A removal undone: the rows, the ledger and the quarantine as they were, whatever lay between."""

import os
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from ingestion.errors import KeptRowsDamaged, NothingKept, RowsInTheWay
from ingestion.lake import (
    ALL_DAYS,
    Days,
    LakeConfig,
    bytes_kept,
    discard,
    find_kept,
    free_disk,
    in_the_way,
    merge_small_files,
    read,
    remove_symbol,
    undo_removal,
    writer,
)
from ingestion.lake.kept import folder_of
from ingestion.market.files import ArchiveFile
from tests.conftest import copied_lake
from tests.integration.ingestion.lake.test_remove_days import (
    MIDDLE,
    change_times,
    everything,
    put_days,
)
from tests.support.archive_files import csv_of
from tests.support.lake_days import FIRST, count, day, fingerprint, parquet_files, put

pytestmark = pytest.mark.postgresql

SYMBOLS = ("ETHUSDT", "BTCUSDT")


@pytest.fixture(scope="module")
def loaded_market(empty_lake: LakeConfig, tmp_path_factory: pytest.TempPathFactory) -> LakeConfig:
    with copied_lake(tmp_path_factory.mktemp("market"), empty_lake) as config:
        for symbol in SYMBOLS:
            put_days(symbol)
    return config


@pytest.fixture
def market(loaded_market: LakeConfig, tmp_path: Path) -> Iterator[LakeConfig]:
    with copied_lake(tmp_path, loaded_market) as config:
        yield config


def nothing(config: LakeConfig) -> None:
    pass


def merge(config: LakeConfig) -> None:
    merge_small_files(writer())


def forget(config: LakeConfig) -> None:
    """All maintenance, as if a week had gone by, and the leftovers of all states with it."""
    merge_small_files(writer())
    week_ago = time.time() - 7 * 86_400
    for path in config.data_path.rglob("*"):
        os.utime(path, (week_ago, week_ago))
    change_times(config, "> 0")
    free_disk(writer())
    merge_small_files(writer())


def test_an_earlier_state_stays_as_it_was_when_its_files_are_merged(market: LakeConfig) -> None:
    """With DuckDB's statistics_propagation it is empty then: the newest state's statistics say so.
    A removal is kept in files of its own all the same, because states are forgotten after a day."""
    merge(market)
    state = f"AT (VERSION => {read.version(writer().cursor())})"
    before = fingerprint(writer().cursor(), "ETHUSDT", state)
    assert before["aggtrades_history"][0] == 99
    remove_symbol(writer(), "ETHUSDT", MIDDLE)
    merge(market)
    assert fingerprint(writer().cursor(), "ETHUSDT", state) == before


@pytest.mark.parametrize(
    ("days", "before", "between"),
    [
        (ALL_DAYS, nothing, merge),
        (ALL_DAYS, merge, nothing),
        (MIDDLE, nothing, forget),
        (MIDDLE, merge, merge),
    ],
)
def test_everything_is_as_it_was(
    market: LakeConfig,
    days: Days,
    before: Callable[[LakeConfig], None],
    between: Callable[[LakeConfig], None],
) -> None:
    before(market)
    was = {symbol: everything(symbol) for symbol in SYMBOLS}
    removal = remove_symbol(writer(), "ETHUSDT", days, "first")
    assert everything("ETHUSDT") != was["ETHUSDT"]
    between(market)
    assert everything("BTCUSDT") == was["BTCUSDT"]
    back = undo_removal(writer(), "first")
    assert (back.rows, back.files, back.quarantined) == (removal.rows, removal.files, 1)
    assert {symbol: everything(symbol) for symbol in SYMBOLS} == was
    discard(market, "first")
    forget(market)
    assert {symbol: everything(symbol) for symbol in SYMBOLS} == was


def test_a_month_is_one_line_again(lake: LakeConfig) -> None:
    days = [csv_of(day("ETHUSDT", number, "klines", "5m")) for number in range(30)]
    header = days[0].partition("\n")[0] + "\n"
    content = header + "".join(text.removeprefix(header) for text in days)
    month = ArchiveFile("ETHUSDT", "klines", "5m", FIRST, "monthly")
    put(month, content=content.replace("\n1730505300000,", "\n,", 1))
    was = everything("ETHUSDT")
    others = Days(date(2024, 11, 10), date(2024, 11, 12))
    for name, removed in (("first", MIDDLE), ("second", others), ("rest", ALL_DAYS)):
        remove_symbol(writer(), "ETHUSDT", removed, name)
    for name in ("first", "rest", "second"):
        undo_removal(writer(), name)
    assert everything("ETHUSDT") == was


def test_trades_come_back_as_a_file_a_day(lake: LakeConfig) -> None:
    for number in range(3):
        put(day("ETHUSDT", number))
    remove_symbol(writer(), "ETHUSDT", keep_as="first")
    undo_removal(writer(), "first")
    came_back = parquet_files(lake, "main/aggtrades_history/symbol=ETHUSDT/undo-*.parquet")
    assert len(came_back) == 3


def test_rows_that_came_since_are_neither_doubled_nor_lost(market: LakeConfig) -> None:
    remove_symbol(writer(), "ETHUSDT", keep_as="first")
    put(day("ETHUSDT", 2, "klines", "5m"))
    put(day("ETHUSDT", 7, "klines", "5m"))
    with read.snapshot() as cursor:
        (table, ledger) = in_the_way(cursor, find_kept(market, "first"))
    assert (table.table, table.rows, ledger.table, ledger.rows) == (
        "klines_5m_history", 288, "loaded_files", 1,
    )  # fmt: skip
    held = everything("ETHUSDT")
    files = parquet_files(market)
    with pytest.raises(RowsInTheWay, match="288 of klines_5m_history"):
        undo_removal(writer(), "first")
    assert (everything("ETHUSDT"), parquet_files(market)) == (held, files)
    remove_symbol(writer(), "ETHUSDT", Days(FIRST + timedelta(2), FIRST + timedelta(2)), "second")
    undo_removal(writer(), "first")
    assert count(table="klines_5m_history") == 5 * 288


def test_undone_twice_is_undone_once(market: LakeConfig) -> None:
    """A process that dies after its commit is asked again."""
    was = everything("ETHUSDT")
    remove_symbol(writer(), "ETHUSDT", keep_as="first")
    for _ in range(2):
        undo_removal(writer(), "first")
        assert everything("ETHUSDT") == was


def test_a_removal_that_fails_keeps_and_removes_nothing(
    market: LakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    was = everything("ETHUSDT")

    def fail(*_: object) -> int:
        raise OSError("No space left on device")

    monkeypatch.setattr("ingestion.lake.remove._delete", fail)
    with pytest.raises(Exception, match="full"):
        remove_symbol(writer(), "ETHUSDT", MIDDLE, "first")
    assert everything("ETHUSDT") == was
    assert not folder_of(market, "first").exists()


def test_kept_files_that_changed_bring_nothing_back(market: LakeConfig) -> None:
    remove_symbol(writer(), "ETHUSDT", keep_as="first")
    (path,) = (folder_of(market, "first") / "klines_5m_history").iterdir()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(KeptRowsDamaged, match=r"rows\.kept"):
        undo_removal(writer(), "first")
    assert count(table="klines_5m_history") == 0


def test_what_is_given_up_frees_the_disk(market: LakeConfig) -> None:
    remove_symbol(writer(), "ETHUSDT", keep_as="first")
    size = bytes_kept(market, "first")
    assert size > 10_000
    assert discard(market, "first") == size
    assert (bytes_kept(market, "first"), discard(market, "first")) == (0, 0)
    with pytest.raises(NothingKept, match="gone"):
        undo_removal(writer(), "first")
