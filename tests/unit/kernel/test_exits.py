"""An exit that is asked for in the middle of a query ends the process, whoever catches what."""

import subprocess
import sys

import pytest

from liqheat_project.kernel.exits import pass_on_hidden_exit
from tests.support.services import CHECKOUT

# The exit comes after a fifth of a second, as when a pool process is told to end. DuckDB's
# destructor may wait for its threads to end the query, so the process ends without it.
BEGIN = """
import os, signal, duckdb

def leave(number, frame):
    raise SystemExit(7)

def long_query():
    connection.execute("SELECT sum(hash(a.range)) FROM range(3000000) a, range(3000) b")

connection = duckdb.connect()
signal.signal(signal.SIGALRM, leave)
"""
IN_A_CALL = """
from liqheat_project.kernel.exits import pass_on_hidden_exit

def asked():
    try:
        long_query()
    except RuntimeError as error:
        pass_on_hidden_exit(error)
"""
IN_A_TASK = """
from liqheat_project.celery import app

asked = app.task(name="tests.long_query")(long_query)
"""
END = """
signal.setitimer(signal.ITIMER_REAL, 0.2)
try:
    asked()
except SystemExit as found:
    os._exit(found.code)
os._exit(1)
"""


@pytest.mark.parametrize("asked", [IN_A_CALL, IN_A_TASK], ids=["call", "task"])
def test_an_exit_in_a_query_is_found_in_the_error_that_it_became(asked: str) -> None:
    program = [sys.executable, "-c", BEGIN + asked + END]
    done = subprocess.run(program, cwd=CHECKOUT, timeout=60, capture_output=True, text=True)
    assert done.returncode == 7, done.stderr


def test_other_errors_are_left_alone() -> None:
    pass_on_hidden_exit(ValueError("no exit"))
