"""The page as a trader uses it."""

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import HeatmapPage
from tests.browser.market import PASSWORD, USER
from tests.support.services import WebServer

ADDRESS = "?symbol=BTCUSDT&window=24h"


def last_price(page: HeatmapPage) -> float:
    text = page.tab.locator("#levels-note").inner_text()
    return float(re.search(r"price ([\d,.]+?)\.?$", text)[1].replace(",", ""))


def test_heat_and_candles_are_drawn_without_a_fault(page: HeatmapPage) -> None:
    page.open()
    assert page.address() == {"symbol": "BTCUSDT", "window": "24h"}
    expect(page.tab.locator("#title")).to_have_text("BTCUSDT liquidations")
    expect(page.tab.locator("#legend-max")).to_have_text(re.compile(r"max\s+[\d.]+[KMB]"))
    expect(page.tab.locator("#status")).to_contain_text("Candles to 2026-01-08 00:00 UTC")
    expect(page.tab.locator("#status")).to_contain_text("Stale")
    assert page.tab.locator("#levels-tables table").count() == 2


@pytest.mark.parametrize("path", ["/", "/frontend/coinglass_heatmap.html"])
def test_other_addresses_lead_to_the_page_with_their_query(page: HeatmapPage, path: str) -> None:
    page.tab.goto(f"{page.server.url}{path}?symbol=ETHUSDT&time_window=48h")
    page.wait()
    assert page.tab.url.split("?")[0] == f"{page.server.url}/heatmap/"
    assert page.address() == {"symbol": "ETHUSDT", "window": "48h"}


def test_symbols_can_be_switched_back_and_forth(page: HeatmapPage) -> None:
    page.open(ADDRESS)
    bitcoin = last_price(page)
    prices = [bitcoin]
    for symbol in ("ETHUSDT", "BTCUSDT"):
        page.tab.select_option("#symbol", symbol)
        expect(page.tab.locator("#title")).to_have_text(f"{symbol} liquidations")
        page.wait()
        prices.append(last_price(page))
    assert 50_000 < prices[0] < 200_000
    assert 1_000 < prices[1] < 10_000
    assert prices[2] == prices[0]


def test_back_and_forward_undo_and_redo(page: HeatmapPage) -> None:
    page.open(ADDRESS)
    page.tab.select_option("#window", "3d")
    page.wait()
    page.tab.locator("#palette input[value=magma]").check(force=True)
    page.tab.go_back()
    expect(page.tab.locator("#palette input[value=viridis]")).to_be_checked()
    page.tab.go_back()
    expect(page.tab.locator("#window")).to_have_value("24h")
    page.wait()
    page.tab.go_forward()
    expect(page.tab.locator("#window")).to_have_value("3d")
    page.wait()


def test_the_address_reproduces_the_view(new_page: Callable[..., HeatmapPage]) -> None:
    first = new_page().open(
        f"{ADDRESS}&side=long&threshold=0.3&palette=cividis&scale=log&candles=off"
        "&from=2026-01-07T06:00Z&to=2026-01-07T12:00Z&low=80000&high=110000"
    )
    before = first.address()
    again = new_page().open("?" + first.tab.url.split("?")[1])
    assert again.address() == before
    assert before["from"] == "2026-01-07T06:00Z"
    assert again.tab.locator("#chart").screenshot() == first.tab.locator("#chart").screenshot()


@pytest.mark.parametrize(
    ("choice", "heatmap", "liquidation_map"),
    [("window", "0", "24h"), ("7d", "168h", "192h"), ("30d", "720h", "744h")],
)
def test_positions_can_be_limited_by_when_they_opened(
    page: HeatmapPage, choice: str, heatmap: str, liquidation_map: str
) -> None:
    page.open(ADDRESS)
    with page.tab.expect_request(re.compile(rf"heatmap-timeseries\?.*lookback={heatmap}&")):
        page.tab.select_option("#history", choice)
    with page.tab.expect_request(re.compile(rf"/liquidations/map\?.*lookback={liquidation_map}$")):
        page.tab.locator("#tab-map").click()


