"""The admin's "System status" page, and the signs of life that it shows."""

import json
import time

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client

from ingestion import lake as the_lake
from ingestion.collecting import state
from ingestion.collecting.exchange import governor
from ingestion.errors import SourceUnavailable
from ingestion.lake.freshness import freshness, size
from ingestion.lake.liquidations import Heard, add_liquidations
from ingestion.market.records import Liquidation
from ingestion.models import CollectorState, Symbol
from liqheat_project.kernel import heartbeats
from tests.support.lake_days import day, put
from tests.support.services import wait_until

pytestmark = pytest.mark.postgresql

PAGE = "/admin/ingestion/collectorstate/"
HOUR_MS = 3_600_000


@pytest.fixture
def broker(settings):
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.flushall()
    return client


@pytest.fixture
def watcher(staff):
    """A member of staff without any permission."""
    return staff()


def fragments(client):
    response = client.get(f"{PAGE}progress/")
    assert response.status_code == 200
    answer = response.json()
    assert answer["ended"] is False
    return answer["fragments"]


def liquidate(symbol, *times_ms):
    events = [Liquidation(symbol, time_ms, "long", 1.0, 1.0, 1.0) for time_ms in times_ms]
    now_ms = time.time_ns() // 1_000_000
    heard = [Heard(symbol, now_ms - 12 * HOUR_MS, now_ms)]
    add_liquidations(the_lake.writer(), events, heard, [], lambda: {symbol})


def test_staff_see_the_page_and_its_link_and_others_do_not(watcher, broker, lake):
    index = watcher.get("/admin/").content.decode()
    assert PAGE in index and "System status" in index
    page = watcher.get(PAGE)
    assert page.status_code == 200
    assert "has not run yet" in page.content.decode()
    assert "&lt;table" not in page.content.decode()
    customer = Client()
    customer.force_login(User.objects.create_user("customer"))
    for path in (PAGE, f"{PAGE}progress/"):
        assert customer.get(path).status_code == Client().get(path).status_code == 302


