"""One-minute candles as the exchange closes them, and those that were missed while nobody asked.

The lake says what is missing: every round asks for the minutes of the last CANDLES_LOOK_BACK_HOURS
that it does not hold, oldest first. So there is nothing to remember between rounds, and what a
round could not get, whatever the reason, the next one asks for. What is older is the archive's.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from django.conf import settings
from django.utils import timezone

from ingestion import lake
from ingestion.collecting import state
from ingestion.collecting.exchange import open_exchange
from ingestion.collecting.rounds import accounted, enabled_symbols, idle, in_seconds, mark_refused
from ingestion.errors import BadAnswer, RefusedBySource, SourceUnavailable
from ingestion.lake.connection import translated_errors
from ingestion.lake.live import add_candles, candles_held, set_aside_unreadable
from ingestion.market.records import Candle, UnreadableCandle
from ingestion.models import CollectorState
from ingestion.sources.rest import CandlePage, FuturesExchange
from liqheat_project.kernel.instants import HOUR_MS, MINUTE_MS, instant_of

COLLECTOR = CollectorState.Collector.CANDLES
MAX_PAGES = 60
"""Pages of one round, so that it leaves weight to other collectors; but one for every symbol."""

SILENT_MS = 10 * MINUTE_MS

Minutes = np.ndarray
"""Opening times of candles: int64, ms UTC, ascending."""


@dataclass
class Round:
    """What one round brought: candles that were missing, rows that are none, symbols that the
    exchange refused, or has nothing new or readable of, with the reasons, and what ended the round
    early."""

    candles: list[Candle] = field(default_factory=list)
    unreadable: list[UnreadableCandle] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    ended_by: SourceUnavailable | None = None


def collect() -> None:
    """One round for all enabled symbols; without any, nothing is asked and nothing opened."""
    symbols = enabled_symbols()
    if not symbols:
        idle(COLLECTOR)
        return
    with accounted(COLLECTOR, settings.CANDLES_SECONDS):
        missing = missing_minutes(symbols, time.time_ns() // 1_000_000)
        with open_exchange() as exchange:
            taken = take_missing(exchange, missing)
            origin = exchange.base_url
        rows = write(taken.candles, origin)
        set_aside = write_unreadable(taken.unreadable, origin)
        if taken.ended_by:
            raise taken.ended_by
        mark_refused(COLLECTOR, taken.refused)
        state.succeeded(
            COLLECTOR,
            next_run=in_seconds(settings.CANDLES_SECONDS),
            rows=rows,
            symbols=len(symbols) - len(taken.refused),
            set_aside=set_aside,
        )


def missing_minutes(symbols: Sequence[str], now_ms: int) -> dict[str, Minutes]:
    """By symbol, the minutes up to the present one, still open, that the lake does not hold."""
    since = (now_ms - settings.CANDLES_LOOK_BACK_HOURS * HOUR_MS) // MINUTE_MS * MINUTE_MS
    with translated_errors():
        held = candles_held(lake.writer().cursor(), symbols, since, now_ms)
    return {symbol: _missing(held[symbol], since, now_ms) for symbol in symbols}


def take_missing(exchange: FuturesExchange, missing: dict[str, Minutes]) -> Round:
    """Ask for each symbol's missing minutes in pages: the first page of all symbols before the
    second of any. An exchange that does not answer, or may not be asked any more, ends the round
    with what there is."""
    taken = Round()
    waiting = dict(missing)
    pages = 0
    try:
        while waiting and pages < MAX_PAGES:
            for symbol in list(waiting):
                pages += 1
                asked = waiting.pop(symbol)
                try:
                    page = exchange.closed_candles(symbol, int(asked[0]))
                except (RefusedBySource, BadAnswer) as error:
                    taken.refused[symbol] = str(error)
                    continue
                taken.candles += _wanted(page, asked)
                taken.unreadable += page.unreadable
                if page.is_last:
                    if reason := _silence(symbol, page, asked):
                        taken.refused[symbol] = reason
                elif (rest := asked[asked > page.candles[-1].open_time]).size:
                    waiting[symbol] = rest
    except SourceUnavailable as error:
        taken.ended_by = error
    return taken


def write(candles: Sequence[Candle], origin: str) -> int:
    """Put candles of enabled symbols into the lake; the number of rows that were new."""
    if not candles:
        return 0
    return add_candles(lake.writer(), candles, origin, enabled_symbols, timezone.now())


def write_unreadable(rows: Sequence[UnreadableCandle], origin: str) -> int:
    """Put rows that are no candles into the quarantine; the number of those that were new."""
    if not rows:
        return 0
    return set_aside_unreadable(lake.writer(), rows, origin, enabled_symbols, timezone.now())


def _missing(held: Minutes, since: int, now_ms: int) -> Minutes:
    # The newest candle is dated by the exchange, whose clock may be ahead of ours.
    newest = max(now_ms, int(held[-1]) + MINUTE_MS) if held.size else now_ms
    return np.setdiff1d(np.arange(since, newest + 1, MINUTE_MS), held, assume_unique=True)


def _wanted(page: CandlePage, missing: Minutes) -> list[Candle]:
    minutes: Collection[int] = set(missing.tolist())
    newest = int(missing[-1])
    return [one for one in page.candles if one.open_time in minutes or one.open_time > newest]


def _silence(symbol: str, page: CandlePage, asked: Minutes) -> str:
    """What is to be said where the newest candle is older than it should be, else nothing."""
    newest = page.candles[-1].open_time if page.candles else int(asked[0]) - MINUTE_MS
    if int(asked[-1]) - newest <= SILENT_MS:
        return ""
    after = instant_of(newest)
    return (
        f"{symbol}: the exchange has no candle after {after:%Y-%m-%d %H:%M} UTC. It does not trade "
        "the symbol any more, or this machine's clock is wrong."
    )