def test_zoom_and_pan_are_in_the_address_and_survive_a_reload(page: HeatmapPage) -> None:
    page.open(ADDRESS)
    pane = page.pane()
    page.tab.mouse.move(pane["x"] + pane["width"] / 2, pane["y"] + pane["height"] / 2)
    page.tab.mouse.wheel(0, -600)
    page.settle()
    zoomed = page.address()
    assert zoomed["from"] > "2026-01-07T00:00Z"
    page.tab.mouse.down()
    middle = pane["y"] + pane["height"] / 2
    page.tab.mouse.move(pane["x"] + pane["width"] / 2 + 200, middle, steps=5)
    page.tab.mouse.up()
    page.settle()
    panned = page.address()
    assert panned["from"] < zoomed["from"]
    page.tab.reload()
    page.wait()
    assert page.address() == panned


def test_the_slider_moves_the_view(page: HeatmapPage) -> None:
    page.open(ADDRESS)
    handle = page.tab.locator("#range .range-handle.first")
    box = handle.bounding_box()
    page.tab.mouse.move(box["x"] + 7, box["y"] + 10)
    page.tab.mouse.down()
    page.tab.mouse.move(box["x"] + 7 + page.pane()["width"] / 2, box["y"] + 10)
    page.tab.mouse.up()
    page.settle()
    assert "2026-01-07T11:50Z" <= page.address()["from"] <= "2026-01-07T12:10Z"
    handle.press("Home")
    page.settle()
    assert "from" not in page.address()


def test_keys_do_what_the_help_says(page: HeatmapPage) -> None:
    page.open(f"{ADDRESS}&threshold=0.25")
    page.tab.locator("#chart").focus()
    page.tab.keyboard.press("+")
    page.settle()
    zoomed = page.address()
    assert "from" in zoomed
    page.tab.keyboard.press("ArrowLeft")
    page.settle()
    assert page.address()["from"] < zoomed["from"]
    page.tab.keyboard.press("0")
    page.settle()
    assert "from" not in page.address()
    page.tab.keyboard.press("[")
    assert float(page.address()["threshold"]) < 0.25
    page.tab.keyboard.press("]")
    assert float(page.address()["threshold"]) == 0.25
    page.tab.keyboard.press("c")
    assert page.address()["candles"] == "off"
    page.tab.keyboard.press("l")
    assert page.address()["side"] == "long"
    page.tab.keyboard.press("?")
    expect(page.tab.locator("#help")).to_be_visible()
    page.tab.keyboard.press("Escape")
    expect(page.tab.locator("#help")).to_be_hidden()


def test_the_table_of_pairs_is_that_of_the_command(page: HeatmapPage) -> None:
    page.open(ADDRESS)
    expect(page.tab.locator("#approval")).to_have_text("candidate, not validated")
    page.tab.locator("#menu summary").click()
    page.tab.locator("#pairs-button").click()
    expect(page.tab.locator("#menu")).not_to_have_attribute("open", "")
    row = page.tab.locator("#pairs-body tr", has_text="ETH/USDT")
    expect(row.locator("td")).to_have_text(
        ["ETH/USDT", "candidate", "not validated", re.compile("^[A-Z][a-z]{2} 20[0-9]{2} - ")]
    )
    page.tab.keyboard.press("Escape")
    expect(page.tab.locator("#pairs")).to_be_hidden()


def test_the_list_of_symbols_is_grouped_by_state(page: HeatmapPage) -> None:
    page.open(ADDRESS)
    group = page.tab.locator("#symbol optgroup[label=candidate]")
    expect(group.locator("option", has_text="ETHUSDT")).to_have_count(1)
    expect(page.tab.locator("#symbol")).to_have_value("BTCUSDT")
    page.tab.select_option("#symbol", "ETHUSDT")
    page.wait()
    assert page.address()["symbol"] == "ETHUSDT"


