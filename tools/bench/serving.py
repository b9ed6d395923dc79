"""Benchmark of the API: a real server over a synthetic market, with clients on the same machine.

    python -m tools.bench.serving [--days 37]

The client's own work is in the figures: both share the machine's cores.
"""

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import httpx

from tests.support.services import CHECKOUT, Valkey, Worker, free_port, wait_until
from tools.bench.loading import make_trades_day, report

START = date(2026, 1, 1)
CLIENTS = 8
SECONDS = 8.0
HEATMAP = "/liquidations/heatmap-timeseries?symbol=BTCUSDT"


@contextmanager
def running(folder: Path, days: int) -> Iterator[tuple[str, dict[str, str]]]:
    """A loaded lake and a web server on it; gives its address and its environment."""
    broker = Valkey(folder / "broker")
    environment = os.environ | {
        "ENV_FILE": os.devnull,
        "SECRET_KEY": "benchmark",
        "VAR_DIR": str(folder / "var"),
        "REDIS_URL": broker.url,
        "LOG_LEVEL": "WARNING",
        "WEB_ADDRESS": f"127.0.0.1:{free_port()}",
        # Here all clients have one address, which else gets half of the threads and 3000 a minute.
        "WEB_THREADS": str(2 * CLIENTS + 2),
        "THROTTLE_ANONYMOUS": "0",
    }
    (folder / "var").mkdir()
    market = folder / "market"
    dates = ["--start-date", str(START), "--end-date", str(START + timedelta(days - 1))]
    made = ["--symbol", "BTCUSDT", "--start-date", str(START), "--days", str(days)]
    load = ["--symbol", "BTCUSDT", *dates, "--data-dir", str(market)]
    for command in (
        ["migrate", "-v0"],
        ["collectstatic", "-v0", "--noinput"],
        ["synthetic_market", *made, "--directory", str(market), "--trades-per-day", "10000"],
        ["ingest_oi", *load],
        ["ingest_klines", "--interval", "1m", *load],
        ["enable_symbol", "BTCUSDT"],
    ):
        manage = [sys.executable, str(CHECKOUT / "manage.py"), *command]
        subprocess.run(manage, env=environment, check=True, capture_output=True)
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "--log-level", "error"],
        cwd=CHECKOUT,
        env=environment,
    )
    address = environment["WEB_ADDRESS"]
    try:
        wait_until(lambda: answers(address), 60, "the web server")
        yield address, environment
    finally:
        server.terminate()
        server.wait()
        broker.stop()


