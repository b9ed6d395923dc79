import threading
import time
from datetime import timedelta

import pytest
import redis
from django.db import connections
from django.test import Client
from django.utils import timezone

from ingestion import lake
from ingestion.collecting import state
from ingestion.lake import LakeConfig
from ingestion.models import CollectorState
from liqheat_project.kernel import disk, heartbeats
from liqheat_project.ops import health
from liqheat_project.ops.health import Checks
from liqheat_project.ops.status import QUEUES
from tests.support.services import wait_until

pytestmark = pytest.mark.postgresql

OPEN_INTEREST = CollectorState.Collector.OPEN_INTEREST
PARTS = ["database", "lake", "broker"]


@pytest.fixture
def get(db):
    """GET a path, with nothing remembered of what was asked before."""

    def get(path):
        forget()
        return Client().get(path)

    def forget():
        for checks in (health._checks, health._upkeep):
            checks.forget()

    yield get
    forget()


@pytest.fixture(autouse=True)
def broker(settings):
    """With what workers for all queues leave in it."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.delete(heartbeats.FAILING_KEY, heartbeats.QUEUES_KEY)
    heartbeats.Heartbeat(lambda: settings.REDIS_URL).beat("worker", QUEUES)
    yield client
    client.delete(heartbeats.KEY, heartbeats.QUEUES_KEY, heartbeats.FAILING_KEY)


@pytest.fixture
def break_part(settings, monkeypatch, tmp_path):
    """Makes a part impossible to reach, by a place with a name that nobody outside should see."""
    before = lake.connection._config

    def break_part(part):
        nowhere = tmp_path / "secret-place"
        nowhere.touch()
        if part == "broker":
            settings.REDIS_URL = "redis://:secret-place@127.0.0.1:9/0"
        elif part == "lake":
            url = f"sqlite:///{nowhere}/catalog.sqlite"
            lake.configure(LakeConfig(url, nowhere / "data", temporary_path=tmp_path))
        else:
            name = str(nowhere / "file") if connections["default"].vendor == "sqlite" else "secret"
            monkeypatch.setitem(connections.settings["default"], "NAME", name)

    yield break_part
    lake.configure(before)


def test_a_live_server_says_so_without_asking_anything():
    response = Client().get("/health/live")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_all_is_well(get):
    response = get("/health")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "checks": dict.fromkeys(PARTS, "ok"),
        "upkeep": dict.fromkeys(["disk", "workers", "programs", "files"], "ok"),
        "collectors": {},
    }
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_away_is_named_and_nothing_else_is(get, break_part, part):
    break_part(part)
    response = get("/health")
    assert response.status_code == 503
    answer = response.json()
    assert answer["status"] == "failing"
    assert answer["checks"] == dict.fromkeys(PARTS, "ok") | {part: "does not answer"}
    assert "secret" not in response.text


def no_worker(broker):
    broker.hset(heartbeats.QUEUES_KEY, "ingest", time.time() - 61)
    broker.hdel(heartbeats.QUEUES_KEY, "live")


@pytest.mark.parametrize(
    ("part", "happens", "words"),
    [
        ("workers", no_worker, "no worker serves ingest, live"),
        (
            "programs",
            lambda broker: heartbeats.note_failing(broker, ["flower"]),
            "flower keeps failing",
        ),
    ],
)
def test_what_keeps_the_data_up_to_date_degrades(get, broker, part, happens, words):
    happens(broker)
    answer = get("/health").json()
    assert (answer["status"], answer["upkeep"][part]) == ("degraded", words)
    assert get("/health/ready").json()["status"] == "ok"


def test_a_full_disk_is_said(get, monkeypatch):
    monkeypatch.setattr(disk, "FULL_BYTES", 2**62)
    answer = get("/health").json()
    assert (answer["status"], answer["upkeep"]["disk"]) == ("degraded", "disk full")


def test_a_failing_collector_degrades_but_what_is_loaded_is_served(get):
    state.succeeded(OPEN_INTEREST)
    state.failed(OPEN_INTEREST, "secret-place is closed", "ETHUSDT")
    response = get("/health")
    assert response.status_code == 200
    answer = response.json()
    assert answer["status"] == "degraded"
    found = answer["collectors"]["open_interest"]
    assert (found["status"], found["not_well"]) == ("failing", ["ETHUSDT"])
    assert found["last_success"] is not None
    assert "secret" not in response.text
    state.succeeded(OPEN_INTEREST, "ETHUSDT")
    assert get("/health").json()["status"] == "ok"


def test_a_collector_that_is_long_due_is_late(get):
    state.succeeded(OPEN_INTEREST, next_run=timezone.now() - timedelta(minutes=4))
    assert get("/health").json()["status"] == "ok"
    state.succeeded(OPEN_INTEREST, next_run=timezone.now() - timedelta(minutes=6))
    answer = get("/health").json()
    assert answer["status"] == "degraded"
    assert answer["collectors"]["open_interest"]["status"] == "late"


def test_collectors_that_are_turned_off_are_neither_well_nor_failing(get, settings):
    state.succeeded(OPEN_INTEREST, next_run=timezone.now() - timedelta(hours=6))
    settings.COLLECT = False
    answer = get("/health").json()
    assert (answer["status"], answer["collectors"]["open_interest"]["status"]) == ("ok", "off")


def test_ready_asks_the_parts_only(get):
    state.failed(OPEN_INTEREST, "closed")
    response = get("/health/ready")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "checks": dict.fromkeys(PARTS, "ok")}


@pytest.mark.parametrize("part", PARTS)
def test_not_ready_says_why(get, break_part, part):
    break_part(part)
    response = get("/health/ready")
    assert response.status_code == 503
    assert response.json()["checks"][part] == "does not answer"


def test_a_probe_is_not_sent_to_the_proxy(get, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert get("/health/ready").status_code == get("/health").status_code == 200


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/health/live"])
def test_only_reading_is_allowed(path):
    assert Client().post(path).status_code == 405


def test_what_hangs_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.2)
    go_on = threading.Event()
    checks = Checks({"slow": go_on.wait, "quick": lambda: None})
    try:
        assert checks.results() == {"slow": "did not answer within 0 s", "quick": "ok"}
    finally:
        go_on.set()


def test_many_probes_ask_once():
    asked = []
    checks = Checks({"part": lambda: asked.append(1)})
    for _ in range(50):
        checks.results()
    assert len(asked) < 50
    checks.forget()
    before = len(asked)
    checks.results()
    wait_until(lambda: len(asked) == before + 1, 5, "one more question")