def test_arrows_up_and_down_move_the_prices_of_the_chart_alone(page: HeatmapPage) -> None:
    page.open(f"{ADDRESS}&low=90000&high=100000")
    page.tab.keyboard.press("ArrowUp")
    page.settle()
    assert page.address()["low"] == "90000"
    page.tab.locator("#chart").focus()
    page.tab.keyboard.press("ArrowUp")
    page.settle()
    assert float(page.address()["low"]) == pytest.approx(91_000, abs=50)
    assert float(page.address()["high"]) == pytest.approx(101_000, abs=50)


def test_on_the_map_keys_move_its_prices(page: HeatmapPage) -> None:
    page.open(f"{ADDRESS}&tab=map")
    page.tab.keyboard.press("+")
    zoomed = page.address()
    assert "from" not in zoomed
    page.tab.keyboard.press("ArrowRight")
    moved = page.address()
    for name in ("low", "high"):
        assert float(moved[name]) > float(zoomed[name])
    page.tab.keyboard.press("0")
    assert "low" not in page.address()


def test_brackets_count_with_the_modifiers_that_write_them(page: HeatmapPage) -> None:
    page.open(f"{ADDRESS}&threshold=0.25")
    press = "(init) => { document.dispatchEvent(new KeyboardEvent('keydown', init)); }"
    for modifiers in ({"ctrlKey": True}, {"metaKey": True}, {"metaKey": True, "altKey": True}):
        page.tab.evaluate(press, {"key": "[", **modifiers})
    assert page.address()["threshold"] == "0.25"
    page.tab.evaluate(press, {"key": "[", "ctrlKey": True, "altKey": True})  # AltGr
    lower = float(page.address()["threshold"])
    assert lower < 0.25
    page.tab.evaluate(press, {"key": "[", "altKey": True})
    assert float(page.address()["threshold"]) < lower


def test_a_window_longer_than_the_data_says_where_they_begin(page: HeatmapPage) -> None:
    page.open(ADDRESS)
    expect(page.tab.locator("#status")).not_to_contain_text("data begin")
    page.tab.select_option("#window", "7d")
    expect(page.tab.locator("#status")).to_contain_text("data begin 2026-01-05 00:00 UTC")


def test_the_pointer_tells_time_price_and_amounts(page: HeatmapPage) -> None:
    page.open(ADDRESS)
    pane = page.pane()
    page.tab.mouse.move(pane["x"] + pane["width"] / 2, pane["y"] + pane["height"] / 3)
    tooltip = page.tab.locator("#tooltip")
    expect(tooltip).to_contain_text(re.compile(r"2026-01-07 1[12]:\d\d . 12:\d\d UTC"))
    for name in ("Price", "Longs", "Shorts", "Open", "Close"):
        expect(tooltip).to_contain_text(name)


def test_a_click_on_a_cell_opens_its_panel(page: HeatmapPage) -> None:
    page.open(ADDRESS)
    click_a_level(page)
    panel, pane = page.tab.locator("#explain"), page.pane()
    expect(panel).to_contain_text("2026-01-08 00:00 UTC")
    box = panel.bounding_box()
    assert box["x"] + box["width"] < pane["x"] + pane["width"] / 2  # not over the cell
    page.tab.keyboard.press("Escape")
    expect(page.tab.locator("#explain")).to_be_hidden()
    page.faults.clear()


def test_the_panel_lists_what_is_behind_the_cell(page: HeatmapPage) -> None:
    page.open(ADDRESS)
    with page.tab.expect_response(re.compile("/liquidations/explain")) as asked:
        click_a_level(page)
    page.faults.clear()
    assert asked.value.status == 200
    rows = page.tab.locator("#explain tbody tr")
    expect(rows.first).to_contain_text(re.compile(r"2026-01-0\d .*\d+x.*%"))


