import numpy as np
import pytest

from tests.support.market import reason, register

PATH = "/liquidations/map"


def test_the_map_is_the_newest_book_by_price_and_leverage(api):
    answer = api(PATH, symbol="ETHUSDT").json()
    meta, data = answer["meta"], answer["data"]
    assert meta["time"] == "2024-11-04T00:00:00Z"
    assert meta["leverages"] == [5, 10, 25, 50, 100]
    assert meta["price_bin_size"] == 2
    long = np.array([level["long"] for level in data])
    short = np.array([level["short"] for level in data])
    prices = np.array([level["price"] for level in data])
    assert long.sum() > 0 and short.sum() > 0
    assert np.all(long[prices > meta["price"]] == 0)
    assert np.all(short[prices < meta["price"] - 2] == 0)
    falling = np.array([level["cumulative_long"] for level in data])
    rising = np.array([level["cumulative_short"] for level in data])
    assert falling == pytest.approx(np.cumsum(long.sum(axis=1)[::-1])[::-1], abs=20)
    assert rising == pytest.approx(np.cumsum(short.sum(axis=1)), abs=20)


def test_the_map_is_the_heatmaps_column_at_that_time(api):
    asked = {"symbol": "ETHUSDT", "price_bin_size": 5}
    levels = api(PATH, **asked, time="2024-11-03T12:00:00").json()
    column = api(
        "/liquidations/heatmap-timeseries",
        **asked,
        start_time="2024-11-03T12:00:00",
        end_time="2024-11-03T12:00:01",
        interval="1h",
    ).json()
    assert levels["meta"]["total_long_volume"] == column["meta"]["total_long_volume"]
    of_map = {level["price"]: sum(level["long"]) for level in levels["data"]}
    of_column = {one["price"]: one["long_density"] for one in column["data"][0]["levels"]}
    shared = [price for price in of_map if of_column.get(price)]
    assert len(shared) > 20
    for price in shared:
        assert of_map[price] == pytest.approx(of_column[price], rel=1e-6, abs=0.1)


def test_without_data_the_map_is_empty(api):
    register("EMPTYUSDT")
    for asked in ({"symbol": "EMPTYUSDT"}, {"symbol": "ETHUSDT", "time": "2020-01-01T00:00:00"}):
        response = api(PATH, **asked)
        assert response.status_code == 200
        assert response.json()["data"] == []
        assert response.json()["meta"]["price"] is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("time", "noon"), ("price_bin_size", "0.001"), ("price_bin_size", "0.01"), ("format", "grid")],
)
def test_a_bad_parameter_is_named(api, name, value):
    assert reason(api(PATH, **{"symbol": "ETHUSDT", name: value}), 400, name)


def test_a_disabled_symbol_is_not_found(api):
    assert reason(api(PATH, symbol="DOTUSDT"), 404, None)
