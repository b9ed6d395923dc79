"""Logging in: limited for each client, and written down."""

import logging
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.test import Client

from ingestion.models import SymbolEvent
from liqheat_project import login

pytestmark = pytest.mark.django_db

PASSWORD = "a long and good one"
ADDRESS = "203.0.113.7"
Act = SymbolEvent.Act


@pytest.fixture(autouse=True)
def ada(settings):
    settings.AXES_FAILURE_LIMIT = 3
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return get_user_model().objects.create_superuser("ada", password=PASSWORD)


def log_in(password: str, address: str = ADDRESS, name: str = "ada"):
    client = Client(REMOTE_ADDR=address)
    return client.post("/admin/login/", {"username": name, "password": password})


def acts() -> list[tuple[str, str]]:
    return list(SymbolEvent.objects.order_by("pk").values_list("act", "text"))


def test_after_so_many_wrong_logins_the_right_one_does_not_help_and_the_page_says_why(
    settings, caplog
):
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            assert log_in("wrong").status_code == 200
        assert log_in("wrong").status_code == 429
        refused = log_in(PASSWORD)
    assert refused.status_code == 429
    assert b"15 minutes" in refused.content and b"axes_reset" in refused.content
    assert refused["Retry-After"] == "900"
    assert log_in(PASSWORD, address="203.0.113.8").status_code == 302
    assert acts() == [
        (Act.LOGIN_FAILED, f"'ada' from {ADDRESS}"),
        (Act.LOGIN_FAILED, f"'ada' from {ADDRESS}"),
        (Act.LOCKED_OUT, f"{ADDRESS}, after 3 wrong logins, the last as 'ada'"),
        (Act.LOGGED_IN, "from 203.0.113.8"),
    ]
    assert f"Login failed: 'ada' from {ADDRESS}" in caplog.text
    settings.AXES_COOLOFF_TIME = timedelta(seconds=0)
    assert log_in(PASSWORD).status_code == 302


def test_other_names_do_not_help_and_neither_do_other_addresses_of_a_network():
    for number in range(3):
        log_in("wrong", name=f"name{number}", address=f"2001:db8::{number}")
    assert log_in(PASSWORD, address="2001:db8::9").status_code == 429
    assert log_in(PASSWORD, address="2001:db8:0:1::9").status_code == 302


def test_only_some_logins_are_looked_at_at_a_time():
    for _ in range(login.AT_ONCE):
        login._places.acquire()
    try:
        refused = log_in(PASSWORD)
        assert (refused.status_code, refused["Retry-After"]) == (503, "2")
    finally:
        for _ in range(login.AT_ONCE):
            login._places.release()
    assert log_in(PASSWORD).status_code == 302


@pytest.mark.parametrize("password", ["adminadmin", "123456789012", "password1234"])
def test_a_password_that_is_short_or_common_is_refused(password: str, ada):
    with pytest.raises(ValidationError):
        validate_password(password, ada)
