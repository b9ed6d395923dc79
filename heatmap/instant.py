"""From the lake to one instant of the book: the liquidation map, and what is behind a cell."""

import duckdb

from heatmap.build import (
    BadRequest,
    HeatmapRequest,
    beginning,
    bin_size_of,
    last_price,
    parts_between,
)
from heatmap.coinglass import is_coinglass, load_window
from heatmap.engine import (
    COINGLASS_3,
    LONG,
    SHORT,
    Book,
    Explanation,
    LiquidationMap,
    advance,
    coinglass_book,
    explain,
    liquidation_map,
)
from heatmap.history import engine_candles, load_open_interest
from heatmap.market import Market
from heatmap.trades import load_trades
from liqheat_project.kernel.instants import DAY_MS

MOST_BINS = 50_000


def build_map(
    cursor: duckdb.DuckDBPyConnection,
    market: Market,
    request: HeatmapRequest,
    instant: int,
) -> tuple[LiquidationMap, Book, float] | None:
    """The liquidation map, the book and the last price at `instant` (ms); None without data.

    Raises BadRequest.
    """
    found = _book_at(cursor, market, request, instant)
    if found is None:
        return None
    book, price = found
    bin_size = bin_size_of(request.bin_size, price, market.tick_size)
    if price / bin_size > MOST_BINS:
        raise BadRequest(
            "price_bin_size", f"must be at least {price / MOST_BINS:.4g} at a price of {price:g}"
        )
    return liquidation_map(book, price, bin_size), book, price


def build_explanation(
    cursor: duckdb.DuckDBPyConnection,
    market: Market,
    request: HeatmapRequest,
    instant: int,
    price: float,
) -> tuple[Explanation, Explanation, float] | None:
    """What stands in the bucket of `price` at `instant` (ms): longs, shorts, and the bucket's size.

    None without data. Raises BadRequest.
    """
    found = _book_at(cursor, market, request, instant)
    if found is None:
        return None
    book, last_price = found
    bin_size = bin_size_of(request.bin_size, last_price, market.tick_size)
    long, short = (explain(book, side, price, bin_size) for side in (LONG, SHORT))
    return long, short, bin_size


def _book_at(
    cursor: duckdb.DuckDBPyConnection,
    market: Market,
    request: HeatmapRequest,
    instant: int,
) -> tuple[Book, float] | None:
    """The book and the last price at `instant` (ms); None without data."""
    history = market.history
    by_coinglass = is_coinglass(request.parameters)
    if by_coinglass and not request.lookback:
        raise BadRequest(
            "lookback",
            f"{COINGLASS_3.name} begins empty with its window: say how long before the instant "
            "that is, such as 24h, or choose another model",
        )
    # A day at least is read, for the last price.
    until = instant - DAY_MS if request.lookback is None else instant
    start, book = beginning(cursor, market, request, until)
    parts = list(parts_between(cursor, history, start, instant))
    if not parts:
        return None
    if by_coinglass:
        window = load_window(cursor, history, start, instant)
        book = coinglass_book(window.candles, request.parameters, window.usual_volume)
        return book, last_price(parts)
    figures = load_open_interest(cursor, history, start, instant)
    trades = load_trades(cursor, history, request.parameters, book, start, instant)
    for stretch, arrays in parts:
        part = engine_candles(arrays, stretch.interval_ms)
        book = advance(
            book, part, figures, market.brackets.tables, request.parameters, trades=trades
        )
    return book, last_price(parts)
