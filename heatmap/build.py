"""From the lake to the heatmap: reads a symbol's history, hands it to the engine, adds candles."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

import duckdb
import numpy as np
from numpy.typing import NDArray

from heatmap import candles
from heatmap.brackets import Brackets
from heatmap.candles import Arrays
from heatmap.checkpoints import book_before
from heatmap.coinglass import is_coinglass, load_window
from heatmap.engine import (
    COINGLASS_3,
    NET_OPEN_INTEREST,
    TURNOVER,
    Book,
    Heatmap,
    ModelParameters,
    OpenInterest,
    SideColumns,
    TradedPrices,
    advance,
    coinglass_heatmap,
    compute_heatmap,
    default_bin_size,
)
from heatmap.engine.grid import bin_span, coarsest_needed, default_price_range
from heatmap.history import (
    History,
    Stretch,
    engine_candles,
    load_arrays,
    load_open_interest,
)
from heatmap.market import Market
from heatmap.trades import load_trades
from ingestion.lake import read
from ingestion.market.datasets import INTERVALS
from liqheat_project.kernel.instants import DAY_MS, HOUR_MS

LARGEST_GRID = 12_000_000
"""Cells (columns x price bins) of one answer, each side."""
LONGEST_COLUMNS = 20_000
MOST_DEFAULT_COLUMNS = 400
WINDOWS = {
    "12h": ("5m", 12),
    "24h": ("5m", 24),
    "48h": ("15m", 48),
    "3d": ("15m", 72),
    "7d": ("1h", 168),
    "14d": ("2h", 336),
    "30d": ("4h", 720),
    "60d": ("6h", 1440),
    "90d": ("12h", 2160),
    "180d": ("1d", 4320),
    "1y": ("1d", 8760),
}
"""Windows that can be asked for: the interval of their columns unless one is given, and hours."""
DEFAULT_WINDOW = "24h"
MONTH_MS = 30 * DAY_MS
MODELS = {model.name: model for model in (TURNOVER, NET_OPEN_INTEREST, COINGLASS_3)}
DEFAULT_MODEL = TURNOVER.name
CALIBRATED_TURNOVERS = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Those a calibration chooses from; their books are kept at each month like the default's."""


class BadRequest(Exception):
    """A request that can't be answered: the parameter that has to change, and why."""

    def __init__(self, parameter: str, reason: str) -> None:
        super().__init__(f"{parameter}: {reason}")
        self.parameter, self.reason = parameter, reason


@dataclass(frozen=True)
class HeatmapRequest:
    """What to compute. Instants in ms UTC; what is None follows from the data.

    `window` is a name of WINDOWS and says where to start when `start` is None. `lookback` is how
    long before the first column the book starts empty (ms); None takes all that is loaded.
    """

    window: str | None
    start: int | None
    end: int | None
    interval: str | None
    bin_size: float | None
    parameters: ModelParameters
    lookback: int | None


@dataclass(frozen=True)
class Columns:
    """The instants shown (ms, [T]), multiples of the interval, and the window they were cut from.

    Columns before the first or after the last candle are left out, so `times` may be empty.
    """

    times: NDArray[np.int64]
    interval: str
    start: int
    end: int

    @property
    def interval_ms(self) -> int:
        return INTERVALS[self.interval]


@dataclass(frozen=True)
class Result:
    """A heatmap with the candle that ends at each column (NaN where there is none)."""

    columns: Columns
    heatmap: Heatmap
    candles: Arrays


