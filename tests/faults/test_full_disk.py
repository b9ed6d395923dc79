"""A disk that is full while a day is written, on a small file system of its own."""

import os
import random
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from ingestion.lake import LakeConfig, configure
from ingestion.loading import jobs, load
from ingestion.market.files import ArchiveFile
from ingestion.models import ChunkState
from liqheat_project.ops import health
from tests.conftest import say_where_its_files_are
from tests.support.archive_files import agg_trades_csv, put_csv
from tests.support.lake_days import FIRST, count, day, ledger_rows, parquet_files, put
from tests.support.services import Valkey, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

MEGABYTES = 32
ROWS = 50_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"cannot mount a small file system here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(params=["data", "staging"])
def cramped(request: Any, lake: LakeConfig, small_disk: Path, settings: Any) -> Path:
    """The lake's data, or the folder where files are unpacked, on the small disk."""
    if request.param == "data":
        settings.LAKE_DATA_PATH = small_disk / "data"
        lake = replace(lake, data_path=settings.LAKE_DATA_PATH)
        say_where_its_files_are(lake)
        configure(lake)
    else:
        settings.VAR_DIR = small_disk
    return small_disk


def restless_trades(file: ArchiveFile) -> str:
    """Trades that do not compress to nothing."""
    generator = random.Random(1)
    header, *lines = agg_trades_csv(file, rows=ROWS).splitlines()
    cells = [line.split(",") for line in lines]
    changed = [[c[0], str(generator.uniform(1, 2)), str(generator.random()), *c[3:]] for c in cells]
    return "\n".join([header, *(",".join(line) for line in changed)]) + "\n"


def test_a_full_disk_fails_the_chunk_with_the_reason_until_there_is_room(
    cramped: Path, symbol: Any, tmp_path: Path, settings: Any
) -> None:
    put(day())
    config = LakeConfig(settings.LAKE_CATALOG_URL, settings.LAKE_DATA_PATH, tmp_path)
    files = parquet_files(config)
    file = ArchiveFile("ETHUSDT", "aggTrades", None, FIRST)
    put_csv(tmp_path, file, restless_trades(file))
    ballast = cramped / "ballast"
    free = os.statvfs(cramped).f_bavail * os.statvfs(cramped).f_frsize
    ballast.write_bytes(b"\1" * (free - 100_000))

    job = jobs.create_job(
        symbol, ["aggTrades"], FIRST, FIRST, source="folder", folder=str(tmp_path)
    )
    chunk_id = job.chunks.get().pk
    outcome = load.load_chunk(chunk_id)
    chunk = job.chunks.get()
    assert (chunk.state, list(outcome.retries)) == (ChunkState.WAITING, [chunk_id])
    assert "space" in chunk.reason.lower() or "full" in chunk.reason
    assert "unexpected" not in chunk.reason
    assert count() == ledger_rows("ETHUSDT") == 100
    assert parquet_files(config) == files

    ballast.unlink()
    job.chunks.update(retry_at=job.created_at)
    load.load_chunk(chunk_id)
    chunk = job.chunks.get()
    assert (chunk.state, chunk.reason) == (ChunkState.LOADED, "")
    assert count() == ledger_rows("ETHUSDT") == ROWS


def test_a_broker_on_a_full_disk_serves_reads_and_writes_again_once_there_is_room(
    small_disk: Path, settings: Any
) -> None:
    broker = Valkey(small_disk / "broker")
    settings.REDIS_URL = broker.url
    settings.VAR_DIR = small_disk
    try:
        client = redis.Redis.from_url(broker.url)
        client.set("kept", "b")
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(b"\1" * 4096)
        wait_until(lambda: not writes(client), 30, "the broker to meet the full disk")
        assert client.get("kept") == b"b"
        health._ask_broker()
        assert health._ask_disk() == "disk full"
        ballast.unlink()
        wait_until(lambda: writes(client), 30, "the broker to write again")
        assert health._ask_disk() is None
    finally:
        broker.stop()


def writes(client: redis.Redis) -> bool:
    try:
        client.set("filler", "1" * 10_000)
    except redis.ResponseError:
        return False
    return True


def test_what_killed_workers_were_reading_is_deleted_a_day_later(
    tmp_path: Path, settings: Any
) -> None:
    settings.VAR_DIR = tmp_path
    gone = subprocess.Popen(["true"])
    gone.wait()
    two_days_ago = time.time() - 2 * 86_400
    kept = [f"{gone.pid}-young", f"{os.getpid()}-alive", "something-else"]
    for name in [*kept, f"{gone.pid}-old"]:
        folder = tmp_path / "staging" / name
        folder.mkdir(parents=True)
        (folder / "day.csv").write_text("1,2\n")
        if "young" not in name:
            os.utime(folder, (two_days_ago, two_days_ago))
    load.clear_leftovers()
    assert sorted(path.name for path in (tmp_path / "staging").iterdir()) == sorted(kept)
