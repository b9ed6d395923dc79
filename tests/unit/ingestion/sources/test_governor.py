"""The governor on a real Valkey: several objects stand for several workers."""

import threading

import pytest
import redis

from ingestion.errors import SourceUnavailable
from ingestion.sources.governor import KEY, LONGEST_BACKOFF, Governor
from tests.support.services import Valkey

NOON = 1_795_608_000.0


class Clock:
    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def worker(settings, clock):
    """Makes the governor of one more worker."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.delete(KEY)
    yield lambda budget=100: Governor(redis.Redis.from_url(settings.REDIS_URL), budget, 3600, clock)
    client.delete(KEY)


def wait_named(governor, weight=1):
    with pytest.raises(SourceUnavailable) as caught:
        governor.admit(weight)
    return caught.value.retry_after


def test_all_workers_share_one_budget_that_is_new_every_minute(worker, clock):
    one, other = worker(), worker()
    clock.now += 20
    one.admit(60)
    other.admit(40)
    assert wait_named(one) == 40
    assert one.status().used_weight == 100
    clock.now += 40
    one.admit(100)


def test_a_request_above_the_whole_budget_goes_out_alone(worker):
    governor = worker(budget=20)
    governor.admit(50)
    assert wait_named(governor) == 60


def test_what_the_header_says_counts_where_it_is_more(worker):
    governor = worker()
    governor.admit(10)
    governor.observe(95)
    governor.observe(4)
    governor.admit(5)
    assert wait_named(worker()) == 60


def test_threads_at_once_do_not_overspend(worker):
    admitted = []

    def ask():
        governor = worker()
        for _ in range(20):
            try:
                governor.admit(1)
            except SourceUnavailable:
                return
            admitted.append(1)

    worker().admit(1)
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(admitted) == 99


def test_a_stop_holds_every_worker_until_it_ends(worker, clock):
    worker().stop(7, "slow down")
    assert wait_named(worker()) == 7
    clock.now += 7
    worker().admit(1)


def test_the_longer_of_two_stops_holds(worker):
    worker().stop_until(NOON + 300, "banned")
    worker().stop(7, "slow down")
    assert wait_named(worker()) == 300
    assert worker().status().reason == "banned"


def test_no_stop_is_longer_than_the_longest_ban(worker):
    worker().stop_until(NOON * 2, "banned")
    assert wait_named(worker()) == 3 * 86_400


def test_a_success_of_a_request_under_way_does_not_lift_a_stop(worker, clock):
    worker().stop_until(NOON + 300, "banned")
    worker().succeeded()
    assert wait_named(worker()) == 300


def test_failures_in_a_row_wait_longer_each_time_with_jitter(worker, clock):
    waits = []
    for _ in range(14):
        worker().failed("no answer")
        waits.append(wait_named(worker()))
        clock.now += waits[-1]
    for number, wait in enumerate(waits):
        longest = min(2.0**number, LONGEST_BACKOFF)
        assert longest / 2 <= wait <= longest + 1e-6
    assert len({wait / min(2.0**number, LONGEST_BACKOFF) for number, wait in enumerate(waits)}) > 5
    worker().succeeded()
    worker().failed("no answer")
    assert wait_named(worker()) <= 1


def test_archive_only_mode_lasts_until_the_next_check_or_a_person(worker, clock):
    worker().go_archive_only("451 restricted")
    status = worker().status()
    assert status.archive_only
    assert status.reason == "451 restricted"
    assert wait_named(worker()) == 3600
    worker().resume()
    worker().admit(1)
    assert not worker().status().archive_only

    worker().go_archive_only("451 restricted")
    clock.now += 3600
    worker().admit(1)
    assert worker().status().archive_only, "not served yet"
    worker().succeeded()
    assert not worker().status().archive_only


def test_without_the_broker_no_request_goes_out_and_no_answer_is_lost(tmp_path):
    broker = Valkey(tmp_path)
    client = redis.Redis.from_url(broker.url, retry=None)
    governor = Governor(client, 100, 3600)
    governor.admit(1)
    broker.stop()
    governor.observe(10)
    governor.succeeded()
    with pytest.raises(SourceUnavailable, match="limits of requests, does not answer"):
        governor.admit(1)
