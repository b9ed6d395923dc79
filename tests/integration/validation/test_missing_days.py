"""Days that a run misses: one click loads them, and the run is made again."""

import io
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from ingestion.lake import LakeConfig
from ingestion.loading import load
from ingestion.market.files import ArchiveFile
from ingestion.models import IngestionJob, Symbol
from tests.support.archive_files import put_zip
from tests.support.archive_server import ArchiveServer
from validation import runs, tasks
from validation.models import ValidationRun

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/validation/validationrun/"
LogIn = Callable[..., Client]
DAYS = (date(2025, 1, 2), date(2025, 1, 3))
NOON = 1_735_819_200  # of the first day


@pytest.fixture
def archive(lake: LakeConfig, tmp_path: Path, settings: Any) -> Iterator[ArchiveServer]:
    with ArchiveServer(tmp_path) as server:
        settings.ARCHIVE_BASE_URL = server.url
        yield server


@pytest.fixture
def run(folder: Path, archive: ArchiveServer) -> ValidationRun:
    """A run on an answer of Coinglass's API over two days of which nothing is loaded."""
    run = runs.create(
        Symbol.objects.get(name="ETHUSDT"), "ETHUSDT_24h.json", reference(), "api", model=1
    )
    runs.execute(run.pk)
    run.refresh_from_db()
    return run


def reference() -> bytes:
    levels = [90 + number / 10 for number in range(220)]
    cells = [[column, level, 1e6 * (level % 7)] for column in range(25) for level in range(220)]
    candles = [[NOON + 3600 * n, "101", "103", "99", "102", "1000"] for n in range(25)]
    data = {
        "y_axis": levels,
        "liquidation_leverage_data": cells,
        "price_candlesticks": candles,
        "update_time": 1000 * (NOON + 86_400),
    }
    return orjson.dumps({"code": "0", "data": data})


def press(client: Client, run: ValidationRun) -> str:
    return client.post(f"{LIST}{run.pk}/load-days/", follow=True).content.decode()


def test_one_click_loads_them_and_the_run_is_made_again(
    run: ValidationRun, archive: ArchiveServer, log_in: LogIn
) -> None:
    for day in DAYS:
        for dataset, interval in (("klines", "5m"), ("metrics", None)):
            put_zip(archive.root, ArchiveFile("ETHUSDT", dataset, interval, day))
    assert (run.missing_from, run.missing_until) == DAYS
    client = log_in("add_validationrun", "load_data", "view_ingestionjob")
    assert 'id="load-days"' in client.get(f"{LIST}{run.pk}/change/").content.decode()
    page = press(client, run)
    job = IngestionJob.objects.get()
    assert (job.datasets, job.start_date, job.end_date) == (["klines 5m", "metrics"], *DAYS)
    assert f"Job {job.pk}</a>, queued" in page and 'id="load-days"' not in page
    assert "There are no days" in press(client, run)  # a second click plans no second job
    assert runs.make_again_after_loading() == []
    load.run_here(job, lambda job: None)
    # Whoever settled the job may have died at once: beat's round finds it.
    tasks.make_again_after_loading.apply()
    again = ValidationRun.objects.latest("pk")
    run.refresh_from_db()
    assert (run.made_again_as, again.sha256) == (again, run.sha256)
    assert runs.make_again_after_loading() == []
    runs.execute(again.pk)
    again.refresh_from_db()
    assert (again.state, again.missing_from) == ("succeeded", None), again.error


def test_a_job_that_failed_makes_nothing_again_and_can_be_asked_for_anew(
    run: ValidationRun, log_in: LogIn
) -> None:
    client = log_in("add_validationrun", "load_data")
    press(client, run)
    load.run_here(IngestionJob.objects.get(), lambda job: None)  # the archive has none of the files
    assert IngestionJob.objects.get().state == "failed"
    assert runs.make_again_after_loading() == []
    press(client, run)
    assert IngestionJob.objects.count() == 2


def test_only_those_who_may_load(run: ValidationRun, log_in: LogIn) -> None:
    for permission in ("add_validationrun", "load_data"):
        client = log_in(permission)
        assert client.post(f"{LIST}{run.pk}/load-days/").status_code == 403
    assert (
        'id="load-days"'
        not in log_in("add_validationrun").get(f"{LIST}{run.pk}/change/").content.decode()
    )
    assert (
        log_in("add_validationrun", "load_data").get(f"{LIST}{run.pk}/load-days/").status_code
        == 405
    )
    assert not IngestionJob.objects.exists()


def test_the_shell_says_which_commands_load_them(
    folder: Path, archive: ArchiveServer, tmp_path: Path
) -> None:
    file = tmp_path / "ETHUSDT_24h.json"
    file.write_bytes(reference())
    output = io.StringIO()
    with pytest.raises(CommandError, match="1 of 1 failed"):
        call_command(
            "validate_vs_coinglass", "--symbol", "ETHUSDT", "--json", str(file), stdout=output
        )
    days = "--symbol ETHUSDT --start-date 2025-01-02 --end-date 2025-01-03"
    assert f"manage.py ingest_klines {days} --interval 5m" in output.getvalue()
    assert f"manage.py ingest_oi {days}" in output.getvalue()


def test_a_run_that_failed_for_want_of_a_time_zone_takes_one_on_its_page(
    folder: Path, log_in: LogIn
) -> None:
    run = runs.create(Symbol.objects.get(name="ETHUSDT"), "ETHUSDT_24h.png", b"x", "screenshot")
    ValidationRun.objects.update(state="failed", passed=False, needs_time_zone=True)
    client = log_in("add_validationrun")
    assert 'name="time_zone"' in client.get(f"{LIST}{run.pk}/change/").content.decode()
    address = f"{LIST}{run.pk}/run-again/"
    refused = client.post(address, {"time_zone": "Nowhere"}, follow=True).content.decode()
    assert "no time zone such as" in refused
    client.post(address, {"time_zone": "Asia/Tokyo"})
    again = ValidationRun.objects.latest("pk")
    assert (again.pk != run.pk, again.time_zone) == (True, "Asia/Tokyo")
