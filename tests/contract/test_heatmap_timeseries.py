import gzip
import json
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from django.test import Client

from heatmap.api import markets
from heatmap.models import Bracket, BracketTable
from ingestion.models import Symbol
from liqheat_project.webkit.fair_queue import FairQueue
from tests.support.market import FIRST, load_files, reason, register
from tests.support.services import wait_until

PATH = "/liquidations/heatmap-timeseries"
RUNBOOK_RANGE = {
    "start_time": "2024-11-01T00:00:00",
    "end_time": "2024-11-30T23:59:59",
    "interval": "15m",
}


def columns(response: Any) -> dict[str, dict[str, Any]]:
    assert response.status_code == 200, response.content
    return {column["timestamp"]: column for column in response.json()["data"]}


def levels(column: dict[str, Any]) -> dict[float, tuple[float, float]]:
    return {one["price"]: (one["long_density"], one["short_density"]) for one in column["levels"]}


def test_the_runbooks_window_says_what_it_shows(api):
    meta = api(PATH, symbol="ETHUSDT", time_window="7d").json()["meta"]
    assert meta["symbol"] == "ETHUSDT"
    assert (meta["start_time"], meta["end_time"]) == (
        "2024-10-28T01:00:00Z",
        "2024-11-04T00:00:00Z",
    )
    assert (meta["interval"], meta["total_snapshots"]) == ("1h", 96)
    assert (meta["data_start"], meta["data_end"]) == (
        "2024-10-31T00:00:00Z",
        "2024-11-04T00:00:00Z",
    )
    assert meta["price_bin_size"] == 2
    assert meta["price_range"]["min"] < 3300 < meta["price_range"]["max"]
    assert meta["total_long_volume"] > 0 and meta["total_short_volume"] > 0
    assert meta["total_consumed"] > 0
    assert 0 <= meta["unplaced_share"] < 1
    assert meta["model"]["name"] == "turnover"
    assert sum(one["weight"] for one in meta["model"]["leverage_weights"]) == pytest.approx(1)
    assert meta["gaps"] == []
    assert meta["computed_ms"] > 0


def test_the_runbooks_range_has_a_column_for_every_interval_with_data(api):
    response = api(PATH, symbol="ETHUSDT", **RUNBOOK_RANGE)
    assert response.json()["meta"]["total_snapshots"] == 3 * 96 + 1
    assert next(iter(columns(response))) == "2024-11-01T00:00:00Z"
    assert list(columns(response))[-1] == "2024-11-04T00:00:00Z"


def test_the_runbooks_levels_rise_in_price_and_hold_something(api):
    last = list(columns(api(PATH, symbol="ETHUSDT", time_window="30d")).values())[-1]
    prices = list(levels(last))
    assert prices == sorted(prices) and len(prices) > 10
    assert all(price % 2 == 0 for price in prices)
    assert all(max(both) > 0 and min(both) >= 0 for both in levels(last).values())
    assert last["positions_created"] > 0
    assert set(last) == {"timestamp", "levels", "positions_created", "positions_consumed"}


@pytest.mark.parametrize(
    ("window", "interval", "count"), [("12h", "5m", 144), ("24h", "5m", 288), ("48h", "15m", 192)]
)
def test_a_window_has_an_interval_of_its_own(api, window, interval, count):
    meta = api(PATH, symbol="ETHUSDT", time_window=window).json()["meta"]
    assert (meta["interval"], meta["total_snapshots"]) == (interval, count)


def test_the_default_interval_is_not_finer_than_the_loaded_candles(api):
    meta = api(PATH, symbol="BTCUSDT", time_window="12h").json()["meta"]
    assert (meta["interval"], meta["total_snapshots"]) == ("15m", 48)
    (last,) = api("/prices/klines", symbol="BTCUSDT", interval="15m", limit=1).json()["data"]
    assert meta["price_bin_size"] == (100 if last["close"] >= 100_000 else 50)


