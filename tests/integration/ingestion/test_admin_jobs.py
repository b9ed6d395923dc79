"""The admin's ingestion jobs: the page that moves, the buttons, who may press them."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from ingestion.lake import LakeConfig
from ingestion.loading import jobs, load
from ingestion.loading.progress import progress_of
from ingestion.market.files import plan_files
from ingestion.models import ChunkState, IngestionJob, Symbol
from liqheat_project.kernel.runs import RunState
from tests.support.archive_files import put_csv
from tests.support.services import Worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

FIRST, LAST = date(2024, 11, 1), date(2024, 11, 3)
LIST = "/admin/ingestion/ingestionjob/"


@pytest.fixture
def job(ethereum: Symbol, tmp_path: Path) -> IngestionJob:
    """A job of three files of which the folder has the first two."""
    for file in plan_files("ETHUSDT", "metrics", None, FIRST, LAST)[:2]:
        put_csv(tmp_path, file)
    return jobs.create_job(
        ethereum, ["metrics"], FIRST, LAST, source="folder", folder=str(tmp_path)
    )


def run(job: IngestionJob) -> None:
    load.run_here(job, lambda job: None)
    job.refresh_from_db()


def page_of(job: IngestionJob, name: str = "change") -> str:
    return f"{LIST}{job.pk}/{name}/"


def last_log() -> str:
    return LogEntry.objects.latest("pk").get_change_message()


def test_only_those_who_may_see_and_act(
    job: IngestionJob, staff: Callable[..., Client], lake: LakeConfig
) -> None:
    acts = ("cancel", "retry-failed", "accept", "run-again")
    nobody, reader = staff(), staff("view_ingestionjob")
    for name in ("change", "progress"):
        assert Client().get(page_of(job, name)).headers["Location"].startswith("/admin/login/")
        assert nobody.get(page_of(job, name)).status_code == 403
        assert reader.get(page_of(job, name)).status_code == 200
        assert staff("load_data").get(page_of(job, name)).status_code == 200
    for name in acts:
        assert Client().post(page_of(job, name)).headers["Location"].startswith("/admin/login/")
        assert nobody.post(page_of(job, name)).status_code == 403
        assert reader.post(page_of(job, name)).status_code == 403
        assert f"/{name}/" not in reader.get(page_of(job)).content.decode()
    assert nobody.get(LIST).status_code == 403
    job.refresh_from_db()
    assert (job.state, IngestionJob.objects.count()) == (RunState.QUEUED, 1)


def test_nobody_adds_changes_or_deletes_a_job_by_hand(
    job: IngestionJob, superuser: Client, lake: LakeConfig
) -> None:
    assert superuser.get(f"{LIST}add/").status_code == 403
    assert superuser.post(page_of(job), {"throttle_ms": 5}).status_code == 403
    assert superuser.post(page_of(job, "delete"), {"post": "yes"}).status_code == 403
    assert superuser.get(page_of(job, "progress").replace(str(job.pk), "99999")).status_code == 404
    assert "/admin/ingestion/symbol/load/" in superuser.get(LIST).content.decode()


def test_the_buttons_work_by_post_with_a_token_only(
    job: IngestionJob, superuser: Client, lake: LakeConfig
) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(User.objects.get(username="ada"))
    for name in ("cancel", "retry-failed", "accept", "run-again"):
        assert superuser.get(page_of(job, name)).status_code == 405
        assert careful.post(page_of(job, name)).status_code == 403
    job.refresh_from_db()
    assert job.state == RunState.QUEUED


def test_the_list_shows_state_progress_and_rows(
    job: IngestionJob, superuser: Client, lake: LakeConfig
) -> None:
    run(job)
    page = superuser.get(LIST).content.decode()
    assert "Failed" in page and ">576<" in page and 'value="100" max="100"' in page
    assert f">{job.pk}<" in superuser.get(f"{LIST}?state__exact=failed").content.decode()
    assert f">{job.pk}<" not in superuser.get(f"{LIST}?state__exact=running").content.decode()


def test_the_page_shows_every_file_with_the_reason_of_its_failure(
    job: IngestionJob, superuser: Client, lake: LakeConfig
) -> None:
    run(job)
    page = superuser.get(page_of(job)).content.decode()
    first, _, missing = job.chunks.order_by("start")
    assert f'title="{first.sha256}"' in page and f"{first.sha256[:10]}…" in page
    assert "1 of 3 files failed" in page and missing.file.name in page
    assert "looked for" in page
    assert "data-progress-url" not in page  # nothing moves any more
    failed = superuser.get(page_of(job), {"chunk_state": "failed"})
    assert f">{missing.file.name}<" in failed.content.decode()
    assert f">{first.file.name}<" not in failed.content.decode()


def test_a_worker_s_progress_can_be_followed_without_a_reload(
    superuser: Client,
    ethereum: Symbol,
    lake: LakeConfig,
    settings: Any,
    tmp_path: Path,
    start_worker: Callable[..., Worker],
) -> None:
    settings.DATA_DIR = tmp_path
    for file in plan_files("ETHUSDT", "metrics", None, FIRST, FIRST):
        put_csv(tmp_path, file)
    start_worker()
    values = {
        "symbols": "ETHUSDT",
        "datasets": "metrics",
        "start_date": FIRST,
        "end_date": FIRST,
        "source": "folder",
        "folder": "",
        "period": "daily",
        "throttle_ms": "2500",
    }
    response = superuser.post("/admin/ingestion/symbol/load/", values, follow=True)
    job = IngestionJob.objects.get()
    assert f'data-progress-url="{page_of(job, "progress")}"' in response.content.decode()

    seen: list[dict[str, Any]] = []

    def has_ended() -> bool:
        seen.append(superuser.get(page_of(job, "progress")).json())
        return seen[-1]["ended"]

    wait_until(has_ended, 60, "the job to end")
    assert any("Running" in answer["fragments"]["summary"] for answer in seen)
    assert "/cancel/" in seen[0]["fragments"]["buttons"]
    last = seen[-1]["fragments"]
    assert "Succeeded" in last["summary"] and "288" in last["summary"]
    assert "rows/s" in last["summary"] and 'value="100"' in last["summary"]
    assert last["chunks"].count("Loaded") == 2  # the file and the filter
    assert "/run-again/" in last["buttons"] and "/cancel/" not in last["buttons"]


def test_failed_files_are_retried(
    job: IngestionJob, superuser: Client, lake: LakeConfig, tmp_path: Path, worker: Worker
) -> None:
    run(job)
    assert job.state == RunState.FAILED
    put_csv(tmp_path, plan_files("ETHUSDT", "metrics", None, LAST, LAST)[0])
    response = superuser.post(page_of(job, "retry-failed"))
    assert response.headers["Location"] == page_of(job)
    assert last_log() == "Retried 1 file."

    def has_ended() -> bool:
        job.refresh_from_db()
        return job.has_ended

    wait_until(has_ended, 60, "the retried job to end")
    assert (job.state, job.totals()["rows"]) == (RunState.SUCCEEDED, 864)


def test_a_job_is_cancelled_and_run_again(
    job: IngestionJob, superuser: Client, lake: LakeConfig
) -> None:
    superuser.post(page_of(job, "cancel"))
    job.refresh_from_db()
    assert job.state == RunState.CANCELLED
    assert last_log() == "Cancelled 3 files."
    response = superuser.post(page_of(job, "run-again"))
    again = IngestionJob.objects.latest("pk")
    assert response.headers["Location"] == page_of(again)
    assert (again.state, again.reload, again.folder) == (RunState.QUEUED, True, job.folder)
    assert (again.requested_by.username, again.chunks.count()) == ("ada", 3)
    assert last_log().startswith(f"Ran job {job.pk} again: 3 files")


def test_many_files_stand_on_pages(superuser: Client, ethereum: Symbol, lake: LakeConfig) -> None:
    job = jobs.create_job(ethereum, ["metrics"], FIRST, FIRST + timedelta(days=249))
    first = superuser.get(page_of(job)).content.decode()
    second = superuser.get(page_of(job), {"chunk_page": 2}).content.decode()
    assert first.count("ETHUSDT-metrics-") == 200 and second.count("ETHUSDT-metrics-") == 50
    answer = superuser.get(page_of(job, "progress"), {"chunk_page": 2}).json()
    assert answer["fragments"]["chunks"].count("ETHUSDT-metrics-") == 50


def test_progress_counts_the_bytes_of_files_that_are_being_read(
    job: IngestionJob, lake: LakeConfig
) -> None:
    assert progress_of(job).percent == 0
    now = timezone.now()
    done, running, _ = job.chunks.order_by("start")
    job.chunks.filter(pk=done.pk).update(state=ChunkState.LOADED, rows=1000, finished_at=now)
    job.chunks.filter(pk=running.pk).update(
        state=ChunkState.RUNNING, bytes_done=50, bytes_total=100
    )
    IngestionJob.objects.filter(pk=job.pk).update(
        state=RunState.RUNNING, started_at=now - timedelta(seconds=10)
    )
    job.refresh_from_db()
    figures = progress_of(job)
    assert figures.percent == 50  # one file and a half of three
    assert figures.rows_per_second == pytest.approx(100, rel=0.1)
    assert figures.seconds_left == pytest.approx(10, rel=0.1)


def test_a_retried_job_is_not_measured_by_its_first_run(
    job: IngestionJob, lake: LakeConfig
) -> None:
    run(job)
    long_ago = timezone.now() - timedelta(hours=5)
    IngestionJob.objects.filter(pk=job.pk).update(started_at=long_ago, finished_at=long_ago)
    job.chunks.update(started_at=long_ago, finished_at=long_ago)
    jobs.retry_failed(job)
    run(job)
    figures = progress_of(job)
    assert job.duration < timedelta(minutes=1)
    assert (figures.rows, figures.rows_per_second) == (576, None)
