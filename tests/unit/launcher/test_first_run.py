"""The secrets that `manage.py up` writes into .env before anything reads it."""

import os
import stat

import environ
import pytest

from liqheat_project.launcher.first_run import complete_env_file
from tests.support.services import CHECKOUT


@pytest.fixture
def env_file(tmp_path, monkeypatch):
    monkeypatch.delenv("SECRET_KEY")
    return tmp_path / ".env"


def values(file, monkeypatch):
    monkeypatch.setattr(os, "environ", {})
    monkeypatch.setattr(environ.Env, "ENVIRON", {})
    environ.Env.read_env(file)
    return environ.Env.ENVIRON


@pytest.mark.parametrize(
    "given",
    [None, "WEB_ADDRESS=127.0.0.1:8001\n", (CHECKOUT / ".env.example").read_text()],
    ids=["no file", "a file with an address", "the example"],
)
def test_missing_secrets_are_made_and_the_rest_stays(env_file, monkeypatch, given):
    if given is not None:
        env_file.write_text(given)
    complete_env_file(env_file)
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600
    found = values(env_file, monkeypatch)
    assert len(found["SECRET_KEY"]) >= 50
    assert found["ADMIN_USER"] == "admin"
    assert len(found["ADMIN_PASSWORD"]) >= 12
    assert found["FLOWER_BASIC_AUTH"].startswith("admin:")
    for line in (given or "").splitlines():
        assert line in env_file.read_text().splitlines() or line.endswith("=")


def test_a_file_with_a_key_is_left_alone(env_file):
    env_file.write_text("SECRET_KEY=mine\nADMIN_PASSWORD=\n")
    complete_env_file(env_file)
    assert env_file.read_text() == "SECRET_KEY=mine\nADMIN_PASSWORD=\n"


def test_a_key_from_the_environment_needs_no_file(env_file, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "mine")
    complete_env_file(env_file)
    assert not env_file.exists()
