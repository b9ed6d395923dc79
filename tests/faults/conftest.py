"""Impatient settings, and a job of five days."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingestion.lake import LakeConfig
from ingestion.market.files import plan_files
from tests.support.archive_files import put_csv
from tests.support.lake_days import FIRST

DAYS = 5
LEASE_SECONDS = 2
WORKER_SETTINGS = {
    "CHUNK_LEASE_SECONDS": str(LEASE_SECONDS),
    "SWEEP_SECONDS": "1",
    "RETRY_BACKOFF_SECONDS": "1",
    "CHUNK_MAX_ATTEMPTS": "8",
}


@pytest.fixture(autouse=True)
def impatient(settings: Any) -> None:
    """What the workers are started with, in this process too."""
    for name, value in WORKER_SETTINGS.items():
        setattr(settings, name, int(value))


@pytest.fixture
def symbol(transactional_db: None) -> Any:
    from ingestion.models import Symbol  # Django is set up only after this file is read

    return Symbol.objects.get_or_create(name="ETHUSDT", defaults={"tick_size": "0.01"})[0]


@pytest.fixture
def five_days(symbol: Any, lake: LakeConfig, tmp_path: Path) -> Callable[..., Any]:
    """Plans a job of five days of trades, each preceded by a pause in which things can happen."""
    from ingestion.loading import jobs

    last = FIRST + timedelta(days=DAYS - 1)
    for file in plan_files("ETHUSDT", "aggTrades", None, FIRST, last):
        put_csv(tmp_path, file)

    def plan(throttle_ms: int = 500, first: date = FIRST, **options: Any) -> Any:
        return jobs.create_job(
            symbol,
            ["aggTrades"],
            first,
            last,
            source="folder",
            folder=str(tmp_path),
            throttle_ms=throttle_ms,
            **options,
        )

    return plan
