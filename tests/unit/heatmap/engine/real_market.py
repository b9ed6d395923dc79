"""Reads the real market data (archive layout) with the standard library and NumPy."""

import csv
import io
import os
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from heatmap.engine import BracketTable, Candles, OpenInterest

INTERVAL_MS = {"1m": 60_000, "5m": 300_000, "15m": 900_000}


def real_data() -> Path:
    beside = Path(__file__).resolve().parents[4].parent / "shared" / "data"
    folder = Path(os.environ.get("LIQHEAT_REAL_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real market data: neither LIQHEAT_REAL_DATA nor {beside} is a folder")
    return folder


def _rows(files: list[Path]) -> list[list[str]]:
    rows = []
    for file in files:
        with zipfile.ZipFile(file) as archive:
            text = io.TextIOWrapper(archive.open(archive.namelist()[0]), encoding="ascii")
            rows += list(csv.reader(text))
    return rows


@cache
def real_candles(symbol: str, interval: str, period: str = "daily") -> Candles:
    root = real_data() / "archive/data/futures/um" / period / "klines" / symbol / interval
    rows = [row for row in _rows(sorted(root.glob("*.zip"))) if row[0].isdigit()]
    table = np.array(rows, dtype=np.float64)
    table = table[np.unique(table[:, 0], return_index=True)[1]]
    prices_and_volume, quote, taker_buy = table[:, 1:6].T, table[:, 7], table[:, 9]
    if not quote.any():
        taker_buy = np.full(len(table), np.nan)
    times = table[:, 0].astype(np.int64)
    return Candles(times, *prices_and_volume, quote, taker_buy, INTERVAL_MS[interval])


@cache
def real_open_interest(symbol: str) -> OpenInterest:
    root = real_data() / "archive/data/futures/um/daily/metrics" / symbol
    rows = [row for row in _rows(sorted(root.glob("*.zip"))) if row[0][:1].isdigit()]
    times = np.array([np.datetime64(row[0], "ms") for row in rows]).astype(np.int64)
    times, first = np.unique(times, return_index=True)
    return OpenInterest(times, np.array([float(rows[i][2]) for i in first]))


@cache
def real_brackets(symbol: str) -> tuple[BracketTable, ...]:
    file = real_data() / "brackets/binance_um_brackets_history_BTC_ETH.csv"
    with file.open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["symbol"] == symbol]
    dates = sorted({row["first_seen"] for row in rows})
    return tuple(
        bracket_table([row for row in rows if row["first_seen"] == date], date) for date in dates
    )


@cache
def all_bracket_tables() -> tuple[tuple[str, BracketTable], ...]:
    """Every table of the snapshot; delivery contracts share their perpetual's symbol there."""
    file = real_data() / "brackets/binance_um_brackets_2026-05-01.csv"
    tables: list[list[dict[str, str]]] = []
    with file.open(newline="") as lines:
        for row in csv.DictReader(lines):
            if row["bracket"] == "1":
                tables.append([])
            tables[-1].append(row)
    return tuple((rows[0]["symbol"], bracket_table(rows, "2026-05-01")) for rows in tables)


def bracket_table(rows: list[dict[str, str]], date: str) -> BracketTable:
    names = ("notional_floor", "notional_cap", "mmr", "cum", "max_leverage")
    columns = (np.array([float(row[name]) for row in rows]) for name in names)
    return BracketTable(int(np.datetime64(date, "ms").astype(np.int64)), *columns)
