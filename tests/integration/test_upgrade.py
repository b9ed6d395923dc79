"""What an older version wrote opens in this one; tests/fixtures/lake-0.1.0.tar.gz is of 0.1.0."""

import os
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from ingestion.lake import LakeConfig, connection, live, read
from ingestion.market.records import Candle
from tests.support.services import CHECKOUT

pytestmark = pytest.mark.postgresql

FIXTURE = CHECKOUT / "tests" / "fixtures" / "lake-0.1.0.tar.gz"
MIDNIGHT = 1_730_419_200_000


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A VAR_DIR as 0.1.0 left it, moved to another path."""
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(tmp_path, filter="data")
    with closing(sqlite3.connect(tmp_path / "lake" / "catalog.sqlite")) as catalog, catalog:
        catalog.execute(
            "UPDATE ducklake_metadata SET value = ? WHERE key = 'data_path'",
            [f"{tmp_path}/lake/data/"],
        )
    return tmp_path


def test_a_lake_of_0_1_0_is_read_and_written(old: Path) -> None:
    config = LakeConfig(
        f"sqlite:///{old}/lake/catalog.sqlite", old / "lake" / "data", old / "duckdb"
    )
    lake = connection.Lake(config, read_only=False)
    with lake.transaction() as cursor:
        (loaded,) = read.loaded_series(cursor, "ETHUSDT").values()
        assert {(one.dataset, one.interval): one.rows for one in loaded if one.files} == {
            ("aggTrades", ""): 796,
            ("klines", "5m"): 288,
            ("klines", "15m"): 96,
            ("metrics", ""): 288,
        }
        candles = read.candles(cursor, "ETHUSDT", "1m", MIDNIGHT, MIDNIGHT + 3_600_000)
        assert list(candles["close"]) == [2500.5] * 5
        # A table that is newer than this lake.
        assert len(read.candles(cursor, "ETHUSDT", "1h", 0, MIDNIGHT)["close"]) == 0
    minute = MIDNIGHT + 5 * 60_000
    candle = Candle("ETHUSDT", minute, 2500.0, 2501.0, 2499.0, 2500.5, 1.0, 2500.0, 1, 0.5, 1250.0)
    now = datetime(2024, 11, 1, 1)
    assert live.add_candles(lake, [candle], "live", lambda: {"ETHUSDT"}, now) == 1


def test_a_database_of_0_1_0_is_migrated_and_keeps_its_symbols(old: Path) -> None:
    environment = os.environ | {"VAR_DIR": str(old), "DATABASE_URL": "", "LAKE_CATALOG_URL": ""}
    environment["LAKE_DATA_PATH"] = ""

    def manage(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, CHECKOUT / "manage.py", *arguments],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    manage("migrate", "-v0")
    assert "| ETH/USDT | candidate |" in manage("supported_pairs", "--markdown")