def click_a_level(page: HeatmapPage) -> None:
    """Clicks the largest level of shorts, in the last column."""
    cell = page.tab.locator("#levels-tables table").first.locator("tbody tr").first
    low, high = (float(text.replace(",", "")) for text in cell.locator("td").all_inner_texts()[:2])
    around = (high - low) * 20
    page.open(f"{ADDRESS}&low={low - around}&high={high + around}")
    pane = page.pane()
    page.tab.mouse.click(pane["x"] + pane["width"] - 2, pane["y"] + pane["height"] / 2 - 3)


def test_the_map_shows_leverages_and_the_price(page: HeatmapPage) -> None:
    page.open(ADDRESS)
    page.tab.click("#tab-map")
    page.wait()
    expect(page.tab.locator("#map-legend")).to_contain_text("100x")
    canvas = page.tab.locator("#map-chart").bounding_box()
    page.tab.mouse.move(canvas["x"] + canvas["width"] / 3, canvas["y"] + canvas["height"] - 40)
    expect(page.tab.locator("#map-tooltip")).to_contain_text("Longs down to here")
    page.tab.go_back()
    expect(page.tab.locator("#panel-heatmap")).to_be_visible()


def test_the_slider_ends_where_the_price_axis_begins(page: HeatmapPage) -> None:
    page.open(f"{ADDRESS}&tab=map")
    page.tab.click("#tab-heatmap")
    page.wait()
    pane, slider = page.pane(), page.tab.locator("#range").bounding_box()
    assert abs(pane["x"] + pane["width"] - slider["x"] - slider["width"]) <= 1


def test_gaps_are_named(page: HeatmapPage) -> None:
    page.open("?symbol=ETHUSDT&window=3d")
    pane = page.pane()
    page.tab.mouse.move(pane["x"] + pane["width"] / 2, pane["y"] + 40)
    expect(page.tab.locator("#tooltip")).to_contain_text("open interest")


def test_nothing_in_the_window_says_where_the_data_are(page: HeatmapPage) -> None:
    page.open(f"{ADDRESS}&end=2025-06-01T00:00Z", wait="empty")
    cover = page.tab.locator("#cover")
    expect(cover).to_contain_text("No data for BTCUSDT in this window")
    expect(cover).to_contain_text("2026-01-05 00:00 to 2026-01-08 00:00 UTC")
    page.tab.click("#cover-action")
    page.wait()
    assert "end" not in page.address()


def test_a_refusal_is_shown_with_its_reason_and_a_way_out(
    new_page: Callable[..., HeatmapPage],
) -> None:
    page = new_page().open("?symbol=DOTUSDT", wait="failed")
    expect(page.tab.locator("#cover")).to_contain_text("DOTUSDT is disabled")
    page.tab.click("#cover-action")
    page.wait()
    assert page.address()["symbol"] in ("BTCUSDT", "ETHUSDT")
    assert [fault for fault in page.faults if "404" not in fault] == []
    page.faults.clear()  # Chromium reports the 404 on the console


def test_without_an_enabled_symbol_it_says_what_to_do(page: HeatmapPage) -> None:
    def nothing_enabled(route: Route) -> None:
        answer = route.fetch()
        body = re.sub('(<select id="symbol">).*?</select>', r"\1</select>", answer.text())
        route.fulfill(response=answer, body=body)

    page.tab.route("**/heatmap/", nothing_enabled)
    page.open(wait="empty")
    expect(page.tab.locator("#cover")).to_contain_text("No symbol is enabled yet")
    page.tab.click("#menu > summary")
    page.tab.click("#copy-link")
    expect(page.tab.locator("#copy-link")).not_to_have_text("Copy a link to this view")
    assert page.address() == {}