def test_an_instant_is_the_same_column_through_every_window(api):
    asked = {"symbol": "ETHUSDT", "price_bin_size": 5}
    answers = [
        columns(api(PATH, **asked, time_window="12h")),
        columns(api(PATH, **asked, time_window="48h", interval="1h")),
        columns(api(PATH, **asked, start_time="2024-11-03T15:00", end_time="2024-11-03T21:00")),
    ]
    for instant in ("2024-11-03T15:00:00Z", "2024-11-03T20:00:00Z"):
        seen = [levels(answer[instant]) for answer in answers]
        shared = set(seen[0]) & set(seen[1]) & set(seen[2])
        assert len(shared) > 50
        for price in shared:
            assert seen[0][price] == pytest.approx(seen[1][price], rel=1e-6, abs=0.02)
            assert seen[0][price] == pytest.approx(seen[2][price], rel=1e-6, abs=0.02)


def test_a_column_knows_nothing_of_what_comes_after_it(api):
    asked = {"symbol": "ETHUSDT", "price_bin_size": 5, "interval": "1h"}
    asked["start_time"] = "2024-11-02T00:00"
    early = columns(api(PATH, **asked, end_time="2024-11-02T12:00"))
    late = columns(api(PATH, **asked, end_time="2024-11-03T23:00"))
    for instant, column in early.items():
        shared = levels(column).keys() & levels(late[instant]).keys()
        assert len(shared) > 50
        assert {p: levels(column)[p] for p in shared} == {
            p: levels(late[instant])[p] for p in shared
        }


def test_totals_describe_the_last_column(api):
    response = api(PATH, symbol="ETHUSDT", time_window="12h").json()
    last = response["data"][-1]["levels"]
    for side in ("long", "short"):
        shown = sum(one[f"{side}_density"] for one in last)
        total = response["meta"][f"total_{side}_volume"]
        assert 0.5 * total < shown <= total * (1 + 1e-6)
    consumed = sum(column["positions_consumed"] for column in response["data"])
    assert response["meta"]["total_consumed"] == pytest.approx(consumed, abs=1)


def test_lookback_starts_with_an_empty_book(api):
    asked = {"symbol": "ETHUSDT", "time_window": "12h"}
    whole = api(PATH, **asked).json()["meta"]
    empty = api(PATH, **asked, lookback="0").json()["meta"]
    day = api(PATH, **asked, lookback="1d").json()["meta"]
    assert whole["model"]["lookback_hours"] is None and empty["model"]["lookback_hours"] == 0
    assert empty["unplaced_share"] > day["unplaced_share"] > whole["unplaced_share"]


def test_leverage_weights_choose_where_the_levels_are(api):
    asked = {"symbol": "ETHUSDT", "time_window": "12h", "lookback": "0"}
    response = api(PATH, **asked, leverage_weights="100:1").json()
    price = response["data"][-1]["levels"]
    assert response["meta"]["model"]["leverage_weights"] == [{"leverage": 100, "weight": 1}]
    reach = max(one["price"] for one in price) / min(one["price"] for one in price)
    assert reach < 1.1


def test_no_data_in_the_window_is_an_empty_answer(api):
    response = api(
        PATH, symbol="ETHUSDT", start_time="2020-01-01T00:00:00", end_time="2020-01-08T00:00:00"
    )
    assert response.status_code == 200
    assert response.json()["data"] == []
    meta = response.json()["meta"]
    assert meta["data_start"] == "2024-10-31T00:00:00Z"
    assert meta["data_end"] == "2024-11-04T00:00:00Z"
    assert meta["start_time"] == "2020-01-01T00:00:00Z"
    later = api(PATH, symbol="ETHUSDT", start_time="2030-01-01T00:00:00")
    assert later.status_code == 200 and later.json()["data"] == []


