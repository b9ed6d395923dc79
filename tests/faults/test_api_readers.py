"""Readers on the API of a real web server, while files load and while rows go and come back."""

import http.client
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from ingestion.lake import Days, LakeConfig
from ingestion.loading import jobs
from ingestion.market.files import plan_files
from ingestion.symbols import rollback
from liqheat_project.kernel.runs import RunState
from tests.conftest import worker_environment
from tests.faults.conftest import WORKER_SETTINGS
from tests.support.archive_files import agg_trades_csv, put_csv
from tests.support.lake_days import FIRST, count
from tests.support.services import WebServer, Worker, free_port, wait_until
from tests.support.steps import load_here, send, wait_for_end

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

READERS, FILES, ROWS = 8, 4, 30_000
LAST = FIRST + timedelta(days=FILES - 1)
PATHS = (
    "/liquidations/heatmap-timeseries?symbol=ETHUSDT&time_window=48h",
    "/prices/klines?symbol=ETHUSDT&interval=15m",
    "/data/date-range?symbol=ETHUSDT",
)


@pytest.fixture
def server(lake: LakeConfig, symbol: Any, tmp_path: Path) -> Iterator[WebServer]:
    """Serves ETHUSDT with its candles and open interest."""
    for dataset, interval in (("metrics", None), ("klines", "15m")):
        for file in plan_files("ETHUSDT", dataset, interval, FIRST, LAST):
            put_csv(tmp_path / "data", file)
    datasets = ["metrics", "klines 15m"]
    job = jobs.create_job(
        symbol, datasets, FIRST, LAST, source="folder", folder=str(tmp_path / "data")
    )
    assert load_here(job).state == RunState.SUCCEEDED
    rollback.set_enabled(symbol, True)
    address = f"127.0.0.1:{free_port()}"
    environment = worker_environment() | {"WEB_ADDRESS": address, "WEB_WORKERS": "2"}
    running = WebServer(tmp_path, environment, f"http://{address}")
    running.start()
    yield running
    running.stop()


class Readers:
    """Clients that ask one question after the other until they are stopped."""

    def __init__(self, url: str) -> None:
        self.answers: list[tuple[int, float]] = []
        self._address = url.removeprefix("http://")
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(READERS)]

    def __enter__(self) -> "Readers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def p95(self) -> float:
        """Milliseconds."""
        return statistics.quantiles([taken for _, taken in self.answers], n=20)[-1]

    def _ask(self, number: int) -> None:
        # Each is a client of its own: one alone would be asked to wait, and rightly so.
        source = (f"127.0.0.{number + 2}", 0)
        connection = http.client.HTTPConnection(self._address, timeout=60, source_address=source)
        while not self._stop.is_set():
            start = time.perf_counter()
            connection.request("GET", PATHS[number % len(PATHS)])
            answer = connection.getresponse()
            answer.read()
            self.answers.append((answer.status, (time.perf_counter() - start) * 1000))
        connection.close()


def test_eight_readers_meet_no_error_while_four_files_load(
    server: WebServer,
    symbol: Any,
    start_worker: Callable[..., Worker],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    for file in plan_files("ETHUSDT", "aggTrades", None, FIRST, LAST):
        put_csv(tmp_path / "data", file, agg_trades_csv(file, rows=ROWS))
    worker = start_worker(concurrency=2, **WORKER_SETTINGS)
    for path in PATHS:
        urlopen(server.url + path, timeout=120).close()  # the first answer waits for the compiler
    with Readers(server.url) as idle:
        idle_until = time.monotonic() + 2
        while time.monotonic() < idle_until or len(idle.answers) < 100:
            time.sleep(0.05)
    job = jobs.create_job(
        symbol, ["aggTrades"], FIRST, LAST, source="folder", folder=str(tmp_path / "data")
    )
    with Readers(server.url) as busy:
        send(job)
        wait_for_end(job)
    assert (job.state, count()) == (RunState.SUCCEEDED, FILES * ROWS)
    for readers in (idle, busy):
        assert {status for status, _ in readers.answers} == {200}
        assert len(readers.answers) >= 100
    for log in (server.log.read_text(), worker.log):
        assert "locked" not in log
        assert "Traceback" not in log
    record_property("p95", f"{busy.p95():.0f} ms while loading, {idle.p95():.0f} ms idle")
    print(f"p95 {busy.p95():.0f} ms while loading, {idle.p95():.0f} ms idle")


def test_the_api_shows_all_of_a_roll_back_and_of_its_undo_or_nothing(
    server: WebServer, symbol: Any
) -> None:
    seen, stop = set(), threading.Event()

    def rows() -> tuple[int, ...]:
        with urlopen(f"{server.url}/data/date-range?symbol=ETHUSDT", timeout=60) as response:
            return tuple(table["rows"] for table in json.load(response)["tables"])

    def watch() -> None:
        while not stop.is_set():
            seen.add(rows())

    whole = rows()
    cut = tuple(count * (FILES - 1) // FILES for count in whole)
    watchers = [threading.Thread(target=watch) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    try:
        for _ in range(2):
            made = rollback.roll_back(symbol, Days(FIRST, FIRST))
            wait_until(lambda: cut in seen, 20, "the API to show the roll back")
            rollback.undo(made)
            seen.discard(whole)
            wait_until(lambda: whole in seen, 20, "the API to show the undo")
    finally:
        stop.set()
        for watcher in watchers:
            watcher.join()
    assert seen == {whole, cut}
