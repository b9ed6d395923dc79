"""An exit that is asked for in the middle of a query ends the process, whoever catches what."""

import signal
from collections.abc import Iterator
from types import FrameType

import duckdb
import pytest

from liqheat_project.celery import app
from liqheat_project.lib.exits import pass_on_hidden_exit

LONG_QUERY = "SELECT sum(hash(a.range)) FROM range(3000000) a, range(3000) b"


@pytest.fixture
def exit_soon() -> Iterator[None]:
    """As a pool process does when it is told to end, here after a fifth of a second."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(7)

    before = signal.signal(signal.SIGALRM, leave)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_an_exit_in_a_query_is_found_in_the_error_that_it_became(exit_soon):
    with pytest.raises(SystemExit) as found:
        try:
            duckdb.connect().execute(LONG_QUERY)
        except RuntimeError as error:
            pass_on_hidden_exit(error)
    assert found.value.code == 7


def test_a_task_ends_its_process_with_the_exit(exit_soon):
    @app.task(name="tests.long_query")
    def long_query() -> None:
        duckdb.connect().execute(LONG_QUERY)

    with pytest.raises(SystemExit):
        long_query()
    del app.tasks["tests.long_query"]


def test_other_errors_are_left_alone():
    pass_on_hidden_exit(ValueError("no exit"))
