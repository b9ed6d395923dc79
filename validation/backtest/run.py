"""The use case: real liquidations against our map just before each."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import duckdb
import numpy as np

from heatmap.build import DEFAULT_MODEL, MODELS
from heatmap.checkpoints import book_before
from heatmap.engine import (
    LONG,
    SHORT,
    Book,
    Candles,
    ModelParameters,
    OpenInterest,
    advance,
    checkpoints,
    default_bin_size,
)
from heatmap.engine.market import FloatArray
from heatmap.history import (
    History,
    Stretch,
    engine_candles,
    load_arrays,
    load_open_interest,
)
from heatmap.market import Market, market_of
from ingestion.lake import read
from ingestion.market.datasets import INTERVALS
from ingestion.models import Symbol
from liqheat_project.kernel.instants import iso
from validation.backtest.events import Events
from validation.backtest.figures import DistanceLifts, lifts, lifts_by_distance, rank
from validation.backtest.sights import (
    Levels,
    Placed,
    buckets_of,
    levels_of,
    median_age,
    place,
    sights,
)
from validation.compare.nulls import Lift

MOST_EVENTS = 500
"""Events that are ranked; of more, so many evenly spread ones."""
PARAMETERS = MODELS[DEFAULT_MODEL]


class NoData(Exception):
    """What is missing for a backtest; the text says what to load."""


class Entries(StrEnum):
    """What says how much was opened and when.

    TRADED_VOLUME is for times without open interest: each candle opens its volume on both sides,
    and nothing closes but by liquidation. It tests the prices of the levels (entries, leverage,
    brackets), not how much lies there, and is no map that the API shows.
    """

    OPEN_INTEREST = "open interest"
    TRADED_VOLUME = "traded volume"


@dataclass(frozen=True)
class Backtest:
    """What `backtest` found.

    `ranked`: the events that were, of `within_data` that happened within our candles and after our
    first positions. Others: `outside` of them, `off_market` at a price that was not this market's,
    `before_positions`. `percentiles` of the ranked ones, and `lead_times` in ms, NaN where nothing
    stood. `hours`: how many different ones the ranked events are from. `placed_share`: the share of
    open contracts that the map shows, in the mean over the books. `by_side`: the lifts by distance
    of longs and of shorts alone.
    """

    symbol: str
    entries: Entries
    ranked: Placed
    within_data: int
    outside: int
    off_market: int
    before_positions: int
    percentiles: FloatArray
    lead_times: FloatArray
    hours: int
    placed_share: float
    lifts: dict[str, Lift]
    by_distance: list[DistanceLifts]
    by_side: dict[str, list[DistanceLifts]]


def backtest(
    symbol: Symbol,
    events: Events,
    entries: Entries,
    *,
    seed: int,
    parameters: ModelParameters = PARAMETERS,
) -> Backtest:
    """Rank `events` in our map of the last instant before each. Raises NoData."""
    with read.snapshot() as cursor:
        market = market_of(cursor, symbol)
        history = market.history
        candles = [part for part, _ in _candles(cursor, history, *_span(events))]
        if not candles:
            raise NoData(_no_candles(history, events))
        placed, outside, off_market = place(events, candles)
        if not len(placed):
            raise NoData(_no_candles(history, events))
        spread = np.linspace(0, len(placed) - 1, min(MOST_EVENTS, len(placed)))
        ranked = placed.chosen(spread.astype(np.int64))
        bin_size = default_bin_size(float(ranked.last_price.max()), float(symbol.tick_size))
        books = _books(cursor, market, parameters, entries, ranked)
        seen = _look(ranked, books, bin_size)
    there = np.isin(ranked.instant, list(seen.levels))
    if not there.any():
        raise NoData(
            f"No position of {symbol.name} is placed before any of the events: no open interest "
            "is loaded for their days. Load metrics (ingest_oi), or let traded volume stand for it."
        )
    ranked = ranked.chosen(there)
    ranks = rank(sights(ranked, seen.levels, bin_size), seed=seed)
    return Backtest(
        symbol=symbol.name,
        entries=entries,
        ranked=ranked,
        within_data=len(placed) - int((~there).sum()),
        outside=outside,
        off_market=off_market,
        before_positions=int((~there).sum()),
        percentiles=ranks.ours,
        lead_times=seen.lead_times[there],
        hours=len(np.unique(ranks.hour)),
        placed_share=float(np.mean(seen.placed_shares)),
        lifts=lifts(ranks, seed=seed),
        by_distance=lifts_by_distance(ranks, seed=seed),
        by_side={
            name: lifts_by_distance(ranks, seed=seed, chosen=ranked.side == side)
            for name, side in (("long", LONG), ("short", SHORT))
        },
    )


@dataclass(frozen=True)
class _Seen:
    """What the books showed: levels by instant, only where there are any."""

    levels: dict[int, Levels]
    lead_times: FloatArray
    placed_shares: list[float]


def _look(ranked: Placed, books: Iterator[tuple[int, Book]], bin_size: float) -> _Seen:
    buckets = buckets_of(ranked, bin_size)
    seen = _Seen({}, np.full(len(ranked), np.nan), [])
    for instant, book in books:
        if not len(book.longs.quantity) and not len(book.shorts.quantity):
            continue
        seen.levels[instant] = levels_of(book, *buckets, bin_size)
        seen.placed_shares.append(1 - book.unplaced_share)
        for number in np.flatnonzero(ranked.instant == instant):
            seen.lead_times[number] = median_age(
                book,
                int(ranked.side[number]),
                float(ranked.price[number]),
                bin_size,
                int(ranked.time[number]),
            )
    return seen


def _books(
    cursor: duckdb.DuckDBPyConnection,
    market: Market,
    parameters: ModelParameters,
    entries: Entries,
    ranked: Placed,
) -> Iterator[tuple[int, Book]]:
    """The book at each instant before an event, of nothing that came after it."""
    history, brackets = market.history, market.brackets
    instants = np.unique(ranked.instant)
    first, last = int(instants[0]), int(instants[-1])
    if entries is Entries.OPEN_INTEREST:
        start, book = book_before(cursor, market, parameters, first, keep=True)
        known = load_open_interest(cursor, history, start, last)
    else:
        start, book = history.start, Book()
    if start == first:
        yield first, book
    opened = 0.0
    for candles, stretch in _candles(cursor, history, start, last):
        if entries is Entries.TRADED_VOLUME:
            known = volume_as_open_interest(candles, opened)
            opened = float(known.contracts[-1])
        here = instants[(instants > stretch.start) & (instants <= stretch.end)]
        found = checkpoints(book, candles, known, brackets.tables, parameters, here)
        for instant, book in zip(here.tolist(), found, strict=True):
            yield instant, book
        book = advance(book, candles, known, brackets.tables, parameters)


def volume_as_open_interest(candles: Candles, opened: float) -> OpenInterest:
    """Open interest if each candle opened its whole volume and nobody closed, from `opened` on."""
    volume = np.nan_to_num(np.maximum(candles.volume, 0.0))
    return OpenInterest(candles.end_time, opened + np.cumsum(volume), candles.interval_ms)


def _candles(
    cursor: duckdb.DuckDBPyConnection, history: History, start: int, end: int
) -> Iterator[tuple[Candles, Stretch]]:
    for stretch in history.within(start, end):
        arrays = load_arrays(cursor, history, stretch)
        if len(arrays["open_time"]):
            yield engine_candles(arrays, stretch.interval_ms), stretch


def _span(events: Events) -> tuple[int, int]:
    """From when to when candles are needed (ms): the longest one before the first event too."""
    return int(events.time[0]) - 2 * max(INTERVALS.values()), int(events.time[-1]) + 1


def _no_candles(history: History, events: Events) -> str:
    span = f"{iso(int(events.time[0]))} to {iso(int(events.time[-1]))}"
    there = f"candles cover {iso(history.start)} to {iso(history.end)}" if history.end else "none"
    return (
        f"No event of {history.symbol} lies within our candles: the events are from {span}, of our "
        f"{there}. Load the days (ingest_klines, ingest_oi)."
    )
