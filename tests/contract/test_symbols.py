from tests.contract.market import reason


def test_every_registered_symbol_is_listed_with_its_state_and_coverage(api):
    rows = {row["symbol"]: row for row in api("/symbols").json()["symbols"]}
    eth, dot = rows["ETHUSDT"], rows["DOTUSDT"]
    assert (eth["enabled"], eth["status"], eth["tick_size"]) == (True, "enabled", 0.01)
    assert eth["coverage"] == {
        "data_start": "2024-10-31T00:00:00Z",
        "data_end": "2024-11-04T00:00:00Z",
    }
    assert (dot["enabled"], dot["status"]) == (False, "disabled")
    assert dot["coverage"] == {"data_start": None, "data_end": None}
    assert list(rows) == sorted(rows)


def test_it_takes_no_parameters(api):
    assert reason(api("/symbols", symbol="ETHUSDT"), 400, "symbol")
