"""Open interest as it is now, with its value at the mark price of the same moment."""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.utils import timezone

from ingestion import lake
from ingestion.collecting import state
from ingestion.collecting.exchange import open_exchange
from ingestion.collecting.rounds import accounted, enabled_symbols, idle, in_seconds, mark_refused
from ingestion.errors import BadAnswer, RefusedBySource, SourceUnavailable, TemporaryError
from ingestion.lake.live import Wanted, add_open_interest
from ingestion.market.records import OpenInterestFigure
from ingestion.models import CollectorState
from ingestion.sources.rest import ALL_MARK_PRICES_WEIGHT, FuturesExchange
from liqheat_project.kernel.instants import instant_of

COLLECTOR = CollectorState.Collector.OPEN_INTEREST


@dataclass
class Snapshots:
    """What one round brought: figures with their values in USDT (None where no mark price
    came), symbols that the exchange refused, or answered of in another form, with the reasons, and
    what ended the round early."""

    figures: list[OpenInterestFigure] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    ended_by: SourceUnavailable | None = None


def collect() -> None:
    """One round for all enabled symbols; without any, nothing is asked and nothing opened."""
    symbols = enabled_symbols()
    if not symbols:
        idle(COLLECTOR)
        return
    with accounted(COLLECTOR, settings.OPEN_INTEREST_SECONDS):
        with open_exchange() as exchange:
            snapshots = take_snapshots(exchange, symbols)
            origin = exchange.base_url
        rows = write(snapshots, origin, wanted=enabled_symbols)
        if snapshots.ended_by:
            raise snapshots.ended_by
        mark_refused(COLLECTOR, snapshots.refused)
        state.succeeded(
            COLLECTOR,
            next_run=in_seconds(settings.OPEN_INTEREST_SECONDS),
            rows=rows,
            symbols=len(snapshots.figures),
        )


def follow(symbol: str, stop: threading.Event) -> Iterator[str]:
    """Collect one symbol in this process, enabled or not, until `stop` is set: a line for people
    each round."""
    with open_exchange() as exchange:
        while not stop.is_set():
            began = time.monotonic()
            yield _round(exchange, symbol)
            stop.wait(max(0.0, settings.OPEN_INTEREST_SECONDS - (time.monotonic() - began)))


def take_snapshots(exchange: FuturesExchange, symbols: Sequence[str]) -> Snapshots:
    """Ask for each symbol. What is refused is noted; an exchange that does not answer, or may not
    be asked any more, ends the round with what there is."""
    taken = Snapshots()
    together = len(symbols) > ALL_MARK_PRICES_WEIGHT
    try:
        prices = exchange.mark_prices() if together else {}
        for symbol in symbols:
            try:
                taken.figures.append(exchange.open_interest(symbol))
                taken.values.append(None)  # the figure is kept, whatever becomes of its price
                price = prices.get(symbol) if together else exchange.mark_price(symbol)
                if price is not None:
                    taken.values[-1] = taken.figures[-1].contracts * price
            except (RefusedBySource, BadAnswer) as error:
                taken.refused[symbol] = str(error)
    except SourceUnavailable as error:
        taken.ended_by = error
    return taken


def write(snapshots: Snapshots, origin: str, wanted: Wanted) -> int:
    """Put a round into the lake; the number of rows that were new."""
    if not snapshots.figures:
        return 0
    return add_open_interest(
        lake.writer(), snapshots.figures, snapshots.values, origin, wanted, timezone.now()
    )


def _round(exchange: FuturesExchange, symbol: str) -> str:
    snapshots = take_snapshots(exchange, [symbol])
    try:
        rows = write(snapshots, exchange.base_url, wanted=lambda: [symbol])
    except TemporaryError as error:
        return f"{symbol}  not written: {error}"
    if not snapshots.figures:
        return f"{symbol}  no figure: {snapshots.refused.get(symbol) or snapshots.ended_by}"
    figure, value = snapshots.figures[0], snapshots.values[0]
    at = instant_of(figure.time)
    usd = "" if value is None else f"  {value:,.0f} USDT"
    known = "" if rows else "  (in the lake already)"
    return f"{at:%Y-%m-%d %H:%M:%S}  {symbol}  {figure.contracts:,.3f} contracts{usd}{known}"