def test_collectors_symbols_queues_and_the_governor(watcher, broker, lake):
    Symbol.objects.filter(name="ETHUSDT").update(enabled=True)
    now_ms = time.time_ns() // 1_000_000
    liquidate("ETHUSDT", now_ms - 90_000, now_ms - 80_000, now_ms - 2 * HOUR_MS)
    put(day("ETHUSDT", 0, "metrics"))
    state.succeeded(CollectorState.Collector.LIQUIDATIONS, status="connected")
    state.failed(CollectorState.Collector.CANDLES, "<b>no</b> answer", "ETHUSDT")
    broker.rpush("ingest", "a", "b", "c")
    minute = int(time.time() // 60)
    notes = {"minute": minute, "used_weight": 123, "stopped_until": time.time() + 600}
    broker.set("liqheat:rest", json.dumps(notes | {"reason": "451", "archive_only": True}))
    found = fragments(watcher)
    assert "At the last success: status connected" in found["collectors"]
    assert '<td class="number">2</td>' in found["collectors"]
    assert "&lt;b&gt;no&lt;/b&gt; answer" in found["collectors"]
    assert "1 min 2" in found["symbols"]
    assert "50.0 %" in found["symbols"]
    for text in ("Waiting in ingest</dt><dd>3<", "archive only", "stopped until", ": 451", "123"):
        assert text in found["parts"]


def test_archive_only_mode_is_ended_by_whoever_may_load_data(watcher, staff, broker, lake):
    guard = governor()
    guard.go_archive_only("answered 451")
    assert 'id="resume"' not in fragments(watcher)["parts"]
    assert watcher.post(f"{PAGE}resume/").status_code == 403
    operator = staff("load_data")
    assert 'id="resume"' in fragments(operator)["parts"]
    assert operator.get(f"{PAGE}resume/").status_code == 405
    assert guard.status().archive_only
    answer = operator.post(f"{PAGE}resume/", follow=True)
    assert "The exchange is asked again from now on." in answer.content.decode()
    assert 'id="resume"' not in answer.content.decode()
    guard.admit(1)


def test_a_ban_is_not_lifted_by_a_click(superuser, broker, lake):
    guard = governor()
    guard.stop(600, "answered 418")
    assert 'id="resume"' not in fragments(superuser)["parts"]
    answer = superuser.post(f"{PAGE}resume/", follow=True)
    assert "Nothing to resume" in answer.content.decode()
    with pytest.raises(SourceUnavailable):
        guard.admit(1)


def test_every_collector_has_a_line_from_the_beginning(watcher, broker, lake):
    found = fragments(watcher)["collectors"]
    for _, label in CollectorState.Collector.choices:
        assert label in found
    state.succeeded(CollectorState.Collector.CHECKSUMS, files=30, changed=1)
    assert "files 30, changed 1" in fragments(watcher)["collectors"]


def test_what_is_away_is_said_in_its_place(watcher, broker, settings, tmp_path, lake):
    (tmp_path / "file").touch()
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    url = f"sqlite:///{tmp_path}/file/catalog.sqlite"
    the_lake.configure(the_lake.LakeConfig(url, tmp_path / "file" / "data", tmp_path))
    found = fragments(watcher)
    assert "The broker does not answer" in found["parts"]
    assert "The lake does not answer" in found["parts"]
    assert "has not run yet" in found["collectors"]


def test_freshness_knows_the_newest_of_recent_rows_and_of_files(lake):
    now_ms = time.time_ns() // 1_000_000
    put(day("ETHUSDT", 0, "metrics"), day("ETHUSDT", 1, "metrics"))
    put(day("ETHUSDT", 0, "klines", "5m"))
    liquidate("ETHUSDT", now_ms - 90_000, now_ms - 2 * HOUR_MS)
    before = size(the_lake.reader().cursor())
    with the_lake.read.snapshot() as cursor:
        found = freshness(cursor, now_ms)
        series = the_lake.read.loaded_series(cursor, "ETHUSDT")["ETHUSDT"]
    assert list(found) == ["ETHUSDT"]
    newest = found["ETHUSDT"].newest_ms
    ends = {one.dataset: one.range_end.timestamp() * 1000 for one in series}
    assert newest == {
        "candles": ends["klines"],
        "open_interest": ends["metrics"],
        "liquidations": now_ms - 90_000,
    }
    assert found["ETHUSDT"].rows_last_hour["liquidations"] == 1
    assert found["ETHUSDT"].rows_last_hour["candles"] == 0
    put(day("ETHUSDT", 1, "klines", "5m"))
    after = size(the_lake.reader().cursor())
    assert (after.version, after.files) == (before.version + 1, before.files + 1)
    assert after.bytes > before.bytes > 0


def test_a_worker_leaves_signs_of_life(worker, broker):
    wait_until(lambda: worker.name in heartbeats.ages(broker), 30, "the worker's sign of life")


def test_what_beat_sends_is_its_sign_of_life(broker):
    from celery.signals import after_task_publish, beat_init

    from liqheat_project import celery

    celery.app.send_task("nobody.knows", queue="nobody.reads")
    assert heartbeats.ages(broker) == {}
    try:
        beat_init.send(sender=None)
        celery.app.send_task("nobody.knows", queue="nobody.reads")
    finally:
        after_task_publish.disconnect(celery._beat_lives)
    assert list(heartbeats.ages(broker)) == ["beat"]


def test_programs_gone_for_a_day_are_forgotten(broker):
    broker.hset(heartbeats.KEY, "old", str(time.time() - 90_000))
    broker.hset(heartbeats.KEY, "quiet", str(time.time() - 600))
    assert list(heartbeats.ages(broker)) == ["quiet"]
    assert broker.hkeys(heartbeats.KEY) == [b"quiet"]


def test_a_broker_that_is_away_disturbs_no_program():
    heartbeats.Heartbeat(lambda: "redis://127.0.0.1:9/0").beat("program")


def test_a_broker_that_is_away_is_said_to_who_would_resume(superuser, settings, lake):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = superuser.post(f"{PAGE}resume/", follow=True)
    assert "The broker, which keeps the limits of requests, does not" in answer.content.decode()
