"""Coinglass's JSON, in the official shape, the older names, and damaged."""

import copy

import numpy as np
import orjson
import pytest

from validation.coinglass import Unreadable, read_api_response

START = 1_745_000_000
ANSWER = {
    "code": "0",
    "data": {
        "y_axis": [100.0, 102.5, 105.0, 107.5],
        "liquidation_leverage_data": [[0, 1, 2e6], [2, 3, 5e5], [2, 0, 1e3]],
        "price_candlesticks": [
            [START + 300 * n, "103", "104", "102", "103", "1.5"] for n in range(3)
        ],
    },
}


def read(answer):
    return read_api_response(orjson.dumps(answer), symbol="BTCUSDT", model=2, range="24h")


def damaged(**changes):
    answer = copy.deepcopy(ANSWER)
    answer["data"].update(changes)
    return answer


def test_columns_levels_and_dollars_in_the_official_order():
    reference = read(ANSWER)
    expected = np.zeros((4, 3))
    expected[1, 0], expected[3, 2], expected[0, 2] = 2e6, 5e5, 1e3
    np.testing.assert_array_equal(reference.intensity, expected)
    np.testing.assert_allclose(reference.prices, [100, 102.5, 105, 107.5])
    assert reference.times.tolist() == [(START + 300 * n) * 1000 for n in range(3)]
    assert (reference.bin_size, reference.maximum_usd) == (2.5, 2e6)
    assert (reference.symbol, reference.model, reference.range) == ("BTCUSDT", 2, "24h")
    assert (reference.source, reference.price_fit_residual_px) == ("api", None)


def test_the_names_of_version_3_say_the_same():
    names = {"y_axis": "y", "liquidation_leverage_data": "liq", "price_candlesticks": "prices"}
    older = {"code": "0", "data": {names[key]: value for key, value in ANSWER["data"].items()}}
    np.testing.assert_array_equal(read(older).intensity, read(ANSWER).intensity)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"code": "401", "msg": "Upgrade plan"}, "code 401: Upgrade plan"),
        ([], "not a JSON object"),
        ({"code": "0", "data": []}, "data is not an object"),
        ({"code": "0", "data": {}}, "no y_axis"),
        (damaged(y_axis=[100, 102, 110]), "not evenly spaced"),
        (damaged(y_axis=[3, 2, 1]), "not evenly spaced"),
        (damaged(y_axis=["a", 2]), "else than numbers"),
        (damaged(y_axis=[1]), "at least two"),
        (damaged(liquidation_leverage_data=[[0, 4, 1.0]]), "points outside"),
        (damaged(liquidation_leverage_data=[[3, 0, 1.0]]), "points outside"),
        (damaged(liquidation_leverage_data=[[-1, 0, 1.0]]), "points outside"),
        (damaged(liquidation_leverage_data=[[0.5, 0, 1.0]]), "points outside"),
        (damaged(liquidation_leverage_data=[[0, 0, -1.0]]), "is negative"),
        (damaged(liquidation_leverage_data=[[0, 0]]), "rows of 3"),
        (damaged(liquidation_leverage_data=[[0, 0, 1], [0]]), "else than numbers"),
        (damaged(liquidation_leverage_data=[]), "is empty"),
        (damaged(liquidation_leverage_data=[[0, 0, None]]), "not finite|else than numbers"),
        (damaged(price_candlesticks=[[2], [1]]), "order of seconds"),
        (damaged(price_candlesticks={}), "not a list of rows"),
    ],
)
def test_damage_is_refused_with_the_reason(answer, reason):
    with pytest.raises(Unreadable, match=reason):
        read(answer)


def test_what_is_not_json_is_refused():
    with pytest.raises(Unreadable, match="not JSON"):
        read_api_response(b"<html>", symbol="BTCUSDT", model=1, range="24h")
