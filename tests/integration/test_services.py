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
    worker.restart()
    assert worker.name in app.control.ping([worker.name], timeout=5)[0]


@pytest.mark.django_db(transaction=True)
def test_a_killed_pool_process_is_replaced(worker):
    pool = worker.pool_pids()
    os.kill(pool[0], signal.SIGKILL)
    wait_until(lambda: len(set(worker.pool_pids()) - set(pool)) == 1, 60, "a new pool process")


def _runs(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
