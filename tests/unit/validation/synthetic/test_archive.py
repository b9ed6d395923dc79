import csv
import hashlib
import io
import zipfile
from collections import defaultdict
from decimal import Decimal

import numpy as np
import pytest

from liqheat_project.kernel.instants import DAY_MS
from tests.unit.validation.synthetic.test_market import MONDAY, SMALL
from validation.synthetic.archive import KLINE_INTERVALS, write_archive
from validation.synthetic.market import FIVE_MINUTES, simulate_market
from validation.synthetic.parameters import MarketParameters

DAYS = ("2026-01-05", "2026-01-06")
DAILY = "data/futures/um/daily"


@pytest.fixture(scope="module")
def market():
    return simulate_market("ETHUSDT", MONDAY, 2, seed=7, parameters=SMALL)


@pytest.fixture(scope="module")
def directory(market, tmp_path_factory):
    directory = tmp_path_factory.mktemp("archive")
    write_archive(market, directory)
    return directory


def read(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [f"{path.stem}.csv"]
        return list(csv.DictReader(io.StringIO(archive.read(f"{path.stem}.csv").decode())))


def read_trades(directory, day):
    return read(directory / DAILY / f"aggTrades/ETHUSDT/ETHUSDT-aggTrades-{day}.zip")


def read_metrics(directory, day):
    return read(directory / DAILY / f"metrics/ETHUSDT/ETHUSDT-metrics-{day}.zip")


def test_two_writings_are_equal_to_the_byte(market, directory, tmp_path):
    again = simulate_market("ETHUSDT", MONDAY, 2, seed=7, parameters=SMALL)
    paths = write_archive(again, tmp_path)
    assert len(paths) == 2 * 5
    for path in paths:
        for name in (path.name, f"{path.name}.CHECKSUM"):
            copy = path.with_name(name)
            assert copy.read_bytes() == (directory / copy.relative_to(tmp_path)).read_bytes()


def test_every_zip_has_a_checksum_that_verifies(directory):
    zips = sorted(directory.rglob("*.zip"))
    assert len(zips) == len(list(directory.rglob("*.CHECKSUM"))) == 10
    for path in zips:
        line = path.with_name(f"{path.name}.CHECKSUM").read_text()
        assert line == f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"


def test_files_lie_where_the_archive_has_them(directory):
    names = {str(path.relative_to(directory / DAILY)) for path in directory.rglob("*.zip")}
    assert names == {
        f"{folder}/ETHUSDT-{name}-{day}.zip"
        for day in DAYS
        for folder, name in [
            ("aggTrades/ETHUSDT", "aggTrades"),
            ("klines/ETHUSDT/1m", "1m"),
            ("klines/ETHUSDT/5m", "5m"),
            ("klines/ETHUSDT/15m", "15m"),
            ("metrics/ETHUSDT", "metrics"),
        ]
    }


def test_trades_come_back_as_they_were(market, directory):
    rows = [row for day in DAYS for row in read_trades(directory, day)]
    assert len(rows) == market.trades.time.size
    assert [int(row["transact_time"]) for row in rows] == market.trades.time.tolist()
    assert [float(row["price"]) for row in rows] == market.trades.price.tolist()
    assert [float(row["quantity"]) for row in rows] == market.trades.quantity.tolist()
    maker = [row["is_buyer_maker"] for row in rows]
    assert maker == [str(flag).lower() for flag in market.trades.is_buyer_maker.tolist()]
    for number, day in enumerate(DAYS):
        times = [int(row["transact_time"]) for row in read_trades(directory, day)]
        start = MONDAY + number * DAY_MS
        assert start <= min(times) <= max(times) < start + DAY_MS


def aggregate(trades, width):
    """Candles of the trades of a file, one trade at a time, in Decimal."""
    candles = defaultdict(list)
    for trade in trades:
        candles[int(trade["transact_time"]) // width * width].append(trade)
    for open_time, traded in candles.items():
        prices = [Decimal(trade["price"]) for trade in traded]
        quantities = [Decimal(trade["quantity"]) for trade in traded]
        quotes = [p * q for p, q in zip(prices, quantities, strict=True)]
        buys = [trade["is_buyer_maker"] == "false" for trade in traded]
        fills = [int(t["last_trade_id"]) - int(t["first_trade_id"]) + 1 for t in traded]
        yield (
            open_time,
            {
                "open": prices[0],
                "high": max(prices),
                "low": min(prices),
                "close": prices[-1],
                "volume": sum(quantities),
                "close_time": open_time + width - 1,
                "quote_volume": sum(quotes),
                "count": sum(fills),
                "taker_buy_volume": sum(q for q, buy in zip(quantities, buys, strict=True) if buy),
                "taker_buy_quote_volume": sum(
                    q for q, buy in zip(quotes, buys, strict=True) if buy
                ),
            },
        )


@pytest.mark.parametrize("interval", KLINE_INTERVALS)
def test_klines_are_exactly_the_aggregates_of_the_trades(directory, interval):
    width = KLINE_INTERVALS[interval]
    previous_close = None
    for number, day in enumerate(DAYS):
        rows = read(directory / DAILY / f"klines/ETHUSDT/{interval}/ETHUSDT-{interval}-{day}.zip")
        start = MONDAY + number * DAY_MS
        assert [int(row["open_time"]) for row in rows] == [*range(start, start + DAY_MS, width)]
        expected = dict(aggregate(read_trades(directory, day), width))
        for row in rows:
            values = {name: Decimal(value) for name, value in row.items()}
            candle = expected.get(int(values["open_time"]))
            if candle is None:
                assert values["volume"] == values["quote_volume"] == values["count"] == 0
                prices = {values[name] for name in ("open", "high", "low", "close")}
                assert len(prices) == 1
                assert previous_close is None or prices == {previous_close}
            else:
                assert {name: values[name] for name in candle} == candle
            previous_close = values["close"]


def test_a_minute_without_trades_is_a_flat_candle(directory):
    rows = read(directory / DAILY / f"klines/ETHUSDT/1m/ETHUSDT-1m-{DAYS[0]}.zip")
    assert any(row["count"] == "0" for row in rows), "the fixture should have a quiet minute"


def test_metrics_before_the_change_are_labelled_by_the_end(market, directory):
    rows = [row for day in DAYS for row in read_metrics(directory, day)]
    assert [row["create_time"] for row in rows[:288]][::287] == [
        "2026-01-05 00:05:00",
        "2026-01-06 00:00:00",
    ]
    assert [float(row["sum_open_interest"]) for row in rows] == market.open_interest[1:].tolist()


def test_metrics_have_all_columns_filled(market, directory):
    rows = read_metrics(directory, DAYS[1])
    assert list(rows[0]) == [
        "create_time", "symbol", "sum_open_interest", "sum_open_interest_value",
        "count_toptrader_long_short_ratio", "sum_toptrader_long_short_ratio",
        "count_long_short_ratio", "sum_taker_long_short_vol_ratio",
    ]  # fmt: skip
    instant = MONDAY + DAY_MS + FIVE_MINUTES * 100
    row, held = rows[99], market.open_positions(instant)
    traders = {side: np.unique(held.trader[held.side == side]).size for side in (1, -1)}
    assert float(row["count_long_short_ratio"]) == pytest.approx(traders[1] / traders[-1])
    before = market.trades.between(instant - FIVE_MINUTES, instant)
    value = Decimal(row["sum_open_interest"]) * Decimal(str(before.price[-1]))
    assert Decimal(row["sum_open_interest_value"]) == value
    bought = before.quantity_lots[~before.is_buyer_maker].sum()
    sold = before.quantity_lots[before.is_buyer_maker].sum()
    assert float(row["sum_taker_long_short_vol_ratio"]) == pytest.approx(bought / sold)
    assert 0.2 < float(row["sum_toptrader_long_short_ratio"]) < 5
    assert 0.2 < float(row["count_toptrader_long_short_ratio"]) < 5


def test_metrics_are_labelled_by_the_start_from_the_change_on(tmp_path):
    the_day_before = 20_628 * DAY_MS
    market = simulate_market("ETHUSDT", the_day_before, 2, 7, SMALL)
    write_archive(market, tmp_path)
    old, new = (read_metrics(tmp_path, day) for day in ("2026-06-24", "2026-06-25"))
    assert len(old) == len(new) == 288
    assert (old[0]["create_time"], old[-1]["create_time"]) == (
        "2026-06-24 00:05:00",
        "2026-06-25 00:00:00",
    )
    assert (new[0]["create_time"], new[-1]["create_time"]) == (
        "2026-06-25 00:00:00",
        "2026-06-25 23:55:00",
    )
    open_interest = [float(row["sum_open_interest"]) for row in (*old, *new)]
    assert open_interest == market.open_interest[1:].tolist()


def test_a_day_of_hardly_any_trades_can_be_written(tmp_path):
    hardly = MarketParameters(trades_per_day=40, openings_per_day=5, warm_up_days=0)
    market = simulate_market("BTCUSDT", MONDAY, 1, 7, hardly)
    write_archive(market, tmp_path)
    rows = read(tmp_path / DAILY / "metrics/BTCUSDT/BTCUSDT-metrics-2026-01-05.zip")
    assert len(rows) == 288
    assert rows[0]["count_long_short_ratio"] == ""
