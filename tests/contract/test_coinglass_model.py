"""`model=coinglass-3`: the same endpoints, a book that begins empty with the window."""

from datetime import datetime, timedelta

import numpy as np
import pytest

from tests.support.market import reason

HEATMAP = "/liquidations/heatmap-timeseries"
ASKED = {"symbol": "ETHUSDT", "model": "coinglass-3"}


def totals(column):
    return [
        sum(level[side] for level in column["levels"]) for side in ("long_density", "short_density")
    ]


def test_the_map_begins_empty_and_nothing_closes_but_by_being_swept(api):
    answer = api(HEATMAP, **ASKED, time_window="48h", interval="30m").json()
    meta, columns = answer["meta"], answer["data"]
    assert meta["model"]["name"] == "coinglass-3"
    assert meta["model"]["lookback_hours"] == 0
    assert [one["leverage"] for one in meta["model"]["leverage_weights"]] == [5, 10, 15, 20, 25, 75]
    assert meta["brackets"]["tables"] == [] and meta["unplaced_share"] == 0
    # What stands is what was opened and has not been liquidated, at the levels' prices.
    created, consumed = (
        np.cumsum([column[name] for column in columns])
        for name in ("positions_created", "positions_consumed")
    )
    standing = [sum(totals(column)) for column in columns]
    assert standing[0] == pytest.approx(created[0], rel=0.02)
    assert standing[-1] == pytest.approx(created[-1] - consumed[-1], rel=0.02)
    assert standing[0] < standing[-1] / 20
    assert meta["total_long_volume"] + meta["total_short_volume"] == pytest.approx(
        standing[-1], rel=1e-4
    )


def test_it_depends_on_the_window_unless_the_book_may_be_older(api):
    ends = {"end_time": "2024-11-03T12:00:00", "interval": "1h", "price_bin_size": 5}
    day, two_days = (
        api(HEATMAP, **ASKED, **ends, time_window=window).json()["data"][-1]
        for window in ("24h", "48h")
    )
    assert sum(totals(day)) < 0.8 * sum(totals(two_days))
    older = api(HEATMAP, **ASKED, **ends, time_window="24h", lookback="1d").json()["data"]
    assert older[-1] == two_days
    assert sum(totals(older[0])) > sum(totals(day)) / 2


def test_a_later_end_changes_no_earlier_column(api):
    asked = {**ASKED, "start_time": "2024-11-01T00:00:00", "interval": "1h", "price_bin_size": 5}
    short, long = (
        api(HEATMAP, **asked, end_time=end).json()["data"]
        for end in ("2024-11-02T12:00:00", "2024-11-03T00:00:00")
    )
    assert long[: len(short)] == short


def test_a_map_and_an_explanation_need_the_length_of_their_window(api):
    at = {**ASKED, "time": "2024-11-03T12:00:00"}
    column = api(
        HEATMAP,
        **ASKED,
        end_time="2024-11-03T12:00:00",
        time_window="24h",
        price_bin_size=5,
    ).json()["data"][-1]
    found = api("/liquidations/map", **at, lookback="24h", price_bin_size=5).json()
    bars = {one["price"]: sum(one["long"]) + sum(one["short"]) for one in found["data"]}
    shown = {one["price"]: one["long_density"] + one["short_density"] for one in column["levels"]}
    shared = [price for price in bars if shown.get(price, 0) > 1]
    assert len(shared) > 20
    for price in shared:
        assert bars[price] == pytest.approx(shown[price], rel=1e-4, abs=0.1)
    highest = max(shared, key=shown.get)
    cell = api(
        "/liquidations/explain", **at, lookback="24h", price=highest, price_bin_size=5
    ).json()
    assert cell["meta"]["model"]["name"] == "coinglass-3"
    for path, more in (("/liquidations/map", {}), ("/liquidations/explain", {"price": highest})):
        assert "begins empty with its window" in reason(api(path, **at, **more), 400, "lookback")


@pytest.mark.parametrize(("name", "value"), [("turnover", 0.3), ("taker_tilt", 1)])
def test_what_the_rule_does_not_have_is_refused(api, name, value):
    assert "has no such choice" in reason(api(HEATMAP, **ASKED, **{name: value}), 400, name)


def test_a_window_without_data_is_empty(api):
    end = datetime(2020, 1, 1) + timedelta(days=1)
    answer = api(HEATMAP, **ASKED, end_time=end.isoformat(), time_window="24h").json()
    assert answer["data"] == []


@pytest.mark.parametrize("form", ["grid", "packed"])
def test_the_other_formats_hold_it_too(api, form):
    response = api(HEATMAP, **ASKED, time_window="24h", format=form)
    assert response.status_code == 200 and len(response.content) > 10_000
