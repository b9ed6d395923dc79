import os
import signal

import psutil
import pytest
from django.db import connection

from liqheat_project.celery import app
from tests.support.endless_task import run_endlessly
from tests.support.services import wait_until

pytestmark = pytest.mark.postgresql


@pytest.mark.django_db
def test_the_session_has_the_database_that_was_asked_for(request):
    assert connection.vendor == request.config.getoption("--database")


@pytest.mark.django_db(transaction=True)
def test_a_killed_worker_takes_its_busy_pool_along_and_can_be_started_again(start_worker):
    worker = start_worker(include="tests.support.endless_task")
    pool = worker.pool_pids()
    assert len(pool) == 2
    run_endlessly.delay()
    wait_until(lambda: "begun" in worker.log, 60, "the task to begin")
    worker.kill()
    wait_until(lambda: not any(map(_runs, pool)), 30, "the pool processes to end")
    assert app.control.ping([worker.name], timeout=0.5) == []
    worker.start()
    assert worker.name in app.control.ping([worker.name], timeout=5)[0]


@pytest.mark.django_db(transaction=True)
def test_a_task_that_a_dead_host_had_taken_comes_again_after_the_visibility_timeout(start_worker):
    options = {"include": "tests.support.endless_task", "VISIBILITY_TIMEOUT_SECONDS": "5"}
    lost = start_worker("lost", **options)
    run_endlessly.delay()
    wait_until(lambda: "begun" in lost.log, 60, "the task to begin")
    os.killpg(lost.pid, signal.SIGKILL)
    lost.process.wait()
    other = start_worker("other", **options)
    assert "begun" not in other.log
    wait_until(lambda: "begun" in other.log, 30, "the task to begin again")


@pytest.mark.django_db(transaction=True)
def test_a_killed_pool_process_is_replaced(worker):
    pool = worker.pool_pids()
    os.kill(pool[0], signal.SIGKILL)
    wait_until(lambda: len(set(worker.pool_pids()) - set(pool)) == 1, 60, "a new pool process")


def _runs(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
