"""The admin's symbols: permissions, loading, availability, roll back."""

import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client

from ingestion.lake import LakeConfig, read, rows_within, write_lock
from ingestion.loading import jobs, load
from ingestion.market.files import plan_files
from ingestion.models import ChunkState, IngestionJob, Symbol
from ingestion.quality.availability import MAX_FILES
from liqheat_project.kernel.runs import RunState
from tests.support.archive_files import metrics_csv, put_csv, put_zip
from tests.support.archive_server import ArchiveServer

pytestmark = pytest.mark.django_db(transaction=True)

FIRST, LAST = date(2024, 11, 1), date(2024, 11, 3)
LIST = "/admin/ingestion/symbol/"
LOAD = f"{LIST}load/"
AVAILABILITY = f"{LIST}availability/"
ROLL_BACK = f"{LIST}roll-back/"
ENABLE, DISABLE = f"{LIST}enable/", f"{LIST}disable/"


@pytest.fixture
def archive(tmp_path: Path, settings: Any) -> Iterator[ArchiveServer]:
    with ArchiveServer(tmp_path / "archive") as server:
        settings.ARCHIVE_BASE_URL = server.url
        yield server


@pytest.fixture
def data_folder(tmp_path: Path, settings: Any) -> Path:
    settings.DATA_DIR = tmp_path / "data"
    settings.DATA_DIR.mkdir()
    return settings.DATA_DIR


def asked(**changes: Any) -> dict[str, Any]:
    """What somebody fills into the form."""
    return {
        "symbols": ["ETHUSDT"],
        "datasets": ["metrics"],
        "start_date": "2024-11-01",
        "end_date": "2024-11-03",
        "source": "archive",
        "folder": "",
        "period": "daily",
        "throttle_ms": "0",
    } | changes


def load_folder(symbol: Symbol, folder: Path, dataset: str = "metrics") -> IngestionJob:
    job = jobs.create_job(symbol, [dataset], FIRST, LAST, source="folder", folder=str(folder))
    load.run_here(job, lambda job: None)
    return job


def put_metrics(folder: Path, symbol: str, put: Callable[..., Path] = put_csv) -> None:
    for file in plan_files(symbol, "metrics", None, FIRST, LAST):
        put(folder, file)


def counts(symbol: str) -> dict[str, int]:
    with read.snapshot() as cursor:
        return rows_within(cursor, symbol)


def shown_messages(response: HttpResponse) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def log() -> list[str]:
    return [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]


# Who may


def test_anonymous_people_go_to_the_login(ethereum: Symbol, static_files: None) -> None:
    client = Client()
    for address in (LIST, LOAD, AVAILABILITY, ROLL_BACK, f"{LIST}{ethereum.pk}/quarantined/"):
        assert client.get(address).headers["Location"].startswith("/admin/login/")
    assert client.post(ENABLE).headers["Location"].startswith("/admin/log")


def test_a_login_without_a_page_to_go_back_to_leads_to_the_admin(static_files: None) -> None:
    get_user_model().objects.create_superuser("ann", password="a long password of hers")
    given = {"username": "ann", "password": "a long password of hers"}
    answer = Client().post("/admin/login/", given)
    assert answer.headers["Location"] == "/admin/"


def test_staff_without_a_permission_is_refused(
    ethereum: Symbol, staff: Callable[..., Client], lake: LakeConfig
) -> None:
    nobody = staff()
    for address in (LIST, LOAD, AVAILABILITY, ROLL_BACK, f"{LIST}{ethereum.pk}/quarantined/"):
        assert nobody.get(address).status_code == 403, address
    reader = staff("view_symbol")
    assert reader.post(LOAD, asked()).status_code == 403
    assert reader.post(ROLL_BACK, {"symbols": ["ETHUSDT"]}).status_code == 403
    for address in (ENABLE, DISABLE):
        assert reader.get(address, {"symbols": ["ETHUSDT"]}).status_code == 403
        assert reader.post(address, {"symbols": ["ETHUSDT"]}).status_code == 403
    assert staff("load_data").post(ROLL_BACK, {"symbols": ["ETHUSDT"]}).status_code == 403
    assert staff("roll_back").post(LOAD, asked()).status_code == 403
    assert not IngestionJob.objects.exists()


