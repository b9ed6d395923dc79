import json
from datetime import date, timedelta

import pytest
import redis
from django.utils import timezone

from ingestion import lake
from ingestion.collecting import archive_sync
from ingestion.lake.live import add_open_interest
from ingestion.loading import jobs, load
from ingestion.market.datasets import parts_of
from ingestion.market.files import ArchiveFile
from ingestion.market.records import OpenInterestFigure
from ingestion.models import Chunk, ChunkState, CollectorState, IngestionJob, Symbol
from ingestion.quality.report import check
from liqheat_project.celery import app
from tests.support.archive_files import put_zip
from tests.support.lake_days import put

TODAY = date(2026, 11, 25)


@pytest.fixture(autouse=True)
def one_day(monkeypatch, settings):
    """Yesterday's open interest is all that is wanted, unless the test says more."""
    monkeypatch.setattr(archive_sync, "_today", lambda: TODAY)
    settings.ARCHIVE_SYNC_DAYS = 1
    settings.ARCHIVE_SYNC_DATASETS = ["metrics"]
    settings.CHUNK_MAX_ATTEMPTS = 1


def file(days_ago=1, name="metrics", symbol="ETHUSDT"):
    return ArchiveFile(symbol, *parts_of(name), TODAY - timedelta(days=days_ago))


def state_of(symbol=""):
    return CollectorState.objects.get(collector="archive_sync", symbol=symbol)


def load_here(ids):
    for chunk_id in ids:
        load.load_chunk(chunk_id)


def asked():
    """The files that jobs were made for."""
    chunks = Chunk.objects.select_related("job__symbol").order_by("job", "dataset", "start")
    return [chunk.file for chunk in chunks]


@pytest.mark.django_db(transaction=True)  # a load has a thread of its own
def test_what_is_published_is_loaded_by_one_job_for_the_same_days(archive, enable, settings):
    settings.ARCHIVE_SYNC_DATASETS = ["metrics", "klines 1m"]
    enable("ETHUSDT", "BTCUSDT")
    files = [file(), file(name="klines 1m")]
    for one in files:
        put_zip(archive.root, one)
    ids = archive_sync.collect()
    (job,) = IngestionJob.objects.all()
    assert (str(job.symbol), sorted(job.datasets)) == ("ETHUSDT", ["klines 1m", "metrics"])
    assert (job.start_date, job.end_date) == (file().start, file().start)
    assert sorted(ids) == sorted(job.chunks.values_list("pk", flat=True))
    assert state_of().details == {"files_asked_for": 2, "not_published_yet": 2}
    load_here(ids)
    job.refresh_from_db()
    assert job.state == "succeeded"
    with lake.read.snapshot() as cursor:
        states = {one.dataset: one.days[0].state for one in check(cursor, "ETHUSDT")}
    assert states == {"klines 1m": "verified", "metrics": "verified"}
    heads = archive.count(files[0].archive_path)
    assert archive_sync.collect() == []
    assert archive.count(files[0].archive_path) == heads


def test_a_file_that_is_not_published_yet_is_waited_for_and_fails_no_job(archive, enable):
    enable("ETHUSDT")
    assert archive_sync.collect() == []
    assert not IngestionJob.objects.exists()
    assert state_of().details["not_published_yet"] == 1
    assert state_of().next_run > state_of().last_success
    put_zip(archive.root, file())
    assert len(archive_sync.collect()) == 1


def test_only_what_is_missing_of_the_last_days_is_asked_for(archive, enable, settings):
    settings.ARCHIVE_SYNC_DAYS = 3
    enable("ETHUSDT")
    for days_ago in (1, 2, 3, 4):
        put_zip(archive.root, file(days_ago))
    put(file(2))
    noon = int(file().start_instant.timestamp() + 43_200) * 1000
    live = OpenInterestFigure("ETHUSDT", noon, 5.0)  # is in no file
    told = ("http://exchange", lambda: ["ETHUSDT"], timezone.now())
    add_open_interest(lake.writer(), [live], [None], *told)
    archive_sync.collect()
    assert asked() == [file(3), file(1)]


