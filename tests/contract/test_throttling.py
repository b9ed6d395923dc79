"""How often one client may ask."""

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.test import Client

from tests.support.market import reason

KEY = "a key of twenty-four letters or more"


@pytest.fixture(autouse=True)
def few(settings):
    settings.THROTTLES = {"anonymous": 3, "session": 5, "api_key": 6}
    settings.API_CLIENTS = {"robot": KEY}
    cache.clear()


def answered(client: Client, **headers: str) -> int:
    """How many of ten requests are answered; the others are refused."""
    answers = [client.get("/symbols", headers=headers) for _ in range(10)]
    for refused in (answer for answer in answers if answer.status_code != 200):
        assert reason(refused, 429, None)
        assert 0 < int(refused["Retry-After"]) <= 60
    return sum(answer.status_code == 200 for answer in answers)


def test_each_kind_of_client_has_its_own_number_of_requests_a_minute(api, monkeypatch):
    monkeypatch.setattr("liqheat_project.webkit.throttling.time.time", lambda: 1_800_000_010.0)
    user = get_user_model().objects.create_user("ada", is_staff=True)
    staff = Client()
    staff.force_login(user)
    assert answered(Client()) == 3
    assert answered(Client(REMOTE_ADDR="10.0.0.2")) == 3
    assert answered(Client(), **{"X-Forwarded-For": "10.0.0.3"}) == 0
    assert answered(staff) == 5
    assert answered(Client(), **{"X-API-Key": KEY}) == 6
    monkeypatch.setattr("liqheat_project.webkit.throttling.time.time", lambda: 1_800_000_070.0)
    assert answered(Client()) == 3


def test_a_key_that_is_not_known_is_refused(api):
    assert reason(Client().get("/symbols", headers={"X-API-Key": "guess"}), 401, None)


def test_without_the_cache_everything_is_answered(api, settings):
    settings.CACHES = {
        name: one | {"LOCATION": "redis://127.0.0.1:9/0"} for name, one in settings.CACHES.items()
    }
    assert answered(Client()) == 10