def test_actions_without_permission_are_neither_shown_nor_done(
    ethereum: Symbol, staff: Callable[..., Client], lake: LakeConfig
) -> None:
    shown = {
        "view_symbol": {"check_availability"},
        "load_data": {"check_availability", "load_data"},
        "roll_back": {"check_availability", "roll_back"},
        "change_symbol": {"check_availability", "enable", "disable"},
    }
    for permission, expected in shown.items():
        client = staff(permission)
        page = client.get(LIST)
        choices = {name for name, _ in page.context["action_form"].fields["action"].choices}
        assert choices - {""} == expected
        for action in {"enable", "disable", "load_data", "roll_back"} - expected:
            data = {"action": action, "_selected_action": [ethereum.pk]}
            assert client.post(LIST, data).status_code == 403
        buttons = client.get(f"{LIST}{ethereum.pk}/change/").content.decode()
        assert ("Load data" in buttons) == ("load_data" in expected)
        assert ("Roll back" in buttons) == ("roll_back" in expected)
        assert ("/enable/" in buttons) == ("enable" in expected)


# Symbols


def test_a_symbol_is_added_by_its_name_which_stays(superuser: Client, lake: LakeConfig) -> None:
    data = {"name": "1000PEPEUSDT", "tick_size": "0.0000001", "note": ""}
    superuser.post(f"{LIST}add/", data)
    symbol = Symbol.objects.get(name="1000PEPEUSDT")
    assert not symbol.enabled
    superuser.post(f"{LIST}{symbol.pk}/change/", data | {"name": "OTHER", "note": "kept"})
    symbol.refresh_from_db()
    assert (symbol.name, symbol.note) == ("1000PEPEUSDT", "kept")
    refused = superuser.post(f"{LIST}add/", data | {"name": "../ETH"})
    assert "capital letters" in refused.content.decode()


def test_the_list_tells_what_the_lake_holds_and_the_last_job(
    superuser: Client, ethereum: Symbol, lake: LakeConfig, tmp_path: Path
) -> None:
    put_metrics(tmp_path, "ETHUSDT")
    load_folder(ethereum, tmp_path)
    newest = jobs.create_job(ethereum, ["klines 5m"], FIRST, LAST)
    page = " ".join(superuser.get(LIST).content.decode().split())
    assert "2024-11-01 to 2024-11-03, 3 files" in page
    assert f'/admin/ingestion/ingestionjob/{newest.pk}/change/">Queued' in page
    states = re.findall(r"field-state[^>]*>\s*(\w+)", page)
    assert sorted(set(states)) == ["ingesting", "registered"]
    page = superuser.get(f"{LIST}{ethereum.pk}/change/").content.decode()
    assert "864" in page and "2024-11-04 00:00:00" in page


def test_symbols_are_enabled_and_disabled_once_that_is_confirmed(
    superuser: Client, ethereum: Symbol, bitcoin: Symbol, tmp_path: Path, lake: LakeConfig
) -> None:
    put_metrics(tmp_path, "ETHUSDT")
    load_folder(ethereum, tmp_path)
    both = {"symbols": ["BTCUSDT", "ETHUSDT"]}
    action = {"action": "enable", "_selected_action": [ethereum.pk, bitcoin.pk]}
    page = superuser.get(superuser.post(LIST, action).headers["Location"]).content.decode()
    assert "open_interest_history" in page and "864" in page  # of one; of the other nothing
    assert page.count("The lake holds nothing of it") == 1
    assert not Symbol.objects.filter(enabled=True).exists()
    assert "BTCUSDT, ETHUSDT" in shown_messages(superuser.post(ENABLE, both))
    assert set(Symbol.objects.filter(enabled=True)) == {ethereum, bitcoin}
    page = superuser.get(DISABLE, both).content.decode()
    assert "answers 404" in page and "Its data stays" in page
    superuser.post(DISABLE, {"symbols": ["ETHUSDT"]})
    assert set(Symbol.objects.filter(enabled=True)) == {bitcoin}
    assert "BTCUSDT is enabled already" in superuser.get(ENABLE, both).content.decode()
    assert log() == ["Enabled.", "Enabled.", "Disabled."]
    assert "Choose the symbols" in shown_messages(superuser.post(ENABLE))


# Load data


def test_the_form_makes_a_job_with_all_that_was_asked_for(
    superuser: Client, ethereum: Symbol, lake: LakeConfig
) -> None:
    data = asked(datasets=["metrics", "klines 5m"], dry_run="on", reload="on", throttle_ms="20")
    response = superuser.post(LOAD, data)
    job = IngestionJob.objects.get()
    assert response.headers["Location"] == f"/admin/ingestion/ingestionjob/{job.pk}/change/"
    assert (job.symbol, job.datasets) == (ethereum, ["metrics", "klines 5m"])
    assert (job.start_date, job.end_date, job.period) == (FIRST, LAST, "daily")
    assert (job.dry_run, job.reload, job.throttle_ms) == (True, True, 20)
    assert (job.requested_by.username, job.chunks.count()) == ("ada", 6)
    assert log()[0].startswith("Asked for 6 files: ETHUSDT metrics, klines 5m")


