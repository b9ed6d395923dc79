"""Symbols that end under their name, and one without brackets of its own."""

from collections.abc import Iterator
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from heatmap.api import markets
from ingestion.lake import LakeConfig, read
from ingestion.loading import jobs
from ingestion.market.datasets import parts_of
from ingestion.market.files import ArchiveFile, plan_files
from ingestion.models import ChunkState, Symbol
from ingestion.quality.report import check
from ingestion.symbols import rollback
from liqheat_project.kernel.runs import RunState
from tests.support.archive_files import put_csv, put_zip
from tests.support.archive_server import ArchiveServer
from tests.support.lake_days import FIRST
from tests.support.steps import load_here

pytestmark = pytest.mark.django_db(transaction=True)

LAST_DAY_OF_MATIC = date(2024, 9, 10)


@pytest.fixture
def archive(lake: LakeConfig, tmp_path: Path, settings: Any) -> Iterator[ArchiveServer]:
    with ArchiveServer(tmp_path) as server:
        settings.ARCHIVE_BASE_URL = server.url
        yield server


def test_maticusdt_ends_in_the_archive_and_polusdt_takes_its_place(archive: ArchiveServer) -> None:
    matic = Symbol.objects.get(name="MATICUSDT")
    first, last = LAST_DAY_OF_MATIC - timedelta(days=1), LAST_DAY_OF_MATIC + timedelta(days=2)
    for file in plan_files("MATICUSDT", "metrics", None, first, LAST_DAY_OF_MATIC):
        put_zip(archive.root, file)
    job = load_here(jobs.create_job(matic, ["metrics"], first, last))
    assert (job.state, job.error) == (RunState.FAILED, "2 of 4 files failed")
    after = job.chunks.filter(start__gt=LAST_DAY_OF_MATIC)
    assert [(one.state, one.attempts) for one in after] == [(ChunkState.FAILED, 1)] * 2
    assert all("does not exist" in one.reason for one in after)
    asked = len(archive.requests)
    for hours in range(48):
        assert jobs.sweep(timezone.now() + timedelta(hours=hours)) == []
    assert len(archive.requests) == asked
    with read.snapshot() as cursor:
        (found,) = check(cursor, "MATICUSDT")
    assert [str(day.state) for day in found.days] == ["verified"] * 2 + ["missing_upstream"] * 2

    call_command("register_symbol", "POLUSDT", "--tick-size", "0.0001", stdout=StringIO())
    put_zip(archive.root, ArchiveFile("POLUSDT", "metrics", None, last))
    polygon = Symbol.objects.get(name="POLUSDT")
    assert load_here(jobs.create_job(polygon, ["metrics"], last, last)).state == RunState.SUCCEEDED


def test_a_symbol_without_brackets_of_its_own_is_computed_with_the_defaults(
    lake: LakeConfig, tmp_path: Path, db: None
) -> None:
    symbol = Symbol.objects.create(name="NEWUSDT", tick_size="0.01", enabled=True)
    for name in ("klines 5m", "metrics"):
        put_csv(tmp_path, ArchiveFile("NEWUSDT", *parts_of(name), FIRST))
    load_here(
        jobs.create_job(
            symbol, ["klines 5m", "metrics"], FIRST, FIRST, source="folder", folder=str(tmp_path)
        )
    )
    rollback.set_enabled(symbol, True)
    markets.forget()
    answer = Client().get("/liquidations/heatmap-timeseries", {"symbol": "NEWUSDT"})
    assert answer.status_code == 200
    assert answer.json()["meta"]["brackets"]["symbol"] == "DEFAULT"
    assert answer.json()["meta"]["total_long_volume"] > 0
    markets.forget()
