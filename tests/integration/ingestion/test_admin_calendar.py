"""The calendar of a symbol's days in the admin, and its buttons."""

import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from ingestion.lake import LakeConfig
from ingestion.loading import jobs, load
from ingestion.market.files import ArchiveFile
from ingestion.models import IngestionJob, Symbol
from tests.support.archive_files import metrics_csv, put_zip
from tests.support.archive_server import ArchiveServer

pytestmark = pytest.mark.django_db(transaction=True)

FIRST = date(2024, 12, 29)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


@pytest.fixture
def some_days(
    ethereum: Symbol, lake: LakeConfig, tmp_path: Path, settings: Any
) -> Iterator[ArchiveServer]:
    """Open interest of six days around New Year: whole, missing, cut off, whole, not tried, cut."""
    with ArchiveServer(tmp_path) as server:
        settings.ARCHIVE_BASE_URL = server.url
        files = [ArchiveFile("ETHUSDT", "metrics", None, day(number)) for number in range(6)]
        for number in (0, 2, 3, 5):
            text = metrics_csv(files[number])
            cut = text[: text.index(f"{day(number)} 13:00")] if number in (2, 5) else text
            put_zip(tmp_path, files[number], cut)
        job = jobs.create_job(
            ethereum, ["metrics"], day(0), day(5), only={day(n) for n in (0, 1, 2, 3, 5)}
        )
        load.run_here(job, lambda job: None)
        yield server


def address(symbol: Symbol, page: str = "calendar") -> str:
    return f"/admin/ingestion/symbol/{symbol.pk}/{page}/"


def titles(page: str) -> list[str]:
    return re.findall(r'<td class="day \w+" title="([^"]+)"', page)


def press(client: Client, symbol: Symbol, **values: str) -> str:
    values = {"dataset": "metrics", "year": "2025"} | values
    return client.post(address(symbol, "repair"), values, follow=True).content.decode()


def asked_days() -> list[date]:
    job = IngestionJob.objects.first()
    assert job is not None and job.reload
    return [chunk.start for chunk in job.chunks.all()]


def test_a_year_of_days_each_with_sign_and_reason(
    ethereum: Symbol, some_days: ArchiveServer, superuser: Client
) -> None:
    page = superuser.get(address(ethereum), {"year": "2024"}).content.decode()
    assert titles(page)[0] == "2024-12-29: verified"
    assert titles(page)[1].startswith("2024-12-30: missing upstream, http")
    assert titles(page)[2] == "2024-12-31: partial, 155 of 288 filled"
    assert len(titles(page)) == 3
    assert 'href="?year=2025"' in page
    assert "year=2023" not in page
    page = superuser.get(address(ethereum)).content.decode()
    assert titles(page)[:3] == [
        "2025-01-01: verified",
        "2025-01-02: not loaded",
        "2025-01-03: partial, 155 of 288 filled",
    ]
    assert '<b class="day partial"' in page
    assert "Load or repair all" in page


def test_years_without_a_calendar_lead_to_one_that_has_one(
    ethereum: Symbol, some_days: ArchiveServer, superuser: Client
) -> None:
    for year in ("1", "0000", "9999", "2023", "-5", "x", "٢٠٢٤"):
        answer = superuser.get(address(ethereum), {"year": year})
        assert answer.status_code == 200
        assert 2024 <= answer.context["year"] <= timezone.now().year


def test_a_click_on_a_day_loads_it(
    ethereum: Symbol, some_days: ArchiveServer, superuser: Client
) -> None:
    page = press(superuser, ethereum, day="2025-01-03")
    assert asked_days() == [day(5)]
    job = IngestionJob.objects.first()
    assert f"/admin/ingestion/ingestionjob/{job.pk}/change/" in page
    assert "Asked for 1 day of metrics" in LogEntry.objects.latest("pk").get_change_message()
    assert "waiting in a job already" in press(superuser, ethereum, day="2025-01-03")
    assert IngestionJob.objects.count() == 2


def test_a_click_on_a_number_loads_the_days_in_that_state(
    ethereum: Symbol, some_days: ArchiveServer, superuser: Client
) -> None:
    press(superuser, ethereum, state="missing_upstream", year="2024")
    assert asked_days() == [day(1)]
    put_zip(some_days.root, ArchiveFile("ETHUSDT", "metrics", None, day(1)))
    load.run_here(IngestionJob.objects.first(), lambda job: None)
    press(superuser, ethereum, state="bad", year="2024")
    assert asked_days() == [day(2)]


def test_what_no_button_asks_is_refused(
    ethereum: Symbol, some_days: ArchiveServer, superuser: Client
) -> None:
    assert "is no dataset" in press(superuser, ethereum, dataset="../metrics", day="2025-01-01")
    assert "is no day" in press(superuser, ethereum, day="yesterday")
    assert "days that are over" in press(superuser, ethereum, day=str(timezone.now().date()))
    assert "The archive begins" in press(superuser, ethereum, day="2018-01-01")
    assert "waiting in a job already" in press(superuser, ethereum, state="nonsense")
    assert IngestionJob.objects.count() == 1


def test_who_may_look_and_who_may_load(
    ethereum: Symbol, some_days: ArchiveServer, staff: Callable[..., Client], static_files: None
) -> None:
    assert Client().get(address(ethereum)).headers["Location"].startswith("/admin/login/")
    assert staff().get(address(ethereum)).status_code == 403
    reader = staff("view_symbol")
    page = reader.get(address(ethereum)).content.decode()
    assert "verified" in page
    assert '<button name="day"' not in page
    answer = reader.post(address(ethereum, "repair"), {"dataset": "metrics", "day": "2025-01-03"})
    assert answer.status_code == 403
    assert staff("load_data").get(address(ethereum, "repair")).status_code == 405
    assert IngestionJob.objects.count() == 1


def test_a_symbol_without_anything(ethereum: Symbol, lake: LakeConfig, superuser: Client) -> None:
    assert "Nothing of ETHUSDT was loaded" in superuser.get(address(ethereum)).content.decode()
    page = superuser.get(f"/admin/ingestion/symbol/{ethereum.pk}/change/").content.decode()
    assert address(ethereum) in page
