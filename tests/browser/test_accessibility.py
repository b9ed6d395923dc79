"""axe-core (Deque, MPL 2.0; in tests/browser/vendor) on every state of the page."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import HeatmapPage

AXE = Path(__file__).parent / "vendor/axe-core/4.14.1/axe.min.js"
ADDRESS = "?symbol=BTCUSDT&window=24h"


def serious_faults(page: HeatmapPage) -> list[str]:
    page.tab.evaluate(AXE.read_text())
    result = page.tab.evaluate("axe.run()")
    return [
        f"{fault['id']}: {node['html'][:120]} {node['failureSummary'][:200]}"
        for fault in result["violations"]
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


@pytest.mark.parametrize("tab", ["heatmap", "map"])
@pytest.mark.parametrize(("scheme", "width"), [("dark", 1280), ("light", 390)])
def test_both_tabs_have_no_serious_fault(
    new_page: Callable[..., HeatmapPage], scheme: str, width: int, tab: str
) -> None:
    page = new_page(width, 844, color_scheme=scheme).open(f"{ADDRESS}&tab={tab}")
    page.tab.locator("#settings").evaluate("details => { details.open = true; }")
    expect(page.tab.locator("#approval")).to_be_visible()
    assert serious_faults(page) == []


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_what_opens_over_the_page_has_no_serious_fault(
    new_page: Callable[..., HeatmapPage], scheme: str
) -> None:
    page = new_page(color_scheme=scheme).open(ADDRESS)
    pane = page.pane()
    page.tab.mouse.click(pane["x"] + pane["width"] / 2, pane["y"] + 60)
    expect(page.tab.locator("#explain-body")).not_to_contain_text("Loading")
    page.tab.click("#menu > summary")
    assert serious_faults(page) == []
    page.tab.click("#pairs-button")
    expect(page.tab.locator("#pairs-body tr").first).to_be_visible()
    assert serious_faults(page) == []
    page.tab.keyboard.press("Escape")
    page.tab.keyboard.press("?")
    assert serious_faults(page) == []


def test_the_empty_state_has_no_serious_fault(page: HeatmapPage) -> None:
    page.open(f"{ADDRESS}&end=2025-06-01T00:00Z", wait="empty")
    assert serious_faults(page) == []


def test_the_table_has_what_the_picture_shows(page: HeatmapPage) -> None:
    page.open(ADDRESS)
    tables = page.tab.locator("#levels-tables table")
    assert tables.locator("caption").all_inner_texts() == [
        "Shorts, above the price",
        "Longs, below the price",
    ]
    assert tables.first.locator("tbody tr").count() == 12
