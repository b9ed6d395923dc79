"""How much our map says is liquidated a day, beside what was recorded and what left the market.

A book that is far too heavy shows here, and nowhere in a comparison of places and ranks.
"""

import logging
from dataclasses import asdict, dataclass

import duckdb
import numpy as np
import orjson
import redis
from django.core.cache import caches

from heatmap.build import DEFAULT_MODEL, MODELS, HeatmapRequest, build_heatmap, columns_of
from heatmap.history import load_open_interest
from heatmap.market import market_of
from ingestion.lake import read
from ingestion.lake.liquidations import heard_share, heard_spans
from ingestion.models import Symbol
from liqheat_project.kernel.instants import DAY_MS
from validation.backtest.events import recorded_events

logger = logging.getLogger(__name__)

DAYS = 7
FACTOR = 5.0
"""By how much modelled liquidations may differ from either before that is said."""
LEAST_HEARD_DAYS = 0.5
KEPT_SECONDS = 26 * 3600


@dataclass(frozen=True)
class Liquidated:
    """USD a day, both sides, over the newest `days` whole days.

    `modelled`: what the default model sweeps. `fall`: the falls of open interest from figure to
    figure, which every liquidation is part of. `recorded`: None where it was hardly listened for; a
    lower bound elsewhere.
    """

    days: int
    modelled: float
    fall: float
    recorded: float | None

    @property
    def remarks(self) -> list[str]:
        """What is more than FACTOR apart, in words; empty where nothing is."""
        found = []
        for name, other in (("recorded", self.recorded), ("the fall of open interest", self.fall)):
            if other and not 1 / FACTOR <= self.modelled / other <= FACTOR:
                found.append(f"{self.modelled / other:,.3g} times {name}")
        return found

    def __str__(self) -> str:
        recorded = "not known" if self.recorded is None else f"{self.recorded:,.0f}"
        return (
            f"USD a day over {self.days} days: modelled {self.modelled:,.0f}, recorded {recorded}, "
            f"fall of open interest {self.fall:,.0f}"
        )


def liquidated(symbol: Symbol) -> Liquidated | None:
    """Compute it, and keep it for `known`; None without a whole day of data."""
    with read.snapshot() as cursor:
        found = _compute(cursor, symbol)
    if found is not None:
        try:
            caches["answers"].set(_key(symbol.name), orjson.dumps(asdict(found)), KEPT_SECONDS)
        except redis.RedisError as error:
            logger.warning("The cache does not answer: %s", error)
    return found


def known(symbol: str) -> Liquidated | None:
    """What was computed last, within the last day; computes nothing. Raises RedisError."""
    kept = caches["answers"].get(_key(symbol))
    return None if kept is None else Liquidated(**orjson.loads(kept))


def _key(symbol: str) -> str:
    return f"liquidated-{symbol}"


def _compute(cursor: duckdb.DuckDBPyConnection, symbol: Symbol) -> Liquidated | None:
    market = market_of(cursor, symbol)
    history = market.history
    last = history.end // DAY_MS * DAY_MS
    request = HeatmapRequest(
        window=None,
        start=max(last - (DAYS - 1) * DAY_MS, history.start + DAY_MS),
        end=last,
        interval="1d",
        bin_size=None,
        parameters=MODELS[DEFAULT_MODEL],
        lookback=None,
    )
    if request.start is None or request.start > last:
        return None
    columns = columns_of(request, history)
    result = build_heatmap(cursor, market, request, columns)
    if result is None:
        return None
    days = len(columns.times)
    start = int(columns.times[0]) - DAY_MS
    price = float(np.nanmean(result.candles["close"]))
    contracts = load_open_interest(cursor, history, start, last).contracts
    steps = np.diff(contracts[np.isfinite(contracts)])
    return Liquidated(
        days=days,
        modelled=float(result.heatmap.positions_consumed.sum()) / days,
        fall=float(np.maximum(-steps, 0).sum()) * price / days,
        recorded=_recorded(cursor, symbol.name, start, last),
    )


def _recorded(cursor: duckdb.DuckDBPyConnection, symbol: str, start: int, end: int) -> float | None:
    """USD a day of the time in which it was listened."""
    spans = heard_spans(cursor, start, end).get(symbol, [])
    heard_days = heard_share(spans, start, end) * (end - start) / DAY_MS
    if heard_days < LEAST_HEARD_DAYS:
        return None
    events = recorded_events(read.liquidations(cursor, symbol))
    inside = (events.time >= start) & (events.time < end)
    return float(events.usd[inside].sum()) / heard_days
