"""The watched folder, without a worker: what becomes of the files."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from validation import inbox, runs
from validation.models import ValidationRun

pytestmark = pytest.mark.django_db

NOW = timezone.now()
NAME = "ETHUSDT_model2_24h_2025-10-28T1200.png"


@pytest.fixture
def folder(settings, tmp_path) -> Path:
    settings.VALIDATION_DIR = tmp_path / "validation"
    settings.VALIDATION_INBOX_DIR = tmp_path / "inbox"
    settings.VALIDATION_INBOX_TIME_ZONE = "Europe/Berlin"
    settings.VALIDATION_INBOX_DIR.mkdir()
    return settings.VALIDATION_INBOX_DIR


def drop(folder: Path, name: str, content: bytes = b"a picture", seconds_ago: float = 60) -> Path:
    path = folder / name
    path.write_bytes(content)
    at = (NOW - timedelta(seconds=seconds_ago)).timestamp()
    os.utime(path, (at, at))
    return path


def left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_file_becomes_a_run_and_leaves_the_folder(folder):
    drop(folder, NAME)
    (run,) = inbox.pick_up(NOW)
    assert (run.symbol.name, run.source, run.state) == ("ETHUSDT", "screenshot", "queued")
    assert (run.file_name, run.time_zone) == (NAME, "Europe/Berlin")
    assert run.path.read_bytes() == b"a picture"
    assert left(folder) == []


def test_a_coin_stands_for_its_usdt_contract_and_json_for_an_api_answer(folder):
    drop(folder, "BTC_24h.json")
    (run,) = inbox.pick_up(NOW)
    assert (run.symbol.name, run.source) == ("BTCUSDT", "api")


def test_the_same_content_is_picked_up_once(folder):
    drop(folder, NAME)
    assert len(inbox.pick_up(NOW)) == 1
    drop(folder, "ETHUSDT_again.png")
    assert inbox.pick_up(NOW) == []
    assert (left(folder), ValidationRun.objects.count()) == ([], 1)


@pytest.mark.parametrize("name", [".hidden.png", f"{NAME}.part", f"{NAME}.TMP"])
def test_what_is_not_finished_stays(folder, name):
    drop(folder, name)
    drop(folder, "ETHUSDT_fresh.png", seconds_ago=5)
    assert inbox.pick_up(NOW) == []
    assert left(folder) == sorted([name, "ETHUSDT_fresh.png"])
    assert not ValidationRun.objects.exists()


def test_links_and_folders_are_left_alone(folder, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("the key")
    (folder / NAME).symlink_to(secret)
    (folder / "ETHUSDT_folder.png").mkdir()
    os.mkfifo(folder / "ETHUSDT_pipe.png")
    assert inbox.pick_up(NOW + timedelta(days=1)) == []
    assert not ValidationRun.objects.exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Screenshot 1.png", "does not begin with a symbol"),
        ("NOPEUSDT_24h.png", "NOPEUSDT, which is not registered"),
        ("ETHUSDT.svg", "neither a picture"),
        ("ETHUSDT_large.png", "larger than the 1,048,576 bytes allowed"),
    ],
)
def test_what_cannot_be_attributed_is_set_aside_with_its_reason(folder, settings, name, reason):
    settings.VALIDATION_MAX_PICTURE_MB = 1
    drop(folder, name, b"x" * (2 * 1024 * 1024 if "large" in name else 10))
    assert inbox.pick_up(NOW) == []
    run = ValidationRun.objects.get()
    assert (run.symbol, run.state, run.passed) == (None, "failed", False)
    assert reason in run.unreadable and reason in run.error
    assert left(folder) == [f"refused/{run.pk}-{name}"]
    assert inbox.pick_up(NOW) == []  # the folder of what was refused is not looked into


def test_a_file_that_was_nobody_s_is_taken_once_its_symbol_is_registered(folder):
    drop(folder, "NOPEUSDT_24h.png")
    inbox.pick_up(NOW)
    drop(folder, "ETHUSDT_24h.png")
    assert [run.symbol.name for run in inbox.pick_up(NOW)] == ["ETHUSDT"]


def test_a_refused_file_that_cannot_be_set_aside_does_not_give_a_run_each_time(folder):
    drop(folder, "Screenshot 1.png")
    (folder / "refused").touch()
    assert inbox.pick_up(NOW) == inbox.pick_up(NOW) == []
    assert not ValidationRun.objects.exists()


def test_a_refused_file_with_the_longest_name_is_set_aside_too(folder):
    drop(folder, "x" * 251 + ".png")
    assert inbox.pick_up(NOW) == inbox.pick_up(NOW) == []
    run = ValidationRun.objects.get()
    assert left(folder) == [f"refused/{run.pk}-" + "x" * 36 + ".png"]


def test_no_folder_is_no_error(folder):
    folder.rmdir()
    assert inbox.pick_up(NOW) == []


def test_a_name_is_shown_without_its_path_and_without_what_cannot_be_printed():
    assert runs.plain_name("C:\\Users\\ada\\a.png") == "a.png"
    assert runs.plain_name("../../etc/a\n\x1b.png") == "a??.png"
    assert runs.plain_name("/") == "unnamed"