def answers(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/health/live").status_code == 200
    except httpx.TransportError:
        return False


def timed(address: str, path: str, headers: dict[str, str] | None = None) -> tuple[float, int]:
    """Milliseconds and bytes of one request; raises for anything but 200.

    Not by httpx, whose new client reads certificates first, for tens of milliseconds.
    """
    start = time.perf_counter()
    connection = http.client.HTTPConnection(address, timeout=60)
    try:
        connection.request("GET", path, headers=headers or {})
        response = connection.getresponse()
        size = len(response.read())
    finally:
        connection.close()
    if response.status != 200:
        raise AssertionError(f"{response.status} {path}")
    return (time.perf_counter() - start) * 1000, size


def hammer(address: str, path: str, seconds: float = SECONDS) -> list[float]:
    """Milliseconds of every request that CLIENTS clients got through, one after the other each."""
    taken: list[list[float]] = [[] for _ in range(CLIENTS)]
    failures: list[str] = []

    def client(mine: list[float]) -> None:
        connection = http.client.HTTPConnection(address)
        end = time.perf_counter() + seconds
        while (start := time.perf_counter()) < end:
            connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                failures.append(f"{answer.status} {path}")
            mine.append((time.perf_counter() - start) * 1000)
        connection.close()

    threads = [threading.Thread(target=client, args=(mine,)) for mine in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise AssertionError(f"{len(failures)} requests failed, the first: {failures[0]}")
    return [one for mine in taken for one in mine]


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def computed(address: str, parameters: str, runs: int = 7) -> float:
    """Median of `meta.computed_ms`, the server's own time, over requests no cache knows."""
    found = []
    for run in range(runs):
        size = 100 + run  # a bucket size of its own makes an answer of its own
        path = f"{HEATMAP}{parameters}&format=packed&price_bin_size={size}"
        answer = httpx.get(f"http://{address}{path}", timeout=60)
        answer.raise_for_status()
        length = int.from_bytes(answer.content[:4], "little")
        meta = json.loads(answer.content[4 : 4 + length])["meta"]
        assert answer.headers["X-Cache"] == "miss"
        found.append(meta["computed_ms"])
    return statistics.median(found[2:])


def requests(address: str) -> None:
    for name, parameters, goal in (
        ("7d", "&time_window=7d", "80 ms"),
        ("30d at 5m", "&time_window=30d&interval=5m", "500 ms"),
    ):
        figure = f"{computed(address, parameters):.0f} ms"
        report(f"API {name}, first answer, server's own time", figure, f"goal {goal}")
    packed = f"{HEATMAP}&time_window=7d&format=packed"
    timed(address, packed)
    rates = hammer(address, packed)
    _, size = timed(address, packed, {"Accept-Encoding": "gzip"})
    report(
        f"API 7d cached, format=packed, {CLIENTS} clients",
        f"{len(rates) / SECONDS:,.0f} requests/s",
        f"p95 {p95(rates):.0f} ms, {size / 1000:.0f} kB each",
    )
    month = f"{HEATMAP}&time_window=30d&interval=5m&format=packed&price_bin_size=100"
    for name, path in (("30d", month.replace("&interval=5m", "")), ("30d at 5m", month)):
        _, size = timed(address, path, {"Accept-Encoding": "gzip"})
        report(f"{name}, format=packed, over the wire", f"{size / 1000:.0f} kB", "goal 250 kB")


def health_under_load(address: str) -> None:
    stop = time.perf_counter() + SECONDS

    def heavy(number: int) -> None:
        size = 100 + number
        while time.perf_counter() < stop:
            size += CLIENTS
            timed(
                address,
                f"{HEATMAP}&time_window=30d&interval=5m&format=packed&price_bin_size={size}",
            )

    threads = [threading.Thread(target=heavy, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    waits = []
    while time.perf_counter() < stop:
        waits.append(timed(address, "/health/live")[0])
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    report(
        f"/health/live while {CLIENTS} clients ask for new 30d heatmaps",
        f"median {statistics.median(waits):.0f} ms",
        f"p95 {p95(waits):.0f} ms",
    )


def readers_while_loading(address: str, environment: dict[str, str], folder: Path) -> None:
    path = f"{HEATMAP}&time_window=48h"
    mixed: Callable[[], list[float]] = lambda: hammer(address, path)  # noqa: E731
    mixed()
    idle = mixed()
    source = folder / "trades"
    days = 6
    from ingestion.market.files import plan_files

    for file in plan_files("BTCUSDT", "aggTrades", None, START, START + timedelta(days - 1)):
        make_trades_day(source, file, 1_500_000).unlink()
    os.environ.update(environment)
    worker = Worker("bench", dict(environment), folder, 2, "ingest,live", "")
    try:
        end = str(START + timedelta(days - 1))
        options = ["--symbol", "BTCUSDT", "--start-date", str(START), "--end-date", end]
        subprocess.run(
            [sys.executable, str(CHECKOUT / "manage.py"), "ingest_aggtrades", *options,
             "--data-dir", str(source), "--queue"],
            env=environment,
            check=True,
            capture_output=True,
        )  # fmt: skip
        busy = mixed()
    finally:
        worker.kill()
    report(
        f"{CLIENTS} API readers while 2 workers load, p95",
        f"{p95(busy):.0f} ms, {p95(busy) / p95(idle):.1f}x, no error",
        f"idle {p95(idle):.0f} ms",
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=37)
    arguments = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liqheat_project.settings")
    print("| serving | median | in the same run |\n|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="liqheat-bench-") as name:
        folder = Path(name)
        with running(folder, arguments.days) as (address, environment):
            json.loads(httpx.get(f"http://{address}{HEATMAP}&time_window=7d", timeout=90).text)
            requests(address)
            health_under_load(address)
            readers_while_loading(address, environment, folder)


if __name__ == "__main__":
    main()