@pytest.mark.parametrize("shape", ["json", "grid", "packed"])
def test_a_symbol_without_any_data_is_an_empty_answer(api, shape):
    register("EMPTYUSDT")
    response = api(PATH, symbol="EMPTYUSDT", format=shape)
    assert response.status_code == 200
    header = response.json() if shape != "packed" else unpacked(response.content)[0]
    assert header["meta"]["total_snapshots"] == 0
    assert header["meta"]["data_end"] is None
    assert header["meta"]["brackets"]["symbol"] == "DEFAULT"


def test_an_unknown_or_disabled_symbol_is_not_found(api):
    for name, state in (("NOSUCHUSDT", "not known"), ("DOTUSDT", "disabled")):
        text = reason(api(PATH, symbol=name), 404, None)
        assert f"{name} is {state}" in text
        assert "BTCUSDT, ETHUSDT" in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("symbol", "eth/usdt"),
        ("symbol", ""),
        ("time_window", "8d"),
        ("interval", "7m"),
        ("interval", "1m"),
        ("start_time", "yesterday"),
        ("start_time", "1815-06-18T00:00"),
        ("end_time", "2024-13-01T00:00:00"),
        ("price_bin_size", "0"),
        ("price_bin_size", "-1"),
        ("price_bin_size", "nan"),
        ("price_bin_size", "0.001"),
        ("price_bin_size", "0.01"),
        ("leverage_weights", "10"),
        ("leverage_weights", "10:a"),
        ("leverage_weights", "0.5:1"),
        ("leverage_weights", "10:0"),
        ("leverage_weights", "10:1,10:2"),
        ("leverage_weights", "10:inf"),
        ("lookback", "30"),
        ("lookback", "-1d"),
        ("model", "three-sided"),
        ("format", "xml"),
        ("windw", "7d"),
    ],
)
def test_a_bad_parameter_is_named(api, name, value):
    asked = {"symbol": "ETHUSDT", "time_window": "48h"} | {name: value}
    if name == "start_time":
        del asked["time_window"]
    assert reason(api(PATH, **asked), 400, name)


def test_no_bucket_is_smaller_than_the_tick(api):
    asked = {"symbol": "BTCUSDT", "time_window": "24h", "interval": "1d", "format": "packed"}
    text = reason(api(PATH, **asked, price_bin_size="0.09"), 400, "price_bin_size")
    assert text.endswith("tick size 0.1")
    header = unpacked(api(PATH, **asked, price_bin_size="0.1").content)[0]
    assert header["price_bin_size"] == 0.1
    assert header["first_price"] * 10 == pytest.approx(round(header["first_price"] * 10))


def test_contradictions_are_named(api):
    window = {"symbol": "ETHUSDT", "time_window": "7d", "start_time": "2024-11-01T00:00:00"}
    assert reason(api(PATH, **window), 400, "time_window")
    range_ = {"start_time": "2024-11-03T00:00:00", "end_time": "2024-11-02T00:00:00"}
    assert reason(api(PATH, symbol="ETHUSDT", **range_), 400, "start_time")


def test_more_levels_than_fit_into_json_are_refused_only_if_asked_for(api, monkeypatch):
    monkeypatch.setattr("heatmap.api.json_formats.MOST_LEVELS", 20_000)
    asked = {"symbol": "ETHUSDT", "time_window": "24h"}
    fitted = api(PATH, **asked).json()
    assert fitted["meta"]["price_bin_size"] in (10, 20, 50)
    assert sum(len(column["levels"]) for column in fitted["data"]) <= 20_000
    text = reason(api(PATH, **asked, price_bin_size="2"), 400, "price_bin_size")
    assert "20,000" in text and "packed" in text
    assert api(PATH, **asked, price_bin_size="2", format="packed").status_code == 200


