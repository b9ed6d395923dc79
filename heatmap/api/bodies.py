"""The bodies of the JSON answers."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import orjson

from heatmap.brackets import Brackets
from heatmap.build import BadRequest, Columns, HeatmapRequest, Result, build_candles
from heatmap.coarsen import coarser, factors
from heatmap.coinglass import is_coinglass
from heatmap.engine import Book, Heatmap, LiquidationMap
from heatmap.engine.market import FloatArray
from heatmap.history import History
from ingestion.lake.read import Coverage
from ingestion.market.datasets import INTERVALS
from ingestion.symbols.supported_pairs import Pair
from liqheat_project.kernel.instants import HOUR_MS, iso, milliseconds_of

MOST_LEVELS = 500_000
"""Levels (or grid triplets) in one JSON answer."""
CENTS = 2


def iso_or_none(instant: datetime | None) -> str | None:
    """The same of a datetime."""
    return None if instant is None else iso(milliseconds_of(instant))


def heatmap_meta(
    request: HeatmapRequest,
    columns: Columns,
    history: History,
    brackets: Brackets,
    result: Result | None,
    computed_ms: float,
) -> dict[str, Any]:
    """The `meta` of a heatmap; without a result all that can be said without one."""
    heatmap = result.heatmap if result else None
    return {
        "symbol": history.symbol,
        "start_time": iso(columns.start) if columns.end else None,
        "end_time": iso(columns.end) if columns.end else None,
        "interval": columns.interval,
        "total_snapshots": len(heatmap.times) if heatmap else 0,
        **_totals(heatmap),
        # The book begins one interval before the first column.
        **model_meta(request, history, brackets, columns.start - columns.interval_ms, columns.end),
        **coverage_meta(history),
        "computed_ms": round(computed_ms, 1),
    }


def _totals(heatmap: Heatmap | None) -> dict[str, Any]:
    if heatmap is None:
        return {
            "price_range": None,
            "price_bin_size": None,
            "total_long_volume": 0.0,
            "total_short_volume": 0.0,
            "total_consumed": 0.0,
            "unplaced_share": None,
            "gaps": [],
        }
    return {
        "price_range": {
            "min": float(heatmap.prices[0]),
            "max": float(np.round(heatmap.prices[-1] + heatmap.bin_size, 10)),
        },
        "price_bin_size": heatmap.bin_size,
        "total_long_volume": round(heatmap.total_long, CENTS),
        "total_short_volume": round(heatmap.total_short, CENTS),
        "total_consumed": round(float(heatmap.positions_consumed.sum()), CENTS),
        "unplaced_share": round(float(heatmap.unplaced_share[-1]), 6),
        "gaps": [
            {"kind": gap.kind, "start": iso(gap.start), "end": iso(gap.end)} for gap in heatmap.gaps
        ],
    }


def model_meta(
    request: HeatmapRequest, history: History, brackets: Brackets, start: int, end: int
) -> dict[str, Any]:
    """The model, its parameters and the brackets in force between `start` and `end` (ms)."""
    parameters = request.parameters
    since = (
        history.start if request.lookback is None else max(history.start, start - request.lookback)
    )
    traded = history.traded_share(since, min(end, history.end))
    by_coinglass = is_coinglass(parameters)
    dates = [table.valid_from for table in brackets.tables]
    first = max(sum(date <= start for date in dates) - 1, 0)
    used = range(first, max(sum(date <= end for date in dates), first + 1))
    return {
        "model": {
            "name": parameters.name,
            "leverage_weights": [
                {"leverage": leverage, "weight": round(weight, 6)}
                for leverage, weight in parameters.long_leverage_weights
            ],
            "position_notional": parameters.position_notional,
            "turnover": parameters.turnover,
            "taker_tilt": parameters.taker_tilt,
            "smear": parameters.smear,
            "spread_entries": parameters.spread_entries,
            "traded_share": None
            if by_coinglass or not parameters.spread_entries
            else round(traded, 6),
            "lookback_hours": None if request.lookback is None else request.lookback // HOUR_MS,
        },
        "brackets": {
            "symbol": brackets.owner,
            # Its levels know no maintenance margin.
            "tables": []
            if by_coinglass
            else [{"valid_from": iso(dates[i]), "source": brackets.sources[i]} for i in used],
        },
    }


def coverage_meta(history: History) -> dict[str, Any]:
    there = bool(history.stretches)
    return {
        "data_start": iso(history.start) if there else None,
        "data_end": iso(history.end) if there else None,
    }


def levels_body(meta: dict[str, Any], result: Result | None) -> bytes:
    """`{meta, data: [{timestamp, levels, positions_created, positions_consumed}]}`."""
    if result is None:
        return orjson.dumps({"meta": meta, "data": []})
    heatmap = result.heatmap
    series = zip(
        heatmap.times.tolist(),
        heatmap.long.density,
        heatmap.short.density,
        np.round(heatmap.positions_created, CENTS).tolist(),
        np.round(heatmap.positions_consumed, CENTS).tolist(),
        strict=True,
    )
    # Column by column: all levels at once as Python objects would take ten times their bytes.
    columns = (
        orjson.dumps(
            {
                "timestamp": iso(time),
                "levels": _levels(heatmap.prices, _in_cents(long), _in_cents(short)),
                "positions_created": created,
                "positions_consumed": consumed,
            }
        )
        for time, long, short, created, consumed in series
    )
    return b'{"meta":%b,"data":[%b]}' % (orjson.dumps(meta), b",".join(columns))


def _levels(prices: FloatArray, long: FloatArray, short: FloatArray) -> list[dict[str, float]]:
    shown = (long > 0) | (short > 0)
    return [
        {"price": price, "long_density": below, "short_density": above}
        for price, below, above in zip(
            prices[shown].tolist(), long[shown].tolist(), short[shown].tolist(), strict=True
        )
    ]


def _in_cents(density: np.ndarray) -> FloatArray:
    exact: FloatArray = density.astype(np.float64)
    return np.round(exact, CENTS)


def fitted(result: Result | None, adjustable: bool) -> Result | None:
    """The result with at most MOST_LEVELS levels.

    Where nobody asked for a bin size, it grows by 1-2-5 steps until they fit. Raises BadRequest
    where it may not, or where that does not help.
    """
    if result is None:
        return None
    heatmap = result.heatmap
    count = found = _count(heatmap)
    if count > MOST_LEVELS and adjustable:
        for factor in factors(heatmap.bin_size):
            wider = coarser(heatmap, factor)
            count = _count(wider)
            if count <= MOST_LEVELS:
                return replace(result, heatmap=wider)
            if len(wider.prices) == 1:
                break
    if count > MOST_LEVELS:
        raise BadRequest(
            "interval" if adjustable else "price_bin_size",
            f"the answer would hold {found:,} levels, at most {MOST_LEVELS:,} fit into JSON: ask "
            "for a coarser price_bin_size or interval, a shorter window, or format=packed",
        )
    return result


def _count(heatmap: Heatmap) -> int:
    return int(np.count_nonzero((heatmap.long.density > 0) | (heatmap.short.density > 0)))


def grid_body(meta: dict[str, Any], result: Result | None) -> bytes:
    """The sparse shape of Coinglass's API v4: y_axis, liquidation_leverage_data, candles."""
    data: dict[str, Any] = {
        "y_axis": [],
        "liquidation_leverage_data": [],
        "price_candlesticks": [],
        "update_time": None,
    }
    if result is not None:
        heatmap = result.heatmap
        total = _in_cents(heatmap.long.density) + _in_cents(heatmap.short.density)
        columns, rows = np.nonzero(total > 0)
        data = {
            "y_axis": heatmap.prices.tolist(),
            "liquidation_leverage_data": list(
                zip(
                    columns.tolist(),
                    rows.tolist(),
                    np.round(total[columns, rows], CENTS).tolist(),
                    strict=True,
                )
            ),
            "price_candlesticks": _candlesticks(result),
            "update_time": int(heatmap.times[-1]),
        }
    return orjson.dumps({"meta": meta, "code": "0", "msg": "success", "data": data})


