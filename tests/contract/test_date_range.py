from tests.support.market import reason, register

PATH = "/data/date-range"


def test_it_says_what_is_loaded(api):
    answer = api(PATH, symbol="ETHUSDT").json()
    assert answer["symbol"] == "ETHUSDT"
    assert answer["start_date"] == "2024-10-31T00:00:00Z"
    assert answer["end_date"] == "2024-11-04T00:00:00Z"
    tables = {table["table"]: table for table in answer["tables"]}
    assert tables["klines_5m_history"]["rows"] == 4 * 288
    assert tables["klines_1m_history"]["rows"] == 1440
    assert tables["open_interest_history"]["last"] == "2024-11-04T00:00:00Z"
    assert "aggtrades_history" not in tables


def test_each_day_is_computed_from_the_finest_candles_that_cover_it(api):
    assert api(PATH, symbol="ETHUSDT").json()["candles"] == [
        {"interval": "5m", "start": "2024-10-31T00:00:00Z", "end": "2024-11-03T00:00:00Z"},
        {"interval": "1m", "start": "2024-11-03T00:00:00Z", "end": "2024-11-04T00:00:00Z"},
    ]


def test_a_symbol_without_data_has_no_range(api):
    register("EMPTYUSDT")
    answer = api(PATH, symbol="EMPTYUSDT").json()
    assert (answer["start_date"], answer["end_date"], answer["tables"]) == (None, None, [])


def test_unknown_and_missing_symbols(api):
    assert "BTCUSDT, ETHUSDT" in reason(api(PATH, symbol="NOSUCHUSDT"), 404, None)
    assert reason(api(PATH), 400, "symbol")