def columns_of(request: HeatmapRequest, history: History) -> Columns:
    """The columns that a request asks for, as far as there is data. Raises BadRequest."""
    of_window, hours = WINDOWS[request.window or DEFAULT_WINDOW]
    end = max(history.end, request.start or 0) if request.end is None else request.end
    start = end - hours * HOUR_MS if request.start is None else request.start
    interval = request.interval or _default_interval(request, history, of_window, start, end)
    step = INTERVALS[interval]
    if request.start is None:
        # A window of n intervals has n columns, the last one at its end.
        start += step
    first = -(-max(start, history.start + 1) // step)
    count = min(end, history.end) // step - first + 1 if history.end else 0
    if count > LONGEST_COLUMNS:
        raise BadRequest(
            "interval",
            f"{interval} gives {count:,} columns, at most {LONGEST_COLUMNS:,} are allowed: "
            "ask for a coarser interval or a shorter window",
        )
    times = step * (first + np.arange(max(count, 0), dtype=np.int64))
    if len(times):
        _check_interval(interval, history, int(times[0]) - step, int(times[-1]))
    return Columns(times, interval, start, end)


def build_heatmap(
    cursor: duckdb.DuckDBPyConnection,
    market: Market,
    request: HeatmapRequest,
    columns: Columns,
) -> Result | None:
    """The heatmap at `columns`; None where no candle lies between them. Raises BadRequest."""
    if not len(columns.times):
        return None
    history = market.history
    step = columns.interval_ms
    first, last = int(columns.times[0]), int(columns.times[-1])
    start, book = beginning(cursor, market, request, first - step)
    parts = list(parts_between(cursor, history, start, last))
    shown = _shown(parts, columns)
    if not len(shown["low"]):
        return None
    bin_size = bin_size_of(request.bin_size, last_price(parts), market.tick_size)
    price_range = default_price_range(
        shown["low"], shown["high"], request.parameters.lowest_leverage
    )
    if request.bin_size is None:  # a price that fell by far spans more than its last one needs
        most_bins = LARGEST_GRID // len(columns.times)
        bin_size = max(bin_size, coarsest_needed(*price_range, most_bins))
    _, bins = bin_span(price_range[0], price_range[1], bin_size)
    if bins * len(columns.times) > LARGEST_GRID:
        raise BadRequest(
            "price_bin_size",
            f"{len(columns.times):,} columns of {bins:,} price bins are more than "
            f"{LARGEST_GRID:,} cells: ask for a coarser price_bin_size or interval, or leave "
            "price_bin_size out",
        )
    shown_candles = candles.at_columns(shown, columns.times, step)
    if is_coinglass(request.parameters):
        window = load_window(cursor, history, start, last)
        heatmap = coinglass_heatmap(
            window.candles,
            request.parameters,
            columns.times,
            bin_size,
            usual_volume=window.usual_volume,
            price_range=price_range,
        )
        return Result(columns, heatmap, shown_candles)
    given = _Given(
        load_open_interest(cursor, history, start, last),
        load_trades(cursor, history, request.parameters, book, start, last),
        market.brackets,
        request.parameters,
    )
    heatmap = _compute(given, book, parts, columns, bin_size, price_range)
    return Result(columns, heatmap, shown_candles)


def build_candles(
    cursor: duckdb.DuckDBPyConnection, history: History, interval: str, start: int, end: int
) -> Arrays:
    """Candles of `interval` that open in [start, end), out of the finest loaded. Raises BadRequest.

    In months, so that years of 1m candles are never in memory at once.
    """
    _check_interval(interval, history, start, end)
    bounds = [start, *range((start // MONTH_MS + 1) * MONTH_MS, end, MONTH_MS), end]
    parts = [
        candles.aggregate(read.candles(cursor, history.symbol, *stretch), INTERVALS[interval])
        for begin, until in pairwise(bounds)
        for stretch in history.within(begin, until)
    ]
    return candles.joined(parts) if parts else {}


def beginning(
    cursor: duckdb.DuckDBPyConnection,
    market: Market,
    request: HeatmapRequest,
    until: int,
) -> tuple[int, Book]:
    """From when on to read the lake (ms, at most `until`), and the book at that time."""
    if request.lookback is not None:
        return until - request.lookback, Book()
    if is_coinglass(request.parameters):
        return market.history.start, Book()
    parameters = request.parameters
    usual = any(
        replace(parameters, spread_entries=model.spread_entries, turnover=model.turnover) == model
        and parameters.turnover in (model.turnover, *CALIBRATED_TURNOVERS)
        for model in MODELS.values()
    )
    return book_before(cursor, market, request.parameters, until, keep=usual)


def parts_between(
    cursor: duckdb.DuckDBPyConnection, history: History, start: int, end: int
) -> Iterator[tuple[Stretch, Arrays]]:
    """The candles that open in [start, end), stretch by stretch."""
    for stretch in history.within(start, end):
        arrays = load_arrays(cursor, history, stretch)
        if len(arrays["open_time"]):
            yield stretch, arrays


@dataclass(frozen=True)
class _Given:
    """What the book is made of, beside candles."""

    figures: OpenInterest
    trades: TradedPrices | None
    brackets: Brackets
    parameters: ModelParameters


def _compute(
    given: _Given,
    book: Book,
    parts: list[tuple[Stretch, Arrays]],
    columns: Columns,
    bin_size: float,
    price_range: tuple[float, float],
) -> Heatmap:
    """One heatmap of stretches whose candles may differ in length."""
    rest = given.figures, given.brackets.tables, given.parameters
    heatmaps: list[Heatmap] = []
    since, until = -math.inf, -math.inf
    for number, (stretch, arrays) in enumerate(parts):
        part = engine_candles(arrays, stretch.interval_ms)
        since, until = until, parts[number + 1][0].start if number + 1 < len(parts) else math.inf
        here = columns.times[(columns.times > since) & (columns.times <= until)]
        if len(here):
            heatmap = compute_heatmap(
                part,
                *rest,
                here,
                bin_size,
                book,
                price_range=price_range,
                column_interval_ms=columns.interval_ms,
                trades=given.trades,
            )
            heatmaps.append(heatmap)
            book = heatmap.book
        if number + 1 < len(parts):
            book = advance(book, part, *rest, trades=given.trades)
    return _joined(heatmaps)


def _joined(heatmaps: list[Heatmap]) -> Heatmap:
    if len(heatmaps) == 1:
        return heatmaps[0]
    return replace(
        heatmaps[-1],
        times=np.concatenate([one.times for one in heatmaps]),
        long=_joined_sides([one.long for one in heatmaps]),
        short=_joined_sides([one.short for one in heatmaps]),
        gaps=[gap for one in heatmaps for gap in one.gaps],
    )


def _joined_sides(sides: list[SideColumns]) -> SideColumns:
    names = SideColumns.__dataclass_fields__
    return SideColumns(
        **{name: np.concatenate([getattr(side, name) for side in sides]) for name in names}
    )


def _shown(parts: list[tuple[Stretch, Arrays]], columns: Columns) -> Arrays:
    """The candles of the columns' interval, from the one that ends at the first column on."""
    start, step = int(columns.times[0]) - columns.interval_ms, columns.interval_ms
    aggregated = []
    for _, arrays in parts:
        first = int(np.searchsorted(arrays["open_time"], start))
        rest = {name: values[first:] for name, values in arrays.items()}
        aggregated.append(candles.aggregate(rest, step))
    return candles.joined(aggregated or [candles.NO_CANDLES])


def last_price(parts: list[tuple[Stretch, Arrays]]) -> float:
    """The close of the last candle, USDT."""
    return float(parts[-1][1]["close"][-1])


def bin_size_of(asked: float | None, price: float, tick_size: Decimal) -> float:
    """The size asked for, else the default at `price`; USDT. Raises BadRequest below the tick."""
    if asked is None:
        return default_bin_size(price, float(tick_size))
    if asked < float(tick_size) * (1 - 1e-9):
        raise BadRequest(
            "price_bin_size", f"must not be below the tick size {tick_size.normalize():f}"
        )
    return asked


def _default_interval(
    request: HeatmapRequest, history: History, of_window: str, start: int, end: int
) -> str:
    """That of the window; for a range of its own, the finest with at most 400 columns.

    Never finer than the candles that are loaded.
    """
    step: float = INTERVALS[of_window]
    if request.start is not None:
        step = (end - start) / MOST_DEFAULT_COLUMNS
    loaded = [stretch.interval_ms for stretch in history.within(start, end)]
    step = max(step, *loaded, 0)
    return next((name for name, length in INTERVALS.items() if length >= step), "1d")


def _check_interval(interval: str, history: History, start: int, end: int) -> None:
    for stretch in history.within(start, end):
        if INTERVALS[interval] % stretch.interval_ms:
            raise BadRequest(
                "interval",
                f"{interval} can't be made of the {stretch.interval} candles that are loaded "
                "for this window",
            )