def test_the_grid_holds_the_same_as_the_levels(api):
    asked = {"symbol": "ETHUSDT", "time_window": "12h"}
    data = columns(api(PATH, **asked))
    answer = api(PATH, **asked, format="grid").json()
    grid = answer["data"]
    assert answer["code"] == "0"
    assert len(grid["price_candlesticks"]) == len(data) == 144
    cells = {(x, grid["y_axis"][y]): usd for x, y, usd in grid["liquidation_leverage_data"]}
    expected = {
        (x, price): sum(both)
        for x, column in enumerate(data.values())
        for price, both in levels(column).items()
    }
    assert cells.keys() == expected.keys()
    assert cells == pytest.approx(expected, abs=0.011)
    first = grid["price_candlesticks"][0]
    assert first[0] == int(datetime.fromisoformat("2024-11-03T12:00Z").timestamp())
    assert all(isinstance(text, str) for text in first[1:])
    assert float(first[3]) <= float(first[1]) <= float(first[2])


def unpacked(body: bytes) -> tuple[dict[str, Any], np.ndarray, np.ndarray, np.ndarray]:
    """Decodes the packed format from its description alone."""
    (length,) = struct.unpack("<I", body[:4])
    header = json.loads(body[4 : 4 + length])
    offset, columns, rows = 4 + length, header["columns"], header["rows"]
    assert header["layout"] == 2
    assert offset % 8 == 0
    series = np.frombuffer(body, "<f4", 6 * columns, offset).reshape(6, columns)
    offset += series.nbytes
    changes = np.frombuffer(body, "<u2", 2 * rows * columns, offset).reshape(2, rows, columns)
    assert len(body) == offset + changes.nbytes
    planes = np.cumsum(changes, axis=2, dtype=np.uint16)
    if not columns:
        return header, series, planes[0], planes[1]
    power = (planes.astype(float) - 1) / header["codes_per_decade"] - header["decades"]
    long, short = np.where(planes > 0, header["largest"] * 10**power, 0.0)
    return header, series, long, short


def test_packed_holds_the_same_as_the_levels(api):
    asked = {"symbol": "ETHUSDT", "time_window": "12h"}
    data = list(columns(api(PATH, **asked)).values())
    response = api(PATH, **asked, format="packed")
    assert response["Content-Type"] == "application/octet-stream"
    header, series, *sides = unpacked(response.content)
    assert header["columns"] == len(data) == 144
    assert header["series"][:2] == ["open", "high"]
    assert series[4] == pytest.approx(
        [one["positions_created"] for one in data], rel=1e-6, abs=0.01
    )
    assert np.all(series[2] <= series[1])
    instant = datetime.fromisoformat(data[0]["timestamp"]).timestamp() * 1000
    assert header["first_time"] == instant
    compared = 0
    for x, column in enumerate(data):
        for price, both in levels(column).items():
            y = round((price - header["first_price"]) / header["price_bin_size"])
            for side, density in zip(sides, both, strict=True):
                if density > header["largest"] * 1.01e-6:
                    assert side[y, x] == pytest.approx(density, rel=0.013)
                    compared += 1
    assert compared > 1000
    assert compared <= sum(np.count_nonzero(side) for side in sides)


def test_an_answer_is_kept_and_says_so(api):
    asked = {"symbol": "ETHUSDT", "time_window": "12h"}
    first, second = api(PATH, **asked), api(PATH, **asked)
    assert (first["X-Cache"], second["X-Cache"]) == ("miss", "hit")
    assert first.content == second.content


def test_gzip_is_what_it_says(api):
    asked = {"symbol": "ETHUSDT", "time_window": "12h"}
    plain = api(PATH, **asked)
    packed = api(PATH, headers={"Accept-Encoding": "gzip"}, **asked)
    assert packed["Content-Encoding"] == "gzip" and "Content-Encoding" not in plain
    assert "Accept-Encoding" in packed["Vary"] and "Accept-Encoding" in plain["Vary"]
    assert gzip.decompress(packed.content) == plain.content


def test_a_known_answer_is_not_sent_again(api):
    asked = {"symbol": "ETHUSDT", "time_window": "12h"}
    first = api(PATH, **asked)
    assert "max-age" in first["Cache-Control"]
    again = api(PATH, headers={"If-None-Match": first["ETag"]}, **asked)
    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == first["ETag"]
    other = api(PATH, headers={"If-None-Match": first["ETag"]}, **asked, interval="1h")
    assert other.status_code == 200 and other["ETag"] != first["ETag"]


