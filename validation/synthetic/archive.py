"""Writes a synthetic market as files of Binance's public archive: same paths, columns and labels.

Zip members carry the midnight after their day as time stamp, so equal markets give equal bytes
(with the same zlib).
"""

import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from liqheat_project.kernel.instants import DAY_MS, MINUTE_MS, instant_of
from validation.synthetic.market import FIVE_MINUTES, Market, Positions, Trades, open_lots
from validation.synthetic.traders import LONG, SHORT

KLINE_INTERVALS = {"1m": MINUTE_MS, "5m": FIVE_MINUTES, "15m": 15 * MINUTE_MS}
# From this day on Binance labels a metrics row by the start of its five minutes, before by the end
# (github.com/binance/binance-public-data, issue 491).
METRICS_LABELLED_BY_START_FROM = date(2026, 6, 25)
TOP_TRADERS_SHARE = 0.2

Table = dict[str, list[str]]


@dataclass(frozen=True)
class Klines:
    """Candles in order of time, one array entry each, none left out.

    Prices are in ticks, volumes in lots, quote volumes in ticks x lots: whole numbers, exact sums.
    `count` counts trades as Binance does: the fills, of which an aggregate trade has one or more.
    A candle without trades has the price of the last trade before it.
    """

    open_time: NDArray[np.int64]
    open: NDArray[np.int64]
    high: NDArray[np.int64]
    low: NDArray[np.int64]
    close: NDArray[np.int64]
    volume: NDArray[np.int64]
    quote_volume: NDArray[np.int64]
    count: NDArray[np.int64]
    taker_buy_volume: NDArray[np.int64]
    taker_buy_quote_volume: NDArray[np.int64]


def write_archive(market: Market, directory: Path) -> list[Path]:
    """Write every day of `market` below `directory`; returns the paths of the zip files.

    Each gets its `.CHECKSUM` beside it. Files that are already there are replaced.
    """
    daily = directory / "data" / "futures" / "um" / "daily"
    symbol = market.instrument.symbol
    written = []
    for day, dataset, interval, table in _daily_tables(market):
        folder = daily / dataset / symbol / interval
        path = folder / f"{symbol}-{interval or dataset}-{day}.zip"
        folder.mkdir(parents=True, exist_ok=True)
        _write_zip(path, day, table)
        written.append(path)
    return written


def aggregate_klines(market: Market, width: int) -> Klines:
    """The candles of `width` ms over the whole of `market`, summed from its trades."""
    trades = market.trades
    open_time = np.arange(market.start, market.end, width)
    first = np.searchsorted(trades.time, open_time)
    end = np.searchsorted(trades.time, open_time + width)
    traded = end > first
    close = np.concatenate(([market.opening_price_ticks], trades.price_ticks))[end]
    open_, high, low = close.copy(), close.copy(), close.copy()
    open_[traded] = trades.price_ticks[first[traded]]
    high[traded] = np.maximum.reduceat(trades.price_ticks, first[traded])
    low[traded] = np.minimum.reduceat(trades.price_ticks, first[traded])

    def total(values: NDArray[np.int64]) -> NDArray[np.int64]:
        running = np.concatenate(([0], np.cumsum(values)))
        return running[end] - running[first]

    quote = trades.price_ticks * trades.quantity_lots
    is_taker_buy = ~trades.is_buyer_maker
    return Klines(
        open_time=open_time,
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=total(trades.quantity_lots),
        quote_volume=total(quote),
        count=total(trades.last_trade_id - trades.first_trade_id + 1),
        taker_buy_volume=total(trades.quantity_lots * is_taker_buy),
        taker_buy_quote_volume=total(quote * is_taker_buy),
    )


