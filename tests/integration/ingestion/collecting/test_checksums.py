from datetime import date, datetime, timedelta

import pytest

from ingestion import lake
from ingestion.collecting import checksums
from ingestion.collecting.checksums import file_of
from ingestion.lake.ledger import LedgerLine
from ingestion.loading import jobs, load
from ingestion.market.files import ArchiveFile
from ingestion.models import CollectorState, IngestionJob, Symbol
from ingestion.quality.report import check
from tests.support.archive_files import metrics_csv, put_csv, put_zip

pytestmark = pytest.mark.django_db(transaction=True)  # a load has a thread of its own

FIRST = date(2024, 11, 1)


@pytest.fixture(autouse=True)
def all_days(settings):
    settings.CHECKSUM_DAYS = 3650


def file(number=0, symbol="ETHUSDT"):
    return ArchiveFile(symbol, "metrics", None, FIRST + timedelta(days=number))


@pytest.fixture
def loaded(archive, enable):
    """Three days of open interest, loaded from the archive."""
    enable("ETHUSDT")
    for number in range(3):
        put_zip(archive.root, file(number))
    symbol = Symbol.objects.get(name="ETHUSDT")
    job = jobs.create_job(symbol, ["metrics"], file(0).start, file(2).start)
    load.run_here(job, lambda job: None)
    return archive


def details():
    return CollectorState.objects.get(collector="checksums").details


def test_a_changed_file_is_fetched_again_as_a_new_version_once(loaded):
    assert checksums.collect() == []
    assert details() == {"files": 3, "changed": 0, "fetched_again": 0, "without_checksum": 0}
    assert IngestionJob.objects.count() == 1
    put_zip(loaded.root, file(1), metrics_csv(file(1), 5000.0))
    ids = checksums.collect()
    assert details() == {"files": 3, "changed": 1, "fetched_again": 1, "without_checksum": 0}
    assert checksums.collect() == []  # it waits in a job
    assert details()["changed"] == 1
    for chunk_id in ids:
        load.load_chunk(chunk_id)
    job = IngestionJob.objects.latest("pk")
    assert (job.state, job.start_date, job.steps_total) == ("succeeded", file(1).start, 1)
    with lake.read.snapshot() as cursor:
        states = [day.state for day in check(cursor, "ETHUSDT")[0].days]
        figures = lake.read.open_interest(cursor, "ETHUSDT", 0, 2**42)["contracts"]
    assert states == ["verified", "replaced", "verified"]
    assert (figures >= 5000).sum() == 288
    assert checksums.collect() == []
    assert details()["changed"] == 0


def test_what_cannot_be_compared_is_counted_and_does_not_stop_the_others(loaded):
    (loaded.root / f"{file(0).archive_path}.CHECKSUM").unlink()
    (loaded.root / f"{file(1).archive_path}.CHECKSUM").write_text("<html>")
    put_zip(loaded.root, file(2), metrics_csv(file(2), 5000.0))
    assert len(checksums.collect()) == 1
    assert details() == {"files": 3, "changed": 1, "fetched_again": 1, "without_checksum": 2}


def test_only_the_archives_own_files_of_the_last_days_are_compared(loaded, settings, tmp_path):
    put_csv(tmp_path, file(3))
    symbol = Symbol.objects.get(name="ETHUSDT")
    job = jobs.create_job(
        symbol, ["metrics"], file(3).start, file(3).start, source="folder", folder=str(tmp_path)
    )
    load.run_here(job, lambda job: None)
    now = datetime.fromisoformat("2024-11-04T12:00:00+00:00")
    assert sorted(one.start.day for one in checksums.stored_checksums(["ETHUSDT"], now)) == [
        1,
        2,
        3,
    ]
    settings.CHECKSUM_DAYS = 2
    assert [one.start.day for one in checksums.stored_checksums(["ETHUSDT"], now)] == [2, 3]
    assert checksums.stored_checksums(["BTCUSDT"], now) == {}


def test_an_archive_that_does_not_answer_is_one_state(loaded, settings):
    settings.ARCHIVE_BASE_URL = "http://127.0.0.1:9"
    assert checksums.collect() == []
    state = CollectorState.objects.get(collector="checksums")
    assert "http://127.0.0.1:9" in state.last_error


@pytest.mark.parametrize(
    ("dataset", "start", "end", "name", "period"),
    [
        ("klines", "2024-11-01", "2024-11-02", "1m-2024-11-01", "daily"),
        ("klines", "2024-11-01", "2024-12-01", "1m-2024-11", "monthly"),
        ("klines", "2024-11-01", "2024-11-02", "1m-2024-11", None),
        ("klines", "2024-11-01", "2024-11-20", "1m-2024-11", None),
        ("klines", "2024-11-05", "2024-12-01", "1m-2024-11", None),
        ("metrics", "2024-11-01", "2024-12-01", "metrics-2024-11", None),
    ],
)
def test_a_line_of_the_ledger_is_a_day_a_month_or_a_part(dataset, start, end, name, period):
    interval, origin = "1m" if dataset == "klines" else "", f"http://x/ETHUSDT-{name}.zip"
    bounds = datetime.fromisoformat(start), datetime.fromisoformat(end)
    line = LedgerLine(
        "ETHUSDT", dataset, interval, *bounds, origin, "0" * 64, True, 1, 0, 0, 1, bounds[0]
    )
    found = file_of(line)
    assert (found and found.period) == period
