"""GET /liquidations/explain: what stands behind a cell is what the cell shows."""

import pytest

from tests.support.market import register

PATH = "/liquidations/explain"
CELL = {"symbol": "ETHUSDT", "price_bin_size": 5, "time": "2024-11-03T12:00:00"}


def largest_level(api):
    column = api(
        "/liquidations/heatmap-timeseries",
        symbol="ETHUSDT",
        price_bin_size=5,
        start_time="2024-11-03T12:00:00",
        end_time="2024-11-03T12:00:01",
        interval="1h",
    ).json()["data"][0]
    return max(column["levels"], key=lambda level: level["long_density"])


def test_the_entries_sum_to_the_cell(api):
    level = largest_level(api)
    answer = api(PATH, **CELL, price=level["price"] + 1).json()
    longs = answer["data"]["long"]
    assert answer["meta"]["price"] == level["price"]
    assert answer["meta"]["time"] == "2024-11-03T12:00:00Z"
    assert sum(one["notional"] for one in longs) == pytest.approx(level["long_density"], rel=1e-4)
    assert sum(one["share"] for one in longs) == pytest.approx(1, abs=1e-4)
    assert len({(one["entry_time"], one["leverage"]) for one in longs}) == len(longs)
    assert longs == sorted(longs, key=lambda one: -one["notional"])
    for one in longs:
        assert level["price"] <= one["liquidation_price"] < level["price"] + 5
        assert one["entry_price"] > one["liquidation_price"]
        assert one["entry_time"] <= "2024-11-03T12:00:00Z"


def test_more_entries_than_are_listed_are_counted(api):
    answer = api(PATH, **(CELL | {"price_bin_size": 100}), price=3120).json()
    entries, listed = answer["meta"]["entries"]["long"], answer["data"]["long"]
    assert entries > len(listed) == 200
    shares = sum(one["share"] for one in listed)
    assert shares < 1
    assert sum(one["notional"] for one in listed) == pytest.approx(
        shares * answer["meta"]["notional"]["long"], rel=1e-3
    )


def test_a_bucket_with_nothing_in_it_is_empty(api):
    assert api(PATH, **CELL, price=1).json()["data"] == {"long": [], "short": []}


def test_without_data_nothing_is_explained(api):
    register("EMPTYUSDT")
    response = api(PATH, symbol="EMPTYUSDT", price=100)
    assert response.status_code == 200
    assert response.json()["data"] == {"long": [], "short": []}
    assert response.json()["meta"]["price"] is None


@pytest.mark.parametrize(
    ("name", "value"), [("price", "-1"), ("price", "nan"), ("price", "cheap"), ("time", "noon")]
)
def test_a_bad_parameter_is_named(api, name, value):
    response = api(PATH, **(CELL | {"price": 3000, name: value}))
    assert response.status_code == 400
    assert response.json()["errors"][0]["attr"] == name


def test_the_price_is_needed(api):
    response = api(PATH, **CELL)
    assert response.status_code == 400
    assert response.json()["errors"][0]["attr"] == "price"