def test_a_page_older_than_the_server_says_so(page: HeatmapPage) -> None:
    def newer(route: Route) -> None:
        answer = route.fetch()
        body = answer.body().replace(b'{"layout":2,', b'{"layout":3,')
        headers = answer.headers | {"etag": 'W/"newer"'}
        headers.pop("content-encoding", None)
        route.fulfill(status=200, headers=headers, body=body)

    page.open(ADDRESS)
    page.tab.route("**/heatmap-timeseries?*", newer)
    page.tab.select_option("#window", "3d")
    page.wait("failed")
    expect(page.tab.locator("#cover")).to_contain_text("out of date")
    page.tab.unroute("**/heatmap-timeseries?*")
    page.tab.click("#cover-action")  # reloads
    page.wait()
    assert page.address()["window"] == "3d"


def test_without_a_connection_the_last_picture_stays(page: HeatmapPage) -> None:
    page.open(ADDRESS)
    page.tab.context.set_offline(True)
    page.tab.click("#refresh")
    page.wait("late")
    expect(page.tab.locator("#notice")).to_contain_text("No connection to the server")
    expect(page.tab.locator("#chart canvas").first).to_be_visible()
    page.tab.context.set_offline(False)
    page.wait("ready")
    expect(page.tab.locator("#notice")).to_be_hidden()
    page.faults.clear()  # Chromium reports the failed request on the console


def test_an_unchanged_market_is_not_sent_again(page: HeatmapPage) -> None:
    page.open(ADDRESS)
    with page.tab.expect_response(re.compile("heatmap-timeseries")) as asked:
        page.tab.keyboard.press("r")
    assert asked.value.status == 304
    page.settle()
    assert page.tab.locator("body").get_attribute("data-state") == "ready"


def test_numbers_can_be_downloaded(page: HeatmapPage) -> None:
    page.open(f"{ADDRESS}&from=2026-01-07T06:00Z&to=2026-01-07T07:00Z")
    page.tab.click("#menu > summary")
    with page.tab.expect_download() as download:
        page.tab.click("#download-csv")
    assert download.value.suggested_filename == "BTCUSDT-heatmap-24h-20260108T0000Z.csv"
    lines = download.value.path().read_text().splitlines()
    assert lines[0] == "time,price,long_usd,short_usd"
    times = sorted({line.split(",")[0] for line in lines[1:]})
    assert (times[0], times[-1]) == ("2026-01-07T06:05:00Z", "2026-01-07T07:00:00Z")
    page.tab.click("#menu > summary")
    with page.tab.expect_download() as download:
        page.tab.click("#download-json")
    body = json.loads(download.value.path().read_text())
    assert len(body["candles"]) == 12
    assert len(body["cells"]) == len(lines) - 1


def test_the_choice_of_theme_is_kept(page: HeatmapPage) -> None:
    page.open(ADDRESS)
    background = "getComputedStyle(document.body).backgroundColor"
    page.tab.click("#theme")
    page.tab.click("#theme")
    light = page.tab.evaluate(background)
    page.tab.reload()
    page.wait()
    assert page.tab.locator("html").get_attribute("data-theme") == "light"
    assert page.tab.evaluate(background) == light == "rgb(247, 248, 250)"


def test_the_admin_and_the_api_docs_break_no_policy(page: HeatmapPage, server: WebServer) -> None:
    page.tab.goto(f"{server.url}/admin/login/?next=/admin/ingestion/symbol/")
    page.tab.fill("input[name=username]", USER)
    page.tab.fill("input[name=password]", PASSWORD)
    page.tab.click("button[type=submit]")
    page.tab.wait_for_url("**/admin/ingestion/symbol/")
    for path in ("/admin/ingestion/symbol/", "/admin/ingestion/ingestionjob/", "/api/docs"):
        page.tab.goto(server.url + path)
        page.tab.wait_for_load_state("networkidle")
    expect(page.tab.locator(".swagger-ui .info")).to_contain_text("liqheat")
    assert [fault for fault in page.faults if "404" not in fault] == []
    page.faults.clear()  # they have no icon
