"""Benchmark of the page in headless Chromium: first render, pan, threshold, bytes over the wire.

    python -m tools.bench.page

A year of synthetic 5m candles is loaded first; the browser draws without a graphics card.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import ARGUMENTS, BROWSERS
from tests.support.services import CHECKOUT, Valkey, WebServer, free_port

DAYS = 366
FIRST = date(2025, 1, 1)
WINDOWS = ("24h", "7d", "30d", "1y")
REPEATS = 5
FRAMES = 40

# Frames follow each other as fast as the page draws them, at most 60 a second.
PAN = """async (frames) => {
  const next = () => new Promise(requestAnimationFrame);
  const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", { key }));
  for (let i = 0; i < 6; i += 1) press("+");
  await next(); await next();
  const times = [await next()];
  for (let i = 0; i < frames; i += 1) {
    press(Math.floor(i / 10) % 2 ? "ArrowRight" : "ArrowLeft");
    times.push(await next());
  }
  return times.slice(1).map((time, i) => time - times[i]);
}"""
# The work up to the frame, and that of the frame itself.
THRESHOLD = """async (times) => {
  const next = () => new Promise(requestAnimationFrame);
  const slider = document.getElementById("threshold");
  const costs = [];
  for (let i = 0; i < times; i += 1) {
    slider.value = String(30 + i);
    const start = performance.now();
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    const worked = performance.now() - start;
    const frame = await next();
    costs.push(worked + performance.now() - frame);
    await next();
  }
  return costs;
}"""


def load(folder: Path) -> None:
    """A year of BTCUSDT, in the process whose environment names the lake."""
    import django

    django.setup()
    from django.core.management import call_command

    from ingestion.loading import jobs
    from ingestion.loading.load import run_here
    from ingestion.models import Symbol
    from validation.synthetic.archive import write_archive
    from validation.synthetic.market import simulate_market
    from validation.synthetic.parameters import MarketParameters

    start = int(datetime.combine(FIRST, datetime.min.time(), UTC).timestamp() * 1000)
    parameters = MarketParameters(trades_per_day=3_000, openings_per_day=600)
    write_archive(simulate_market("BTCUSDT", start, DAYS, 7, parameters), folder)
    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    symbol = Symbol.objects.get(name="BTCUSDT")
    last = FIRST + timedelta(days=DAYS - 1)
    datasets = ["klines 5m", "metrics"]
    job = jobs.create_job(symbol, datasets, FIRST, last, source="folder", folder=str(folder))
    run_here(job, lambda job: None)
    Symbol.objects.filter(name="BTCUSDT").update(enabled=True)


def main() -> None:
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        print(f"page: no browser, none of {', '.join(BROWSERS)} is on the PATH")
        return
    folder = Path(tempfile.mkdtemp(prefix="liqheat-bench-"))
    broker = Valkey(folder / "broker")
    server = WebServer(folder, environment(folder, broker.url), "")
    server.url = f"http://{server.environment['WEB_ADDRESS']}"
    try:
        command = [sys.executable, "-m", "tools.bench.page", str(folder / "archive")]
        subprocess.run(command, env=server.environment, cwd=CHECKOUT, check=True)
        server.start()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
            report(browser, server)
            browser.close()
    finally:
        server.stop()
        broker.stop()
        shutil.rmtree(folder, ignore_errors=True)


def environment(folder: Path, broker_url: str) -> dict[str, str]:
    return os.environ | {
        "ENV_FILE": os.devnull,
        "DJANGO_SETTINGS_MODULE": "liqheat_project.settings",
        "SECRET_KEY": "a key for this benchmark only, long enough for every check of Django",
        "VAR_DIR": str(folder),
        "REDIS_URL": broker_url,
        "WEB_ADDRESS": f"127.0.0.1:{free_port()}",
    }


def report(browser: Browser, server: WebServer) -> None:
    size = "1440 x 900"
    print(f"page in {browser.version}, {size}, {REPEATS} loads each (medians)")
    print("window   cells        first view  drawn    data KB  all KB   pan frame  threshold")
    for window in WINDOWS:
        url = f"{server.url}/heatmap/?symbol=BTCUSDT&window={window}"
        first = visited(browser, url)
        visits = [visited(browser, url) for _ in range(REPEATS)]
        pan, threshold = interactions(browser, url)
        print(
            f"{window:8} {first['cells']:12} {first['drawn']:7.0f} ms "
            f"{median(visits, 'drawn'):6.0f} ms {median(visits, 'data_kb'):9.0f} "
            f"{median(visits, 'all_kb'):7.0f} {pan:8.0f} ms {threshold:7.0f} ms",
            flush=True,
        )


def median(visits: list[dict[str, Any]], name: str) -> float:
    return statistics.median(visit[name] for visit in visits)


def visited(browser: Browser, url: str) -> dict[str, Any]:
    """One load with an empty browser cache: ms until drawn, KB received, the grid's size."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    wire = context.new_cdp_session(page)
    wire.send("Network.enable")
    urls: dict[str, str] = {}
    received: dict[str, float] = {}
    wire.on(
        "Network.responseReceived", lambda e: urls.update({e["requestId"]: e["response"]["url"]})
    )
    wire.on(
        "Network.loadingFinished",
        lambda e: received.update({e["requestId"]: e["encodedDataLength"] / 1000}),
    )
    page.goto(url)
    drawn = wait_drawn(page)
    page.wait_for_timeout(300)
    data = sum(kb for id, kb in received.items() if "heatmap-timeseries" in urls.get(id, ""))
    cells = page.locator("body").get_attribute("data-cells")
    context.close()
    return {"drawn": drawn, "data_kb": data, "all_kb": sum(received.values()), "cells": cells}


def wait_drawn(page: Page) -> float:
    """ms from the start of the navigation until a frame with the heat has been drawn."""
    page.wait_for_selector("body[data-state=ready]", timeout=60_000)
    return float(
        page.evaluate(
            "new Promise((done) => requestAnimationFrame(() => setTimeout(() => "
            "done(performance.getEntriesByName('drawn')[0].startTime))))"
        )
    )


def interactions(browser: Browser, url: str) -> tuple[float, float]:
    """Medians in ms: a frame while panning, a change of the threshold."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(url)
    wait_drawn(page)
    pan = statistics.median(page.evaluate(PAN, FRAMES))
    threshold = statistics.median(page.evaluate(THRESHOLD, 20))
    context.close()
    return pan, threshold


if __name__ == "__main__":
    if len(sys.argv) > 1:
        load(Path(sys.argv[1]))
    else:
        main()
