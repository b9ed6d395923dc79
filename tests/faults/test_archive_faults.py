"""What the archive sends wrong, and the state and the reason that the chunk ends in."""

import io
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ingestion.lake import LakeConfig
from ingestion.loading import jobs
from ingestion.market.files import ArchiveFile
from ingestion.models import Chunk, ChunkState
from tests.support.archive_files import agg_trades_csv, put_zip
from tests.support.archive_server import HTML_PAGE, ArchiveServer, Fault
from tests.support.lake_days import count, ledger_rows, parquet_files
from tests.support.steps import load_here

pytestmark = pytest.mark.django_db(transaction=True)

FILE = ArchiveFile("ETHUSDT", "aggTrades", None, date(2024, 11, 1))
PATH = FILE.archive_path


@pytest.fixture
def server(tmp_path: Path, settings: Any) -> Any:
    settings.RETRY_BACKOFF_SECONDS = 0.05
    settings.CHUNK_MAX_ATTEMPTS = 2
    settings.ARCHIVE_MAX_FILE_MB = 1
    settings.ARCHIVE_TIMEOUT_SECONDS = 2
    put_zip(tmp_path, FILE)
    with ArchiveServer(tmp_path) as running:
        settings.ARCHIVE_BASE_URL = running.url
        yield running


def load_day(symbol: Any) -> Chunk:
    job = load_here(jobs.create_job(symbol, ["aggTrades"], FILE.start, FILE.start))
    assert job.has_ended
    return job.chunks.get()


def zip_of(**members: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(f"{name}.csv", text)
    return target.getvalue()


def missing(server: ArchiveServer) -> None:
    server.script(PATH, Fault(status=404))


def broken(server: ArchiveServer) -> None:
    server.script(PATH, Fault(status=500))


def truncated(server: ArchiveServer) -> None:
    server.script(PATH, Fault(keep_bytes=200))


def wrong_checksum(server: ArchiveServer) -> None:
    server.put(PATH, zip_of(**{FILE.name: agg_trades_csv(FILE)}), checksum="ab" * 32)


def html(server: ArchiveServer) -> None:
    server.script(PATH, HTML_PAGE)


def two_members(server: ArchiveServer) -> None:
    text = agg_trades_csv(FILE)
    server.put(PATH, zip_of(**{FILE.name: text, f"{FILE.name}-copy": text}))


def bomb(server: ArchiveServer) -> None:
    server.put(PATH, zip_of(**{FILE.name: "0" * 60_000_000}))


def too_big(server: ArchiveServer) -> None:
    server.put(PATH, b"PK" + b"\1" * 1_100_000)


@pytest.mark.parametrize(
    ("fault", "attempts", "reason"),
    [
        (missing, 1, "does not exist"),
        (broken, 2, "500"),
        (truncated, 2, "bytes"),
        (wrong_checksum, 1, "CHECKSUM"),
        (html, 1, ""),
        (two_members, 1, "2 members"),
        (bomb, 1, ""),
        (too_big, 1, "allowed"),
    ],
)
def test_a_file_that_comes_wrong_fails_with_the_reason_and_writes_nothing(
    symbol: Any, lake: LakeConfig, server: ArchiveServer, fault: Any, attempts: int, reason: str
) -> None:
    fault(server)
    chunk = load_day(symbol)
    assert (chunk.state, chunk.attempts) == (ChunkState.FAILED, attempts)
    assert chunk.reason
    assert reason in chunk.reason
    assert count() == ledger_rows("ETHUSDT") == 0
    assert parquet_files(lake) == []


@pytest.mark.parametrize("fault", [Fault(status=500), Fault(keep_bytes=200), Fault(hang_up=True)])
def test_a_fault_that_passes_costs_an_attempt_and_nothing_else(
    symbol: Any, lake: LakeConfig, server: ArchiveServer, fault: Fault
) -> None:
    server.script(PATH, fault, times=1)
    chunk = load_day(symbol)
    assert (chunk.state, chunk.attempts, chunk.reason) == (ChunkState.LOADED, 2, "")
    assert count() == ledger_rows("ETHUSDT") == 100


def test_a_wait_that_the_archive_asks_for_is_kept(
    symbol: Any, lake: LakeConfig, server: ArchiveServer
) -> None:
    from ingestion.loading import load

    server.script(PATH, Fault(status=503, retry_after="70"))
    job = jobs.create_job(symbol, ["aggTrades"], FILE.start, FILE.start)
    chunk_id = job.chunks.get().pk
    outcome = load.load_chunk(chunk_id)
    assert outcome.retries[chunk_id] == 70
    chunk = job.chunks.get()
    assert chunk.state == ChunkState.WAITING
    assert "503" in chunk.reason
