"""Registering, enabling, rolling back and checking a symbol from the shell."""

import os
import pty
import sys
from datetime import date
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError

from ingestion.lake import LakeConfig, read, rows_within
from ingestion.loading import jobs
from ingestion.market.files import plan_files
from ingestion.models import RollBack, Symbol
from liqheat_project.kernel.runs import RunState
from tests.support.archive_files import put_csv
from tests.support.commands import said

pytestmark = pytest.mark.django_db(transaction=True)

FIRST, LAST = date(2024, 11, 1), date(2024, 11, 6)
DAYS = ["--start-date", FIRST, "--end-date", LAST]


@pytest.fixture(autouse=True)
def symbols(transactional_db: None, lake: LakeConfig) -> None:
    for name in ("ETHUSDT", "BTCUSDT"):
        Symbol.objects.get_or_create(name=name, defaults={"tick_size": "0.01"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six days of 15-minute candles of both symbols."""
    for name in ("ETHUSDT", "BTCUSDT"):
        for file in plan_files(name, "klines", "15m", FIRST, LAST):
            put_csv(tmp_path / "data", file)
    return tmp_path / "data"


def load(folder: Path, name: str = "ETHUSDT") -> None:
    said("ingest_klines_15m", "--symbol", name, *DAYS, "--data-dir", folder)


def candles(name: str) -> int:
    with read.snapshot() as cursor:
        return rows_within(cursor, name).get("klines_15m_history", 0)


def test_a_symbol_is_registered_disabled() -> None:
    text = said("register_symbol", "1000PEPEUSDT", "--tick-size", "0.0000001")
    assert "1000PEPEUSDT is registered with tick size 0.0000001" in text
    assert not Symbol.objects.get(name="1000PEPEUSDT").enabled


@pytest.mark.parametrize(
    ("name", "tick_size", "complaint"),
    [
        ("ETHUSDT", "0.01", "already exists"),
        ("eth/usdt", "0.01", "capital letters"),
        ("NEWUSDT", "zero", "decimal number"),
        ("NEWUSDT", "NaN", "tick size"),
        ("NEWUSDT", "0", "tick size"),
    ],
)
def test_a_symbol_that_cannot_be_is_refused(name: str, tick_size: str, complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint):
        said("register_symbol", name, "--tick-size", tick_size)
    assert (
        Symbol.objects.count()
        == 2 + Symbol.objects.exclude(name__in=["ETHUSDT", "BTCUSDT"]).count()
    )
    assert not Symbol.objects.filter(name="NEWUSDT").exists()


def test_enabling_and_disabling(folder: Path) -> None:
    assert "no data of it is loaded yet" in said("enable_symbol", "ETHUSDT")
    assert Symbol.objects.get(name="ETHUSDT").enabled
    load(folder)
    assert "Note" not in said("enable_symbol", "ETHUSDT")
    assert "Its data stays" in said("disable_symbol", "ETHUSDT")
    assert not Symbol.objects.get(name="ETHUSDT").enabled
    assert candles("ETHUSDT") == 576
    with pytest.raises(CommandError, match="not registered"):
        said("enable_symbol", "NEWUSDT")


def test_rolling_back_says_what_goes_and_leaves_the_others(folder: Path) -> None:
    load(folder)
    load(folder, "BTCUSDT")
    said("enable_symbol", "ETHUSDT")
    waiting = jobs.create_job(Symbol.objects.get(name="ETHUSDT"), ["metrics"], FIRST, LAST)
    text = said("rollback_symbol", "ETHUSDT", "--yes")
    assert "removes 576 rows" in text
    assert "klines_15m_history" in text
    assert f"cancels job {waiting.pk}" in text
    assert "6 files not loaded yet" in text
    assert "576 rows are removed" in text
    assert (candles("ETHUSDT"), candles("BTCUSDT")) == (0, 576)
    assert not Symbol.objects.get(name="ETHUSDT").enabled
    waiting.refresh_from_db()
    assert waiting.state == RunState.CANCELLED


def test_rolling_back_some_days_leaves_the_symbol_served(folder: Path) -> None:
    load(folder)
    said("enable_symbol", "ETHUSDT")
    text = said("rollback_symbol", "ETHUSDT", "--start-date", str(LAST), "--yes")
    assert "removes 96 rows" in text
    assert "ETHUSDT is enabled and 96 rows are removed" in text
    assert candles("ETHUSDT") == 480
    with pytest.raises(CommandError, match="comes before"):
        said("rollback_symbol", "ETHUSDT", f"--start-date={LAST}", f"--end-date={FIRST}")


def test_rolling_back_asks_a_person_and_nobody_else(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(folder)
    monkeypatch.setattr(sys, "stdin", StringIO("ETHUSDT\n"))
    with pytest.raises(CommandError, match="give --yes"):
        said("rollback_symbol", "ETHUSDT")
    terminal, child_side = pty.openpty()
    with os.fdopen(terminal, "w") as keyboard, os.fdopen(child_side) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        print("y", file=keyboard, flush=True)
        with pytest.raises(CommandError, match="Nothing was changed"):
            said("rollback_symbol", "ETHUSDT")
        assert candles("ETHUSDT") == 576
        print("ETHUSDT", file=keyboard, flush=True)
        said("rollback_symbol", "ETHUSDT")
    assert candles("ETHUSDT") == 0


def test_a_roll_back_is_undone_from_the_shell(folder: Path) -> None:
    load(folder)
    assert "No roll back" in said("undo_rollback")
    said("rollback_symbol", "ETHUSDT", "--start-date", str(LAST), "--yes")
    made = RollBack.objects.get()
    assert f"{made.pk}  ETHUSDT, {LAST} and later: 96 rows removed" in said("undo_rollback")
    with pytest.raises(CommandError, match="give --yes"):
        said("undo_rollback", made.pk)
    assert "96 rows of ETHUSDT are back" in said("undo_rollback", made.pk, "--yes")
    assert candles("ETHUSDT") == 576
    for again in (made.pk, 10**6):
        with pytest.raises(CommandError, match=r"was undone|no roll back"):
            said("undo_rollback", again, "--yes")


def test_an_undo_is_given_up_from_the_shell(folder: Path) -> None:
    load(folder)
    said("rollback_symbol", "ETHUSDT", "--yes")
    made = RollBack.objects.get()
    freed = said("undo_rollback", made.pk, "--give-up", "--yes")
    assert f"{made.bytes_kept:,} bytes are freed" in freed
    with pytest.raises(CommandError, match="given up"):
        said("undo_rollback", made.pk, "--yes")
    assert candles("ETHUSDT") == 0
