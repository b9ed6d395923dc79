"""Hosts that share PostgreSQL, the broker and the lake's folder, and nothing else."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingestion.lake import LakeConfig
from ingestion.loading import jobs
from ingestion.market.files import plan_files
from ingestion.models import ChunkState, IngestionJob, Symbol
from liqheat_project.kernel.runs import RunState
from tests.faults.conftest import DAYS, WORKER_SETTINGS
from tests.support.archive_files import put_csv
from tests.support.lake_days import FIRST, count, ledger_rows
from tests.support.services import Worker
from tests.support.steps import send, wait_for, wait_for_end

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.slow,
    pytest.mark.postgresql,
    pytest.mark.skipif("config.getoption('--database') == 'sqlite'", reason="SQLite is one host's"),
]


def test_a_host_that_is_lost_in_mid_load_leaves_its_work_to_the_other(
    five_days: Callable[..., IngestionJob],
    start_worker: Callable[..., Worker],
    lake: LakeConfig,
    tmp_path: Path,
) -> None:
    places = [tmp_path / "first", tmp_path / "second"]
    for place in places:
        place.mkdir(mode=0o700)
    lost, left = (
        start_worker(place.name, concurrency=1, VAR_DIR=str(place), **WORKER_SETTINGS)
        for place in places
    )
    trades = five_days(throttle_ms=200)
    candles = metrics_job(tmp_path)
    for job in (trades, candles):
        send(job)
    wait_for(trades, lambda job: all((place / "staging").is_dir() for place in places), 30)
    wait_for(trades, lambda job: job.chunks.filter(state=ChunkState.RUNNING).exists(), 30)
    os.killpg(lost.pid, signal.SIGKILL)
    lost.process.wait()
    for job in (trades, candles):
        wait_for_end(job)
        assert (job.state, job.error) == (RunState.SUCCEEDED, "")
        assert {chunk.state for chunk in job.chunks.all()} == {ChunkState.LOADED}
    assert left.process.poll() is None
    assert count() == ledger_rows("ETHUSDT") == DAYS * 100
    assert count("BTCUSDT", "open_interest_history") == ledger_rows("BTCUSDT") == DAYS * 288


def metrics_job(folder: Path) -> Any:
    symbol = Symbol.objects.get_or_create(name="BTCUSDT", defaults={"tick_size": "0.1"})[0]
    days = plan_files("BTCUSDT", "metrics", None, FIRST, FIRST.replace(day=FIRST.day + DAYS - 1))
    for file in days:
        put_csv(folder, file)
    return jobs.create_job(
        symbol,
        ["metrics"],
        FIRST,
        days[-1].start,
        source="folder",
        folder=str(folder),
        throttle_ms=200,
    )
