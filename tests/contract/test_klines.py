import csv
import io
import zipfile

import pytest

from ingestion.models import Symbol
from ingestion.symbols import rollback
from tests.support.market import reason
from tests.support.services import wait_until

PATH = "/prices/klines"


def read_candles(archive, symbol, interval, day):
    path = archive / f"data/futures/um/daily/klines/{symbol}/{interval}"
    with zipfile.ZipFile(path / f"{symbol}-{interval}-{day}.zip") as file:
        text = file.read(file.namelist()[0]).decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_the_runbooks_candles(api):
    answer = api(PATH, symbol="ETHUSDT", interval="15m", limit=100).json()
    assert (answer["symbol"], answer["interval"], answer["count"]) == ("ETHUSDT", "15m", 100)
    assert len(answer["data"]) == 100
    assert answer["data"][-1]["timestamp"] == "2024-11-03T23:45:00Z"
    assert answer["data"][0]["close"] > 0
    assert all(candle["closed"] for candle in answer["data"])
    times = [candle["timestamp"] for candle in answer["data"]]
    assert times == sorted(times)


@pytest.mark.parametrize("day", ["2024-11-01", "2024-11-03"])
def test_candles_aggregated_from_finer_ones_are_those_of_the_archive(api, archive, day):
    answer = api(PATH, symbol="ETHUSDT", interval="15m", start_time=day, limit=96).json()
    expected = read_candles(archive, "ETHUSDT", "15m", day)
    assert answer["count"] == len(expected) == 96
    for candle, row in zip(answer["data"], expected, strict=True):
        for name in ("open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume"):
            assert candle[name] == pytest.approx(float(row[name]), rel=1e-9), name


@pytest.mark.parametrize(
    ("interval", "count"), [("5m", 1152), ("30m", 192), ("1h", 96), ("4h", 24), ("1d", 4)]
)
def test_every_interval_covers_the_data(api, interval, count):
    answer = api(PATH, symbol="ETHUSDT", interval=interval, limit=1500).json()
    assert answer["count"] == count
    assert answer["data"][0]["timestamp"] == "2024-10-31T00:00:00Z"


def test_a_day_is_the_sum_of_its_parts(api):
    (day,) = api(PATH, symbol="BTCUSDT", interval="1d", limit=1).json()["data"]
    parts = api(PATH, symbol="BTCUSDT", interval="15m", limit=96).json()["data"]
    assert day["open"] == parts[0]["open"] and day["close"] == parts[-1]["close"]
    assert day["high"] == max(part["high"] for part in parts)
    assert day["low"] == min(part["low"] for part in parts)
    assert day["volume"] == pytest.approx(sum(part["volume"] for part in parts))


def test_a_range_is_half_open(api):
    asked = {"start_time": "2024-11-02T00:00:00", "end_time": "2024-11-02T01:00:00"}
    answer = api(PATH, symbol="ETHUSDT", interval="15m", **asked).json()
    times = [candle["timestamp"][11:16] for candle in answer["data"]]
    assert times == ["00:00", "00:15", "00:30", "00:45"]


def test_no_candles_is_an_empty_answer(api):
    answer = api(PATH, symbol="ETHUSDT", end_time="2020-01-01T00:00:00").json()
    assert (answer["count"], answer["data"]) == (0, [])
    assert answer["meta"]["data_start"] == "2024-10-31T00:00:00Z"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "1501"),
        ("limit", "many"),
        ("interval", "2d"),
        ("interval", "1m"),
        ("end_time", "now"),
        ("symbol", "eth"),
        ("page", "2"),
    ],
)
def test_a_bad_parameter_is_named(api, name, value):
    asked = {"symbol": "ETHUSDT", "limit": "1500"} | {name: value}
    assert reason(api(PATH, **asked), 400, name)


def test_a_disabled_symbol_is_not_found_and_what_to_do_is_said(api):
    text = reason(api(PATH, symbol="DOTUSDT"), 404, None)
    assert "DOTUSDT is disabled" in text
    assert "staff can enable it" in text and "manage.py" not in text


def test_disabling_ends_the_answers_within_a_moment_and_enabling_brings_them_back_at_once(api):
    """Neither what a process knows of a symbol nor the cached answer outlives a disabling."""
    symbol = Symbol.objects.get(name="ETHUSDT")
    asked = {"symbol": "ETHUSDT", "interval": "15m"}
    known = api(PATH, **asked)
    for _ in range(2):
        rollback.set_enabled(symbol, False)
        wait_until(lambda: api(PATH, **asked).status_code == 404, 10, "the answers to end")
        etag = {"If-None-Match": known["ETag"]}
        assert api(PATH, headers=etag, **asked).status_code == 404
        rollback.set_enabled(symbol, True)
        again = api(PATH, **asked)
        assert (again.status_code, again["ETag"]) == (200, known["ETag"])


def test_the_plus_of_an_offset_need_not_be_encoded(api):
    address = f"{PATH}?symbol=ETHUSDT&start_time=2024-11-01T01:00:00{{}}01:00&limit=1"
    answers = [api(address.format(plus)).json() for plus in ("+", "%2B")]
    assert answers[0] == answers[1]
    assert answers[0]["data"][0]["timestamp"].startswith("2024-11-01T00:00:00")


@pytest.mark.parametrize("path", ["/nothing", "/prices/klines/", "/api/nothing"])
def test_an_address_that_is_none_is_answered_in_json(api, path):
    assert path in reason(api(path), 404, None)


def test_a_page_that_is_none_is_answered_as_a_page(api):
    assert api("/heatmap/nothing")["Content-Type"].startswith("text/html")
