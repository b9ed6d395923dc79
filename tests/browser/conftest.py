"""A real server over a real lake, a real browser, and a watch on what the page does wrong."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, FloatRect, Page, expect, sync_playwright

from tests.support.services import CHECKOUT, WebServer, free_port

BROWSERS = ("chromium", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 20_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """The web server over a lake with the market of tests/browser/market.py."""
    folder = tmp_path_factory.mktemp("browser")
    address = f"127.0.0.1:{free_port()}"
    environment = os.environ | {
        "VAR_DIR": str(folder),
        "DATABASE_URL": f"sqlite:///{folder}/django.sqlite3",
        "LAKE_CATALOG_URL": f"sqlite:///{folder}/lake/catalog.sqlite",
        "LAKE_DATA_PATH": f"{folder}/lake/data",
        "WEB_ADDRESS": address,
        "WEB_WORKERS": "1",
    }
    load = [sys.executable, "-m", "tests.browser.market", str(folder / "archive")]
    subprocess.run(load, env=environment, cwd=CHECKOUT, check=True)
    server = WebServer(folder, environment, f"http://{address}")
    server.start()
    yield server
    server.stop()


class HeatmapPage:
    """The page in a tab of its own, with all that went wrong in it."""

    def __init__(self, context: BrowserContext, server: WebServer) -> None:
        self.server = server
        self.tab: Page = context.new_page()
        self.faults: list[str] = []
        self.requests: list[str] = []
        self.tab.on("console", lambda message: self._console(message.type, message.text))
        self.tab.on("pageerror", lambda error: self.faults.append(f"page: {error}"))
        self.tab.on("request", lambda request: self.requests.append(request.url))

    def _console(self, kind: str, text: str) -> None:
        # A policy's violation is an error on the console, too.
        if kind in ("error", "warning"):
            self.faults.append(f"console: {text}")

    def open(self, query: str = "", wait: str = "ready") -> "HeatmapPage":
        self.tab.goto(f"{self.server.url}/heatmap/{query}")
        self.wait(wait)
        return self

    def wait(self, state: str = "ready") -> None:
        expect(self.tab.locator("body")).to_have_attribute("data-state", state, timeout=PATIENCE_MS)
        self.settle()

    def settle(self) -> None:
        """Lets the chart draw its next frames and the address follow."""
        self.tab.wait_for_timeout(400)

    def address(self) -> dict[str, str]:
        return self.tab.evaluate("Object.fromEntries(new URLSearchParams(location.search))")

    def pane(self) -> FloatRect:
        """Where the chart's plot is: x, y, width, height in CSS pixels."""
        box = self.tab.locator("#chart table tr").first.locator("td").nth(1).bounding_box()
        assert box
        return box

    def outside_requests(self) -> list[str]:
        own = (self.server.url + "/", "data:", "blob:")
        return [url for url in self.requests if not url.startswith(own)]


@pytest.fixture
def new_page(browser: Browser, server: WebServer) -> Iterator[Callable[..., HeatmapPage]]:
    """Opens tabs, each in a context with the given options. Afterwards nothing may have gone
    wrong: no error or violation of the policy on the console, no request to elsewhere."""
    contexts: list[BrowserContext] = []
    pages: list[HeatmapPage] = []

    def make(width: int = 1280, height: int = 800, **options: Any) -> HeatmapPage:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        pages.append(HeatmapPage(context, server))
        return pages[-1]

    yield make
    for context in contexts:
        context.close()
    for page in pages:
        assert page.faults == []
        assert page.outside_requests() == []


@pytest.fixture
def page(new_page: Callable[..., HeatmapPage]) -> HeatmapPage:
    """A tab of 1280 x 800."""
    return new_page()
