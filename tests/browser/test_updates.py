"""Data that land while the page is open."""

import subprocess
import sys
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import HeatmapPage
from tests.support.services import CHECKOUT, WebServer

SYMBOL = "LINKUSDT"


def load(server: WebServer, folder: Path, day: str) -> None:
    command = [sys.executable, "-m", "tests.browser.market", str(folder), SYMBOL, day]
    subprocess.run(command, env=server.environment, cwd=CHECKOUT, check=True)


def test_new_data_appear_without_losing_the_zoom(
    page: HeatmapPage, server: WebServer, tmp_path: Path
) -> None:
    load(server, tmp_path, "2026-01-05")
    inside = "&from=2026-01-05T12:00Z&to=2026-01-05T18:00Z&low=80&high=120"
    page.open(f"?symbol={SYMBOL}&window=48h{inside}")
    until_now = page.tab.context.new_page()
    at_the_end = "&from=2026-01-05T18:00Z&to=2026-01-06T00:00Z"
    until_now.goto(f"{server.url}/heatmap/?symbol={SYMBOL}&window=48h{at_the_end}")
    expect(until_now.locator("#status")).to_contain_text("Candles to 2026-01-06 00:00")

    load(server, tmp_path, "2026-01-06")
    for tab in (page.tab, until_now):
        tab.bring_to_front()
        tab.keyboard.press("r")
        expect(tab.locator("#status")).to_contain_text("Candles to 2026-01-07 00:00")
        tab.wait_for_timeout(600)
    view = page.address()
    assert (view["from"], view["to"]) == ("2026-01-05T12:00Z", "2026-01-05T18:00Z")
    assert (view["low"], view["high"]) == ("80", "120")
    # A view that ended with the data goes along with them.
    handle = until_now.locator("#range .range-handle.last")
    assert handle.get_attribute("aria-valuenow") == "100"
    assert handle.get_attribute("aria-valuetext") == "2026-01-07 00:00"
    assert "from=2026-01-06T18:00Z&to=2026-01-07T00:00Z" in until_now.url