def _daily_tables(market: Market) -> Iterator[tuple[date, str, str, Table]]:
    per_day = [
        ("klines", name, DAY_MS // width, _kline_table(market, width))
        for name, width in KLINE_INTERVALS.items()
    ]
    per_day.append(("metrics", "", DAY_MS // FIVE_MINUTES, _metrics_table(market)))
    for number, start in enumerate(range(market.start, market.end, DAY_MS)):
        day = instant_of(start).date()
        trades = market.trades.between(start, start + DAY_MS)
        yield day, "aggTrades", "", _aggregate_trade_table(trades)
        for dataset, interval, rows, table in per_day:
            rows_of_day = slice(number * rows, (number + 1) * rows)
            yield day, dataset, interval, {name: t[rows_of_day] for name, t in table.items()}


def _aggregate_trade_table(trades: Trades) -> Table:
    instrument = trades.instrument
    return {
        "agg_trade_id": _integers(trades.agg_trade_id),
        "price": _decimals(trades.price_ticks, instrument.price_decimals),
        "quantity": _decimals(trades.quantity_lots, instrument.quantity_decimals),
        "first_trade_id": _integers(trades.first_trade_id),
        "last_trade_id": _integers(trades.last_trade_id),
        "transact_time": _integers(trades.time),
        "is_buyer_maker": np.where(trades.is_buyer_maker, "true", "false").tolist(),
    }


def _kline_table(market: Market, width: int) -> Table:
    klines = aggregate_klines(market, width)
    price_decimals = market.instrument.price_decimals
    quantity_decimals = market.instrument.quantity_decimals
    quote_decimals = price_decimals + quantity_decimals
    return {
        "open_time": _integers(klines.open_time),
        "open": _decimals(klines.open, price_decimals),
        "high": _decimals(klines.high, price_decimals),
        "low": _decimals(klines.low, price_decimals),
        "close": _decimals(klines.close, price_decimals),
        "volume": _decimals(klines.volume, quantity_decimals),
        "close_time": _integers(klines.open_time + width - 1),
        "quote_volume": _decimals(klines.quote_volume, quote_decimals),
        "count": _integers(klines.count),
        "taker_buy_volume": _decimals(klines.taker_buy_volume, quantity_decimals),
        "taker_buy_quote_volume": _decimals(klines.taker_buy_quote_volume, quote_decimals),
        "ignore": ["0"] * klines.open_time.size,
    }


def _metrics_table(market: Market) -> Table:
    """One row for each 5 minutes; its open interest is that at the end of them."""
    instrument = market.instrument
    instants = market.open_interest_time[1:]
    longs = market.positions.where(market.positions.side == LONG)
    klines = aggregate_klines(market, FIVE_MINUTES)
    lots = open_lots(longs, instants)
    traders = _one_row_per_trader(market.positions)
    top_traders = traders.where(traders.lots >= np.quantile(traders.lots, 1 - TOP_TRADERS_SHARE))
    taker_sell_volume = klines.volume - klines.taker_buy_volume
    return {
        "create_time": [_metrics_label(instant) for instant in instants.tolist()],
        "symbol": [instrument.symbol] * instants.size,
        "sum_open_interest": _decimals(lots, instrument.quantity_decimals),
        "sum_open_interest_value": _decimals(
            lots * klines.close, instrument.price_decimals + instrument.quantity_decimals
        ),
        "count_toptrader_long_short_ratio": _long_short_ratio(_counted(top_traders), instants),
        "sum_toptrader_long_short_ratio": _long_short_ratio(top_traders, instants),
        "count_long_short_ratio": _long_short_ratio(_counted(traders), instants),
        "sum_taker_long_short_vol_ratio": _ratios(klines.taker_buy_volume, taker_sell_volume),
    }


def _metrics_label(instant: int) -> str:
    first = instant_of(instant - FIVE_MINUTES)
    by_start = first.date() >= METRICS_LABELLED_BY_START_FROM
    return f"{first if by_start else instant_of(instant):%Y-%m-%d %H:%M:%S}"


def _one_row_per_trader(positions: Positions) -> Positions:
    """Each trader with all of its lots until the last of them is closed."""
    order = np.lexsort((positions.exit_time, positions.trader))
    last = order[np.diff(positions.trader[order], append=-1) != 0]
    lots = np.zeros(last.size, dtype=np.int64)
    np.add.at(lots, positions.trader, positions.lots)
    return replace(positions.where(last), lots=lots)


def _counted(positions: Positions) -> Positions:
    return replace(positions, lots=np.ones_like(positions.lots))


def _long_short_ratio(positions: Positions, instants: NDArray[np.int64]) -> list[str]:
    longs = open_lots(positions.where(positions.side == LONG), instants)
    shorts = open_lots(positions.where(positions.side == SHORT), instants)
    return _ratios(longs, shorts)


def _ratios(above: NDArray[np.int64], below: NDArray[np.int64]) -> list[str]:
    # A blank cell, as Binance writes, where there is nothing to divide by.
    return [
        f"{a / b:.8f}" if b else "" for a, b in zip(above.tolist(), below.tolist(), strict=True)
    ]


def _integers(values: NDArray[np.int64]) -> list[str]:
    return [str(value) for value in values.tolist()]


def _decimals(values: NDArray[np.int64], places: int) -> list[str]:
    whole, rest = np.divmod(values, 10**places)
    return [f"{w}.{r:0{places}d}" for w, r in zip(whole.tolist(), rest.tolist(), strict=True)]


def _write_zip(path: Path, day: date, table: Table) -> None:
    lines = [",".join(table), *map(",".join, zip(*table.values(), strict=True)), ""]
    member = zipfile.ZipInfo(
        f"{path.stem}.csv", date_time=((day + timedelta(days=1)).timetuple()[:6])
    )
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, "\n".join(lines), compresslevel=1)
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(f"{path.name}.CHECKSUM").write_text(f"{checksum}  {path.name}\n")
