"""One client that is slow, or asks for much, leaves the server to the others.

The greedy client is 127.0.0.1, the others are other addresses of the loopback.
"""

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.conftest import worker_environment
from tests.support.services import WebServer, free_port, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

MANY = 300  # more than there are threads, and than one client may hold connections
FILE = "/static/vendor/lightweight-charts/5.2.1/lightweight-charts.standalone.production.mjs"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    address = f"127.0.0.1:{free_port()}"
    environment = worker_environment() | {
        "WEB_ADDRESS": address,
        "WEB_WORKERS": "2",
        "WEB_THREADS": "4",
        "WEB_MAX_REQUESTS": "60",
        "DEBUG": "true",  # static files without collecting them
    }
    running = WebServer(tmp_path, environment, f"http://{address}")
    running.start()
    yield running
    running.stop()


def ask(server: WebServer, path: str = "/health/live", client: str = "127.0.0.2") -> int:
    connection = http.client.HTTPConnection(
        server.url.removeprefix("http://"), timeout=20, source_address=(client, 0)
    )
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def connections(server: WebServer, stack: ExitStack, sent: bytes) -> list[socket.socket]:
    """Connections of 127.0.0.1 that say no more than `sent` and read nothing."""
    host, port = server.url.removeprefix("http://").split(":")
    opened = []
    for _ in range(MANY):
        one = stack.enter_context(socket.socket())
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.settimeout(20)
        one.connect((host, int(port)))
        try:
            one.sendall(sent)
        except OSError:
            continue  # one too many
        opened.append(one)
    return opened


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nX-",
        b"POST /admin/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\nusername=",
        b"GET " + FILE.encode() + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    ],
    ids=["headers", "body", "reader"],
)
def test_a_slow_client_takes_no_thread_from_the_others(server: WebServer, sent: bytes) -> None:
    with ExitStack() as stack:
        connections(server, stack, sent)
        for number in range(8):
            assert ask(server, client=f"127.0.0.{number + 2}") == 200


def test_headers_that_do_not_end_are_not_waited_for(server: WebServer) -> None:
    with ExitStack() as stack:
        one = connections(server, stack, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")[0]
        ended = threading.Event()

        def trickle() -> None:
            try:
                while not ended.wait(0.5):
                    one.sendall(b"X-A: b\r\n")
            except OSError:
                ended.set()

        threading.Thread(target=trickle, daemon=True).start()
        wait_until(ended.is_set, 60, "the server to hang up")


def test_web_processes_are_replaced_without_an_answer_lost(server: WebServer) -> None:
    master = psutil.Process(server.processes[0].pid)
    first = {child.pid for child in master.children()}
    statuses: list[int] = []
    end = threading.Event()

    def read() -> None:
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
        while not end.is_set():
            connection.request("GET", "/health/live")
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
            time.sleep(0.01)
        connection.close()

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        wait_until(
            lambda: not first & {child.pid for child in master.children()}, 120, "fresh processes"
        )
    finally:
        end.set()
        for reader in readers:
            reader.join()
    assert set(statuses) == {200}
    assert "Traceback" not in server.log.read_text()
