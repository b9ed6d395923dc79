"""Several symbols through everything: what is done to one leaves the others as they are."""

import hashlib
import re
from datetime import date
from pathlib import Path

import pytest
from django.test import Client

from heatmap.api import markets
from ingestion.lake import LakeConfig, free_disk, writer
from ingestion.loading import jobs, load
from ingestion.market.files import plan_files
from ingestion.models import IngestionJob, Symbol
from ingestion.symbols import rollback
from tests.support.archive_files import agg_trades_csv, put_csv
from tests.support.lake_days import current_fingerprint, ledger_rows, parquet_files

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]

FIRST, LAST = date(2024, 11, 1), date(2024, 11, 2)
DATASETS = (("aggTrades", None), ("klines", "5m"), ("metrics", None))


def job_of(name: str, folder: Path, **options: bool) -> IngestionJob:
    symbol, _ = Symbol.objects.get_or_create(name=name, defaults={"tick_size": "0.01"})
    datasets = [" ".join(filter(None, dataset)) for dataset in DATASETS]
    return jobs.create_job(
        symbol, datasets, FIRST, LAST, source="folder", folder=str(folder), **options
    )


def everything_of(name: str, config: LakeConfig) -> tuple:
    digests = {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in parquet_files(config, f"main/**/symbol={name}/**/*.parquet")
    }
    lines = (
        writer()
        .cursor()
        .execute("FROM lake.loaded_files WHERE symbol = ? ORDER BY dataset, range_start", [name])
        .fetchall()
    )
    quarantine = (
        writer()
        .cursor()
        .execute("FROM lake.quarantined_rows WHERE symbol = ? ORDER BY ALL", [name])
        .fetchall()
    )
    return current_fingerprint(name), lines, quarantine, digests


def answers_of(name: str) -> list[tuple[int, bytes]]:
    """What the API says of a symbol; for an answer that was computed twice, without the time."""
    markets.forget()
    client = Client()
    paths = (
        "/liquidations/heatmap-timeseries?time_window=24h&format=grid",
        "/liquidations/map?",
        "/prices/klines?interval=5m",
        "/data/date-range?",
    )
    found = [client.get(f"{path}&symbol={name}") for path in paths]
    return [(one.status_code, re.sub(rb'"computed_ms":[\d.]+', b"", one.content)) for one in found]


def test_loading_reloading_and_rolling_back_one_symbol_touches_no_other(
    lake: LakeConfig, tmp_path: Path
) -> None:
    names = ("BTCUSDT", "ETHUSDT", "ETHUSDT_260626")
    for name in names:
        for dataset, interval in DATASETS:
            for file in plan_files(name, dataset, interval, FIRST, LAST):
                text = agg_trades_csv(file).replace("\n7,", "\nseven,")
                put_csv(tmp_path, file, text if dataset == "aggTrades" else None)
        load.run_here(job_of(name, tmp_path), lambda job: None)
    others = ("BTCUSDT", "ETHUSDT_260626")
    Symbol.objects.filter(name__in=names).update(enabled=True)
    before = [everything_of(name, lake) for name in others]
    answered = [answers_of(name) for name in others]
    assert all(status == 200 for one in answered for status, _ in one)
    assert all(rows and lines and bad and files for rows, lines, bad, files in before)

    load.run_here(job_of("ETHUSDT", tmp_path, reload=True), lambda job: None)
    assert [everything_of(name, lake) for name in others] == before
    jobs.cancel(job_of("ETHUSDT", tmp_path))
    removed = rollback.roll_back(Symbol.objects.get(name="ETHUSDT"))
    assert set(removed.rows) == {"aggtrades_history", "klines_5m_history", "open_interest_history"}
    assert [everything_of(name, lake) for name in others] == before
    assert [answers_of(name) for name in others] == answered
    assert all(status == 404 for status, _ in answers_of("ETHUSDT"))
    free_disk(writer(), 7)
    assert [everything_of(name, lake) for name in others] == before
    assert ledger_rows("ETHUSDT") == 0
    assert set(current_fingerprint("ETHUSDT").values()) == {(0, None)}