def test_new_data_of_the_symbol_makes_a_new_key_and_other_data_does_not(api, archive):
    asked = {"symbol": "ETHUSDT", "time_window": "12h"}
    first = api(PATH, **asked)["ETag"]
    load_files(archive, "BTCUSDT", "klines 15m", end=FIRST)
    markets.forget()
    assert api(PATH, **asked)["ETag"] == first
    load_files(archive, "ETHUSDT", "klines 15m", end=FIRST)
    markets.forget()
    assert api(PATH, **asked)["ETag"] != first


def test_new_brackets_make_a_new_key(api):
    asked = {"symbol": "ETHUSDT", "time_window": "12h"}
    first = api(PATH, **asked)
    table = BracketTable.objects.create(symbol="ETHUSDT", valid_from="2030-01-01T00:00Z")
    Bracket.objects.create(
        table=table,
        notional_floor=0,
        notional_cap=1e9,
        maintenance_margin_rate=0.02,
        max_leverage=20,
        cum=0,
    )
    markets.forget()
    assert api(PATH, **asked)["ETag"] != first["ETag"]


def test_a_symbol_that_was_disabled_stops_being_served_within_a_second(api, monkeypatch):
    asked = {"symbol": "ETHUSDT", "time_window": "12h"}
    assert api(PATH, **asked).status_code == 200
    Symbol.objects.filter(name="ETHUSDT").update(enabled=False)
    now = markets.time.monotonic()
    monkeypatch.setattr(markets.time, "monotonic", lambda: now + 1.01)
    assert api(PATH, **asked).status_code == 404


def test_without_its_cache_the_api_answers_all_the_same(api, settings):
    caches = settings.CACHES | {
        "answers": settings.CACHES["answers"] | {"LOCATION": "redis://127.0.0.1:9/0"}
    }
    settings.CACHES = caches
    for _ in range(2):
        response = api(PATH, symbol="ETHUSDT", time_window="12h")
        assert response.status_code == 200
        assert response["X-Cache"] == "miss"


@contextmanager
def held(queue: FairQueue, clients: list[str]) -> Iterator[threading.Event]:
    """A place in the queue for each of the clients, until the event is set or the block ends."""
    let_go = threading.Event()

    def wait(client: str) -> None:
        with queue.turn(client):
            let_go.wait(60)

    threads = [threading.Thread(target=wait, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    wait_until(lambda: queue.held == len(clients), 10, "the places to be taken")
    try:
        yield let_go
    finally:
        let_go.set()
        for thread in threads:
            thread.join()


def test_a_client_waits_for_half_of_the_places_at_most_and_then_others_are_answered(api):
    from liqheat_project.webkit import answers

    places = ["127.0.0.1"] * answers.queue.places_of_client
    with held(answers.queue, places) as let_go:
        response = api(PATH, symbol="ETHUSDT")
        assert reason(response, 429, None) == answers.BUSY_WITH_YOURS
        assert response["Retry-After"] == "1"
        threading.Timer(0.5, let_go.set).start()  # the other one waits for its turn, not a place
        elsewhere = Client(REMOTE_ADDR="10.0.0.2")
        assert elsewhere.get(PATH, {"symbol": "ETHUSDT"}).status_code == 200


def test_when_every_place_is_taken_the_server_says_that_it_is_busy(api, settings):
    from liqheat_project.webkit import answers

    clients = [f"10.0.0.{number}" for number in range(settings.WEB_THREADS - 1)]
    with held(answers.queue, clients):
        response = api(PATH, symbol="ETHUSDT")
        assert reason(response, 503, None)
        assert response["Retry-After"] == "1"
    assert api(PATH, symbol="ETHUSDT").status_code == 200
