"""The model's options, spread_entries, taker_tilt and smear, from the lake to the answers."""

from collections import defaultdict
from datetime import date, datetime, timedelta

import pytest

from heatmap import history as histories
from heatmap import trades
from heatmap.api import markets
from heatmap.api.explain import MOST_ENTRIES
from heatmap.engine import Book, ModelParameters
from ingestion.lake import read
from tests.support.market import FIRST, FIRST_MS, load_files, reason
from validation.synthetic import market as simulation
from validation.synthetic.archive import write_archive
from validation.synthetic.parameters import Instrument, MarketParameters

SYMBOL = "SOLUSDT"
HEATMAP, MAP, EXPLAIN = (
    f"/liquidations/{name}" for name in ("heatmap-timeseries", "map", "explain")
)
MANY_TRADES = MarketParameters(trades_per_day=5000)
TRADED = FIRST + timedelta(1)
ASKED = {"symbol": SYMBOL, "price_bin_size": 1, "model": "net-open-interest"}
ALL_PRICES = {"price_bin_size": 100_000, "price": 1, "leverage_weights": "5:1"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Three days of a symbol of its own, so that no other test's market has trades."""
    folder = tmp_path_factory.mktemp("traded")
    instrument = Instrument(SYMBOL, 180.0, price_decimals=2, quantity_decimals=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "INSTRUMENTS", {SYMBOL: instrument})
        market = simulation.simulate_market(SYMBOL, FIRST_MS, 3, 7, MANY_TRADES)
    write_archive(market, folder)
    return folder


@pytest.fixture
def traded(api, files, settings, tmp_path):
    """The API with trades of the first two days loaded; the first of November is between them."""
    settings.VAR_DIR = tmp_path
    days = {"end": FIRST + timedelta(2)}
    load_files(files, SYMBOL, "klines 5m", "metrics", **days)
    load_files(files, SYMBOL, "aggTrades", end=TRADED)
    markets.forget()
    return api


def answer(api, path=HEATMAP, **asked):
    response = api(path, **(ASKED | asked))
    assert response.status_code == 200, response.content
    return response.json()


def volume_weighted_prices(day: date) -> dict[int, float]:
    """By end of each 5-minute interval (s), straight from the lake's rows."""
    sums: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
    with read.snapshot() as cursor:
        rows = cursor.execute(
            "SELECT epoch_ms(timestamp), price, quantity FROM lake.aggtrades_history "
            "WHERE symbol = ? AND timestamp::DATE = ?",
            [SYMBOL, day],
        ).fetchall()
    for instant, price, quantity in rows:
        value = sums[(instant // 300_000 + 1) * 300]
        value[0] += price * quantity
        value[1] += quantity
    return {end: value / volume for end, (value, volume) in sums.items()}


def levels_of_entries(traded, **asked) -> list[int]:
    """How many levels hold longs, with spread entries and without."""
    asked |= {"leverage_weights": "5:1", "price_bin_size": 0.01}
    answers = [answer(traded, MAP, spread_entries=choice, **asked) for choice in ("true", "false")]
    return [sum(sum(level["long"]) > 0 for level in found["data"]) for found in answers]


def test_entries_open_at_the_prices_that_were_traded_in_their_interval(traded):
    expected = volume_weighted_prices(TRADED)
    assert len(expected) > 250
    asked = ALL_PRICES | {"time": "2024-11-01T18:00", "lookback": "5h"}
    found = answer(traded, EXPLAIN, spread_entries="true", **asked)["data"]["long"]
    assert 10 < len(found) < MOST_ENTRIES
    for one in found:
        end = int(datetime.fromisoformat(one["entry_time"]).timestamp())
        assert one["entry_price"] == pytest.approx(expected[end], rel=1e-9)
    spread, plain = levels_of_entries(traded, time="2024-11-01T18:00", lookback="5h")
    assert spread > 2 * plain


def test_where_no_trades_are_loaded_entries_lie_over_the_range(traded):
    asked = {"time": "2024-11-02T22:00", "lookback": "12h"}
    meta = answer(traded, MAP, spread_entries="true", **asked)["meta"]
    assert meta["model"]["traded_share"] == 0
    spread, plain = levels_of_entries(traded, **asked)
    assert 2 * plain < spread <= 5 * plain, "some are liquidated by then"


def test_the_answer_says_what_was_asked_for_and_how_much_of_it_had_trades(traded):
    plain = answer(traded)["meta"]["model"]
    assert (plain["spread_entries"], plain["traded_share"], plain["taker_tilt"]) == (False, None, 0)
    for path in (HEATMAP, MAP):
        model = answer(traded, path, spread_entries="true", taker_tilt="0.5")["meta"]["model"]
        assert model["spread_entries"] is True and model["taker_tilt"] == 0.5
        assert model["traded_share"] == pytest.approx(2 / 3, abs=1e-6)
    half = answer(traded, lookback="24h", time_window="24h", spread_entries="true")["meta"]
    assert half["model"]["traded_share"] == 0.5


@pytest.mark.parametrize(
    "option", [{"spread_entries": "true"}, {"taker_tilt": "2"}, {"smear": "0.3"}]
)
def test_an_option_moves_levels_and_never_what_is_open(traded, option):
    plain, moved = answer(traded, MAP), answer(traded, MAP, **option)
    assert plain["data"] != moved["data"]
    assert moved["meta"]["unplaced_share"] == pytest.approx(
        plain["meta"]["unplaced_share"], abs=0.05
    )
    column = answer(traded, time_window="12h", **option)["meta"]
    assert column["total_long_volume"] == pytest.approx(moved["meta"]["total_long_volume"])
    etags = {traded(HEATMAP, **ASKED, **asked)["ETag"] for asked in ({}, option)}
    assert len(etags) == 2


def test_an_instant_is_the_same_column_through_every_window(traded):
    windows = (
        {"time_window": "48h", "interval": "1h"},
        {"start_time": "2024-10-31T12:00", "end_time": "2024-11-01T12:00", "interval": "30m"},
        {"start_time": "2024-11-01T09:00", "end_time": "2024-11-01T10:00", "interval": "5m"},
    )
    seen = []
    for window in windows:
        data = answer(traded, spread_entries="true", **window)["data"]
        column = {one["timestamp"]: one for one in data}["2024-11-01T10:00:00Z"]
        seen.append({one["price"]: one for one in column["levels"]})
    shared = set.intersection(*map(set, seen))
    assert len(shared) > 20
    for price in shared:
        for levels in seen[1:]:
            assert levels[price] == pytest.approx(seen[0][price], rel=1e-6, abs=0.02)


def test_its_checkpoints_stand_beside_the_others_and_go_with_the_trades(traded, files, settings):
    def names():
        return {path.name for path in settings.VAR_DIR.glob("checkpoints/*/*.npz")}

    answer(traded)
    plain = names()
    answer(traded, spread_entries="true")
    both = names()
    assert len(plain) == 1 and len(both) == 2 and plain < both
    load_files(files, SYMBOL, "aggTrades", end=FIRST)
    markets.forget()
    answer(traded, spread_entries="true")
    assert len(names()) == 2 and plain < names() != both


def test_trades_are_summed_by_candle_and_step_of_price(traded):
    start = FIRST_MS + 86_400_000
    with read.snapshot() as cursor:
        sums = read.traded_prices(cursor, SYMBOL, 300_000, start, start + 86_400_000)
        (volume,) = cursor.execute(
            "SELECT sum(quantity) FROM lake.aggtrades_history "
            "WHERE symbol = ? AND timestamp::DATE = ?",
            [SYMBOL, TRADED],
        ).fetchone()
        nothing = read.traded_prices(cursor, SYMBOL, 300_000, 0, 1)
    assert sums["volume"].sum() == pytest.approx(volume)
    assert set(sums["time"] % 300_000) == {0}
    assert 288 < len(sums["time"]) < 5000
    assert [len(values) for values in nothing.values()] == [0, 0, 0]


def test_the_trades_of_a_day_are_read_once(traded, files, monkeypatch):
    days_read = []
    original = read.traded_prices

    def traded_prices(cursor, symbol, period, start, end):
        days_read.append((start, end))
        return original(cursor, symbol, period, start, end)

    monkeypatch.setattr(trades.read, "traded_prices", traded_prices)
    asked = {"start_time": "2024-11-01T09:00", "end_time": "2024-11-01T10:00", "interval": "5m"}
    answer(traded, **asked)
    assert days_read == []
    day, midnight = 86_400_000, FIRST_MS + 86_400_000
    first = answer(traded, spread_entries="true", lookback="1h", **asked)["data"]
    assert days_read == [(midnight, midnight + day)]
    asked["end_time"] = "2024-11-02T10:00"
    again = answer(traded, spread_entries="true", lookback="1h", **asked)["data"]
    assert days_read == [(midnight, midnight + day)], "none are loaded of the second day"
    assert again[: len(first)] == first
    for _ in range(2):
        load_files(files, SYMBOL, "aggTrades", end=FIRST)
        markets.forget()
        answer(traded, spread_entries="true", lookback="24h", **asked)
    assert days_read[1:] == [(midnight - day, midnight)] * 2


def test_a_book_gets_the_trades_since_its_last_figure(traded):
    start, since = FIRST_MS + 86_400_000, FIRST_MS + 86_400_000 - 600_000
    book = Book(open_interest=1.0, figure_time=since, pending_since=since)
    asked = ModelParameters()
    with read.snapshot() as cursor:
        history = histories.history_of(cursor, SYMBOL)
        found = trades.load_trades(cursor, history, asked, book, start, start + 600_000)
    assert {int(time) for time in found.time} == {since + 300_000 * i for i in range(4)}


@pytest.mark.parametrize("path", [HEATMAP, MAP, EXPLAIN])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("spread_entries", "maybe"),
        ("spread_entries", ""),
        ("taker_tilt", "nan"),
        ("taker_tilt", "inf"),
        ("taker_tilt", "10.1"),
        ("taker_tilt", "bullish"),
        ("smear", "1.1"),
    ],
)
def test_a_bad_option_is_named(api, path, name, value):
    asked = {"symbol": "ETHUSDT", name: value}
    if path == EXPLAIN:
        asked["price"] = 3000
    assert reason(api(path, **asked), 400, name)