def _candlesticks(result: Result) -> list[list[Any]]:
    """[open time in seconds, "open", "high", "low", "close", "volume in USDT"] per column."""
    candles = result.candles
    quote = candles["quote_volume"]
    usdt = np.where(quote > 0, quote, candles["volume"] * candles["close"])
    values = [candles[name] for name in ("open", "high", "low", "close")]
    texts = [
        [None if number != number else format(number, ".12g") for number in series.tolist()]
        for series in (*values, np.round(usdt, CENTS))
    ]
    opens = (result.columns.times - result.columns.interval_ms) // 1000
    return [list(line) for line in zip(opens.tolist(), *texts, strict=True)]


def klines_body(
    cursor: duckdb.DuckDBPyConnection, history: History, query: dict[str, Any]
) -> bytes:
    """`{symbol, interval, count, data: [{timestamp, open, …}], meta}`, oldest first."""
    interval, limit = query["interval"], query["limit"]
    step = INTERVALS[interval]
    start, end = query.get("start_time"), query.get("end_time")
    end = min(end or history.end, history.end)
    if start is None:
        # The newest `limit` candles; where some are missing, there are fewer.
        start = -(-end // step) * step - limit * step
    start = -(-max(start, history.start // step * step) // step) * step
    end = min(-(-end // step) * step, start + limit * step)
    found = build_candles(cursor, history, interval, start, end) if start < end else {}
    names = ("open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume")
    opens = found["open_time"].tolist() if found else []
    lines = zip(*(found[name].tolist() for name in names), strict=True) if found else []
    data = [
        {
            "timestamp": iso(opened),
            **{
                name: None if value != value else value
                for name, value in zip(names, line, strict=True)
            },
            "closed": opened + step <= history.end,
        }
        for opened, line in zip(opens, lines, strict=True)
    ]
    head = {"symbol": history.symbol, "interval": interval, "count": len(data)}
    return orjson.dumps({**head, "meta": coverage_meta(history), "data": data})


def date_range_body(history: History, coverage: dict[str, Coverage]) -> bytes:
    """First and last instant of a symbol's data, and of each of its tables."""
    there = coverage_meta(history)
    return orjson.dumps(
        {
            "symbol": history.symbol,
            "start_date": there["data_start"],
            "end_date": there["data_end"],
            "tables": [
                {
                    "table": table.table,
                    "rows": table.rows,
                    "first": iso(table.first_ms),
                    "last": iso(table.last_ms),
                }
                for table in coverage.values()
            ],
            "candles": [
                {
                    "interval": stretch.interval,
                    "start": iso(stretch.start),
                    "end": iso(stretch.end),
                }
                for stretch in history.stretches
            ],
        }
    )


def map_body(
    request: HeatmapRequest,
    instant: int,
    history: History,
    brackets: Brackets,
    found: tuple[LiquidationMap, Book, float] | None,
    computed_ms: float,
) -> bytes:
    """`{meta, data: [{price, long, short, cumulative_long, cumulative_short}]}`."""
    meta = {
        "symbol": history.symbol,
        "time": iso(instant) if instant else None,
        "price": None,
        "price_bin_size": None,
        "leverages": [],
        "total_long_volume": 0.0,
        "total_short_volume": 0.0,
        "unplaced_share": None,
        **model_meta(request, history, brackets, instant, instant),
        **coverage_meta(history),
    }
    data: list[dict[str, Any]] = []
    if found is not None:
        levels, book, price = found
        meta |= {
            "price": price,
            "price_bin_size": levels.bin_size,
            "leverages": levels.leverages.tolist(),
            "total_long_volume": round(float(book.longs.notional.sum()), CENTS),
            "total_short_volume": round(float(book.shorts.notional.sum()), CENTS),
            "unplaced_share": round(book.unplaced_share, 6),
        }
        columns = (
            levels.prices,
            np.round(levels.long.T, CENTS),
            np.round(levels.short.T, CENTS),
            np.round(levels.cumulative_long, CENTS),
            np.round(levels.cumulative_short, CENTS),
        )
        data = [
            {
                "price": price,
                "long": long,
                "short": short,
                "cumulative_long": below,
                "cumulative_short": above,
            }
            for price, long, short, below, above in zip(
                *(column.tolist() for column in columns), strict=True
            )
        ]
    meta["computed_ms"] = round(computed_ms, 1)
    return orjson.dumps({"meta": meta, "data": data})


def symbols_body(pairs: Iterable[Pair]) -> bytes:
    """The table of supported pairs."""
    return orjson.dumps({"symbols": [_pair(pair) for pair in pairs]})


def _pair(pair: Pair) -> dict[str, Any]:
    symbol = pair.symbol
    validation = {
        "state": pair.outcome,
        "hit_rate": symbol.hit_rate,
        "validated_at": iso_or_none(symbol.validated_at),
        "approved_until": iso_or_none(symbol.approved_until),
    }
    return {
        "symbol": symbol.name,
        "enabled": symbol.enabled,
        "status": pair.state,
        "tick_size": float(symbol.tick_size),
        "validation": validation if pair.outcome else None,
        "coverage": {"data_start": iso_or_none(pair.start), "data_end": iso_or_none(pair.end)},
        "note": symbol.note,
        "text": dict(zip(("symbol", "status", "validation", "coverage"), pair.cells, strict=True)),
    }