def test_several_symbols_get_a_job_each(
    superuser: Client, ethereum: Symbol, bitcoin: Symbol, lake: LakeConfig
) -> None:
    response = superuser.post(LOAD, asked(symbols=["ETHUSDT", "BTCUSDT"]))
    assert response.headers["Location"] == "/admin/ingestion/ingestionjob/"
    assert {job.symbol for job in IngestionJob.objects.all()} == {ethereum, bitcoin}
    assert "2 jobs load 6 files" in shown_messages(response)


def test_a_folder_outside_the_data_folder_is_refused(
    superuser: Client, ethereum: Symbol, data_folder: Path, tmp_path: Path, lake: LakeConfig
) -> None:
    (tmp_path / "outside").mkdir()
    (data_folder / "link").symlink_to(tmp_path / "outside")
    (data_folder / "file").write_text("")
    refused = ("..", "../outside", str(tmp_path / "outside"), "/", "link", "a/../../outside")
    for folder in (*refused, "file", "missing", "zero\0byte"):
        response = superuser.post(LOAD, asked(source="folder", folder=folder))
        assert response.context["form"].errors["folder"], folder
    assert not IngestionJob.objects.exists()
    (data_folder / "binance").mkdir()
    for folder in ("binance", str(data_folder / "binance"), ""):
        superuser.post(LOAD, asked(source="folder", folder=folder))
    folders = [job.folder for job in IngestionJob.objects.order_by("pk")]
    assert folders == [str(data_folder / "binance")] * 2 + [str(data_folder)]


def test_what_the_use_case_refuses_is_shown_and_leaves_no_job(
    superuser: Client, ethereum: Symbol, bitcoin: Symbol, lake: LakeConfig
) -> None:
    for change, complaint in (
        ({"period": "monthly"}, "no monthly metrics"),
        ({"start_date": "2015-01-01"}, "archive begins on"),
    ):
        response = superuser.post(LOAD, asked(symbols=["ETHUSDT", "BTCUSDT"]) | change)
        assert response.status_code == 200
        assert complaint in response.content.decode()
    response = superuser.post(LOAD, asked(end_date="2024-10-01", throttle_ms="90000", datasets=[]))
    assert set(response.context["form"].errors) == {"end_date", "throttle_ms", "datasets"}
    assert not IngestionJob.objects.exists()


# Availability


def test_availability_holds_source_and_lake_against_each_other(
    superuser: Client, ethereum: Symbol, archive: ArchiveServer, tmp_path: Path, lake: LakeConfig
) -> None:
    here = plan_files("ETHUSDT", "metrics", None, FIRST, LAST)
    put_csv(tmp_path, here[0])
    put_csv(tmp_path, here[1])
    load_folder(ethereum, tmp_path)  # the third day is in neither
    put_zip(archive.root, here[0])
    put_zip(archive.root, plan_files("ETHUSDT", "klines", "5m", LAST, LAST)[0])
    response = superuser.get(AVAILABILITY, asked(datasets=["metrics", "klines 5m"]))
    found = {
        one.dataset: [str(state) for _, state in one.files] for one, _ in response.context["series"]
    }
    assert found["metrics"] == ["loaded", "gone", "missing"]
    assert found["klines 5m"] == ["missing", "missing", "available"]
    assert {method for method, _ in archive.requests} == {"HEAD"}
    assert len(archive.requests) == 6
    page = response.content.decode()
    assert 'title="ETHUSDT-metrics-2024-11-02: loaded, not at the source any more"' in page
    assert "symbols=ETHUSDT" in response.context["load_url"]


def test_a_monthly_file_covers_its_days(
    superuser: Client, ethereum: Symbol, data_folder: Path, lake: LakeConfig
) -> None:
    month = plan_files("ETHUSDT", "klines", "15m", FIRST, LAST, "monthly")[0]
    put_csv(data_folder, month)
    job = jobs.create_job(
        ethereum,
        ["klines 15m"],
        FIRST,
        LAST,
        source="folder",
        folder=str(data_folder),
        period="monthly",
    )
    load.run_here(job, lambda job: None)
    days = asked(datasets=["klines 15m"], source="folder", end_date="2024-12-01")
    ((one, _),) = superuser.get(AVAILABILITY, days).context["series"]
    assert [str(state) for _, state in one.files] == ["gone"] * 30 + ["missing"]
    ((one, grid),) = superuser.get(AVAILABILITY, days | {"period": "monthly"}).context["series"]
    assert [str(state) for _, state in one.files] == ["loaded", "missing"]
    assert [label for label, _ in grid.rows] == ["2024"]


