"""Beat's schedule over a restart, whatever the broker kept of it."""

from datetime import UTC, datetime, timedelta

import pytest
import redis

from liqheat_project.celery import app
from liqheat_project.launcher.beat import KEY, StaticScheduler


@pytest.fixture
def broker(settings):
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.delete(KEY)
    yield client
    client.delete(KEY)


def is_due(name="maintain-lake"):
    return StaticScheduler(app=app).schedule[name].is_due().is_due


def test_what_became_due_while_beat_was_away_is_sent_at_once(broker):
    first = StaticScheduler(app=app)
    assert not first.schedule["maintain-lake"].is_due().is_due
    first.schedule["maintain-lake"].last_run_at = datetime.now(UTC) - timedelta(hours=2)
    first.sync()
    assert is_due()
    assert not is_due("sweep")


@pytest.mark.parametrize(
    "noted", [b"", b"\xff\x00", b"0" * 1500, b"2999-01-01T00:00:00+00:00", b"2024-01-01"]
)
def test_beat_starts_with_whatever_was_noted(broker, noted):
    broker.hset(KEY, mapping={b"maintain-lake": noted, b"\xff": noted, "gone": noted})
    assert is_due() == (noted == b"2024-01-01")


def test_beat_starts_without_the_broker(settings):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    assert not is_due()
    StaticScheduler(app=app).sync()