def test_days_that_wait_in_a_job_are_not_asked_for_twice(archive, enable):
    enable("ETHUSDT", "BTCUSDT")
    for symbol in ("ETHUSDT", "BTCUSDT"):
        put_zip(archive.root, file(symbol=symbol))
    jobs.create_job(Symbol.objects.get(name="BTCUSDT"), ["metrics"], file().start, file().start)
    assert len(archive_sync.collect()) == 1
    assert archive_sync.collect() == []
    assert IngestionJob.objects.count() == 2


@pytest.mark.django_db(transaction=True)  # a load has a thread of its own
def test_a_bad_file_fails_one_job_a_day_and_not_one_a_round(archive, enable):
    enable("ETHUSDT")
    archive.put(file().archive_path, b"PK nonsense")
    load_here(archive_sync.collect())
    assert Chunk.objects.get().state == ChunkState.FAILED
    assert archive_sync.collect() == []
    Chunk.objects.update(finished_at=Chunk.objects.get().finished_at - timedelta(hours=21))
    assert len(archive_sync.collect()) == 1


def test_what_was_loaded_before_is_kept_up_to_date_and_trades_only_by_name(lake, settings):
    put(file(400, "klines 15m"))
    put(file(400, "aggTrades"))
    assert archive_sync.datasets_of("ETHUSDT") == ["klines 15m", "metrics"]
    assert archive_sync.datasets_of("BTCUSDT") == ["metrics"]
    settings.ARCHIVE_SYNC_DATASETS = ["aggTrades"]
    assert archive_sync.datasets_of("ETHUSDT") == ["aggTrades", "klines 15m"]


def test_a_symbol_that_the_archive_publishes_no_more_has_a_clear_state(archive, enable, settings):
    settings.ARCHIVE_SYNC_DAYS = 4
    enable("ETHUSDT", "MATICUSDT")
    put_zip(archive.root, file(3))
    archive_sync.collect()
    assert "the archive has no metrics of the 2 days up to 2026-11-22" in (
        state_of("MATICUSDT").last_error
    )
    assert state_of().errors_in_a_row == 0
    assert not CollectorState.objects.filter(symbol="ETHUSDT").exists()


def test_without_an_enabled_symbol_nothing_is_asked_for(archive, enable):
    enable()
    put_zip(archive.root, file())
    assert archive_sync.collect() == []
    assert (archive.requests, CollectorState.objects.count()) == ([], 0)


def test_an_archive_that_does_not_answer_is_one_state(enable, lake):
    enable("ETHUSDT")
    assert archive_sync.collect() == []
    assert "http://127.0.0.1:9" in state_of().last_error
    assert not IngestionJob.objects.exists()


def test_a_dataset_that_does_not_exist_is_named(archive, enable, settings):
    settings.ARCHIVE_SYNC_DATASETS = ["metrics", "klines 7m"]
    enable("ETHUSDT")
    assert archive_sync.collect() == []
    assert "ARCHIVE_SYNC_DATASETS names klines 7m; it may name " in state_of().last_error


@pytest.mark.django_db(transaction=True)  # messages are sent on commit
def test_the_task_sends_the_chunks_to_the_workers(archive, enable, settings):
    for name in ("sync-archive", "check-checksums"):
        entry = settings.CELERY_BEAT_SCHEDULE[name]
        assert settings.CELERY_TASK_ROUTES[entry["task"]] == {"queue": "live"}
    broker = redis.Redis.from_url(settings.REDIS_URL)
    broker.delete("ingest")
    enable("ETHUSDT")
    put_zip(archive.root, file())
    app.tasks[settings.CELERY_BEAT_SCHEDULE["sync-archive"]["task"]]()
    (message,) = broker.lrange("ingest", 0, -1)
    assert json.loads(message)["headers"]["argsrepr"] == f"({Chunk.objects.get().pk},)"
    broker.delete("ingest")