def test_the_questions_to_the_source_are_bounded(
    superuser: Client, ethereum: Symbol, archive: ArchiveServer, lake: LakeConfig
) -> None:
    response = superuser.get(AVAILABILITY, asked(start_date="2020-01-01"))
    assert f"{MAX_FILES} are allowed" in response.content.decode()
    assert archive.requests == []
    usual = superuser.get(AVAILABILITY, {"symbols": ["ETHUSDT"]})
    assert 0 < len(archive.requests) <= MAX_FILES
    assert len(usual.context["series"]) == 5


def test_a_silent_source_is_a_message(
    superuser: Client, ethereum: Symbol, lake: LakeConfig
) -> None:
    response = superuser.get(AVAILABILITY, asked())  # the tests' archive is a closed port
    assert response.status_code == 200
    assert "did not answer" in response.content.decode()


# Roll back


def test_roll_back_says_what_will_change_and_does_just_that(
    superuser: Client, ethereum: Symbol, bitcoin: Symbol, tmp_path: Path, lake: LakeConfig
) -> None:
    for symbol in (ethereum, bitcoin):
        put_metrics(tmp_path, symbol.name)
        load_folder(symbol, tmp_path)
    waiting = jobs.create_job(ethereum, ["klines 5m"], FIRST, LAST)
    other = jobs.create_job(bitcoin, ["klines 5m"], FIRST, LAST)
    Symbol.objects.update(enabled=True)

    page = superuser.get(ROLL_BACK, {"symbols": ["ETHUSDT"]})
    (change,) = page.context["changes"]
    assert "It can be undone until" in page.content.decode()
    assert change["bytes"] > 1000 and change["left"] == 0
    assert change["rows"] == {"open_interest_history": 864}
    assert (change["total"], change["files"], change["jobs"]) == (864, 3, [waiting])
    text = page.content.decode()
    assert "Other symbols stay" in text and "BTCUSDT" in text
    assert counts("ETHUSDT") == {"open_interest_history": 864}

    response = superuser.post(ROLL_BACK, {"symbols": ["ETHUSDT"]})
    assert "864 of open_interest_history" in shown_messages(response)
    assert (counts("ETHUSDT"), counts("BTCUSDT")) == ({}, {"open_interest_history": 864})
    for row in (ethereum, bitcoin, waiting, other):
        row.refresh_from_db()
    assert (ethereum.enabled, bitcoin.enabled) == (False, True)
    assert (waiting.state, other.state) == (RunState.CANCELLED, RunState.QUEUED)
    expected = "disabled, 1 job cancelled, rows of all days removed: 864 of open_interest_history"
    assert log()[-1] == f"Rolled back: {expected}."


def test_a_roll_back_that_finds_the_lake_busy_is_told_and_logged(
    superuser: Client,
    ethereum: Symbol,
    tmp_path: Path,
    lake: LakeConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_metrics(tmp_path, "ETHUSDT")
    load_folder(ethereum, tmp_path)
    monkeypatch.setattr(write_lock.__wrapped__, "__defaults__", (0.2,))  # type: ignore[attr-defined]
    with write_lock(lake):
        response = superuser.post(ROLL_BACK, {"symbols": ["ETHUSDT"]})
    assert "rows are still there: others held" in shown_messages(response)
    assert log()[-1].startswith("Roll back failed: disabled, 0 jobs cancelled")
    assert counts("ETHUSDT") == {"open_interest_history": 864}


def test_roll_back_without_a_symbol_changes_nothing(superuser: Client, lake: LakeConfig) -> None:
    response = superuser.post(ROLL_BACK)
    assert response.headers["Location"] == LIST
    assert "Choose the symbols" in shown_messages(response)
    assert log() == []


def test_quarantined_rows_can_be_read(
    superuser: Client, ethereum: Symbol, tmp_path: Path, lake: LakeConfig
) -> None:
    for file in plan_files("ETHUSDT", "metrics", None, FIRST, LAST):
        lines = metrics_csv(file).splitlines()
        put_csv(tmp_path, file, "\n".join([*lines, "2024-11-01 12:00:00,ETHUSDT,<b>,,,,,"]) + "\n")
    job = load_folder(ethereum, tmp_path)
    assert job.chunks.filter(state=ChunkState.LOADED, quarantined=1).count() == 3
    page = superuser.get(f"{LIST}{ethereum.pk}/quarantined/").content.decode()
    assert "3 in all" in page
    assert "&lt;b&gt;" in page and "<b>,," not in page
    assert superuser.get(f"{LIST}999999/quarantined/").status_code == 404
