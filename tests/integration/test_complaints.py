"""Damaged files and low limits: the commands say it in a sentence, the API with 503."""

import html
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from ingestion.api.errors import UNAVAILABLE
from ingestion.errors import CatalogueDamaged
from ingestion.lake import LakeConfig, configure, writer
from ingestion.models import Symbol
from tests.support.lake_days import day, put
from tests.support.services import CHECKOUT

GARBAGE = b"not what it should be " * 100


def manage(
    folder: Path, *arguments: str, limit: int | None = None, **variables: str
) -> "subprocess.CompletedProcess[str]":
    environment = {
        "PATH": os.environ["PATH"],
        "ENV_FILE": os.devnull,
        "SECRET_KEY": "secret",
        "FLOWER_BASIC_AUTH": "user:password",
        "VAR_DIR": str(folder),
        **variables,
    }
    command = [sys.executable, "manage.py", *arguments]
    if limit:
        command = ["sh", "-c", f"ulimit -n {limit}; exec " + " ".join(command)]
    return subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True)


def test_a_damaged_database_is_named_with_the_way_back(tmp_path: Path) -> None:
    file = tmp_path / "liqheat.sqlite3"
    file.write_bytes(GARBAGE)
    done = manage(tmp_path, "migrate")
    assert done.returncode == 1
    assert done.stderr.startswith(f"DATABASE_URL: {file}: the file is damaged")
    assert "a backup" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" in manage(tmp_path, "migrate", "--traceback").stderr


def test_too_low_a_limit_of_open_files_is_said_before_anything_starts(tmp_path: Path) -> None:
    done = manage(tmp_path, "up", limit=64)
    assert done.returncode == 1
    assert "raise the limit to 512 or more (`ulimit -n 4096`" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("config.getoption('--database') == 'postgresql'")
@pytest.mark.parametrize("path", ["/admin/", "/heatmap/", "/symbols", "/validation/summary"])
def test_pages_and_api_say_that_the_database_is_damaged(
    path: str, lake: LakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "liqheat.sqlite3"
    file.write_bytes(GARBAGE)
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "NAME", str(file))
    client = Client(raise_request_exception=False)
    client.cookies["sessionid"] = "of somebody who was logged in"
    response = client.get(path)
    connection.close()
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    text = html.unescape(response.content.decode())
    assert "DATABASE_URL: liqheat.sqlite3: the file is damaged" in text
    assert "put a backup of it back" in text
    assert str(tmp_path) not in text


def garbage(file: Path) -> None:
    file.write_bytes(GARBAGE)


def half_of_it(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2] + b"\xff" * (len(content) // 4))


@pytest.mark.django_db
@pytest.mark.skipif("config.getoption('--database') == 'postgresql'")
@pytest.mark.parametrize("damage", [garbage, half_of_it])
def test_a_damaged_catalogue_answers_503_and_tells_staff_alone_which_file_it_is(
    lake: LakeConfig, caplog: Any, damage: Any, django_user_model: Any
) -> None:
    put(day(dataset="klines", interval="1m"))
    Symbol.objects.update_or_create(name="ETHUSDT", defaults={"tick_size": 1, "enabled": True})
    writer().cursor().execute("CALL ducklake_flush_inlined_data('lake')")
    configure(lake)
    for more in ("-wal", "-shm"):
        lake.catalog_path.with_name(lake.catalog_path.name + more).unlink(missing_ok=True)
    damage(lake.catalog_path)
    response = Client().get("/data/date-range?symbol=ETHUSDT")
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    error = response.json()["errors"][0]
    assert (error["code"], error["detail"]) == ("unavailable", UNAVAILABLE)
    assert str(lake.catalog_path) in caplog.text
    staff = Client(raise_request_exception=False)
    staff.force_login(django_user_model.objects.create_superuser("ada"))
    page = staff.get("/admin/ingestion/symbol/")
    assert page.status_code == 503
    assert f"{lake.catalog_path} is damaged" in html.unescape(page.content.decode())
    with pytest.raises(CatalogueDamaged, match=r"is damaged: .* put a backup of it back"):
        put(day())
