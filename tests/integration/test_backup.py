"""A backup is made while rows are written, survives a kill, and is restored to another path."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path

import pytest

from ingestion.lake import LakeConfig, connection, live, read
from ingestion.market.records import Candle
from liqheat_project.ops import backup
from liqheat_project.ops.backup import BackupError, Places, back_up, restore
from tests.integration.test_upgrade import MIDNIGHT, old  # noqa: F401 - a fixture
from tests.support.services import CHECKOUT, wait_until

NOW = datetime(2024, 11, 2)


def places_in(folder: Path) -> Places:
    lake = LakeConfig(
        f"sqlite:///{folder}/lake/catalog.sqlite", folder / "lake" / "data", folder / "duckdb"
    )
    return Places(folder / "liqheat.sqlite3", lake)


def environment(folder: Path) -> dict[str, str]:
    blank = dict.fromkeys(("DATABASE_URL", "LAKE_CATALOG_URL", "LAKE_DATA_PATH"), "")
    return os.environ | blank | {"VAR_DIR": str(folder)}


def manage(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, CHECKOUT / "manage.py", *arguments],
        env=environment(folder),
        capture_output=True,
        text=True,
    )


def write_candle(lake: connection.Lake, number: int) -> None:
    minute = MIDNIGHT + (5 + number) * 60_000
    candle = Candle("ETHUSDT", minute, 2500.0, 2501.0, 2499.0, 2500.5, 1.0, 2500.0, 1, 0.5, 1250.0)
    assert live.add_candles(lake, [candle], "live", lambda: {"ETHUSDT"}, NOW) == 1


def rows(places: Places) -> tuple[int, int, int]:
    """One-minute candles, what the ledger says of them, and all trades."""
    with connection.Lake(places.lake, read_only=True).transaction() as cursor:
        candles = read.candles(cursor, "ETHUSDT", "1m", MIDNIGHT, MIDNIGHT + 86_400_000)
        ((in_ledger, trades),) = cursor.execute(
            "SELECT (SELECT sum(row_count) FROM lake.loaded_files WHERE candle_interval = '1m'), "
            "(SELECT count(*) FROM lake.aggtrades_history)"
        ).fetchall()
    return len(candles["close"]), int(in_ledger), trades


def test_a_backup_of_a_lake_that_is_written_to_is_one_state_of_it(
    old: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    here, kept = places_in(old), tmp_path_factory.mktemp("kept")
    lake, stop = connection.Lake(here.lake, read_only=False), threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            write_candle(lake, number)
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.5)
    try:
        first, copied = back_up(kept, here, "0.1.0", keep=2)
    finally:
        stop.set()
        writer.join()
    assert copied == len(first.files) > 0
    there = places_in(tmp_path_factory.mktemp("there"))
    assert restore(kept, there).name == first.name
    candles, in_ledger, trades = rows(there)
    assert candles == in_ledger >= 5
    assert trades == rows(here)[2] == 796
    write_candle(connection.Lake(there.lake, read_only=False), 1000)  # it is a lake to go on with

    with pytest.raises(BackupError, match="exists"):
        restore(kept, there)
    assert restore(kept, there, first.name, replace=True).name == first.name
    assert rows(there)[0] == candles

    wait_until(lambda: _second() != first.name, 5, "the next second")
    second, copied = back_up(kept, here, "0.1.0", keep=1)
    assert copied < len(second.files)
    assert backup.backups_in(kept) == [second.name]


def _second() -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())


@pytest.mark.parametrize("what", ["backup", "restore"])
def test_one_that_is_killed_can_be_started_again(
    old: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
    what: str,
) -> None:
    kept, there = tmp_path_factory.mktemp("kept"), tmp_path_factory.mktemp("there")
    if what == "restore":
        back_up(kept, places_in(old), "0.1.0", keep=2)
    folder = old if what == "backup" else there
    # The copying of the third file does not end.
    code = (
        "import django, shutil, sys, time; django.setup(); copy, seen = shutil.copyfile, []\n"
        "def slow(source, target):\n"
        "    seen.append(target)\n"
        "    if len(seen) == 3:\n"
        "        print('now', flush=True); time.sleep(60)\n"
        "    return copy(source, target)\n"
        "shutil.copyfile = slow\n"
        "from django.core.management import call_command\n"
        f"call_command({what!r}, {str(kept)!r})\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environment(folder), cwd=CHECKOUT, stdout=subprocess.PIPE
    )
    assert process.stdout and process.stdout.readline() == b"now\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert backup.backups_in(kept) == ([] if what == "backup" else backup.backups_in(kept)[:1])
    assert not (there / "liqheat.sqlite3").exists()
    if what == "backup":
        done = manage(old, "backup", str(kept))
        assert done.returncode == 0, done.stderr
    done = manage(there, "restore", str(kept))
    assert done.returncode == 0, done.stderr
    assert "Restored" in done.stdout
    assert rows(places_in(there)) == rows(places_in(old))


def test_a_list_of_files_that_leaves_its_folder_is_refused(tmp_path: Path) -> None:
    made = tmp_path / "kept" / "20260101T000000Z"
    made.mkdir(parents=True)
    contents = {"name": made.name, "version": "0.1.0", "data_path": "/", "files": {"../../x": 1}}
    (made / "backup.json").write_text(json.dumps(contents))
    with pytest.raises(BackupError, match="leaves its folder"):
        restore(tmp_path / "kept", places_in(tmp_path / "there"))


def test_with_postgresql_it_says_what_to_do(tmp_path: Path) -> None:
    command = [sys.executable, CHECKOUT / "manage.py", "backup", str(tmp_path / "kept")]
    urls = {"LAKE_CATALOG_URL": "postgresql://a:b@127.0.0.1:9/lake"}
    done = subprocess.run(command, env=environment(tmp_path) | urls, capture_output=True, text=True)
    assert done.returncode == 1
    assert "pg_dump" in done.stderr
