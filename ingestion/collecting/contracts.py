"""Whether the exchange still trades the enabled symbols under their names."""

from collections.abc import Iterable, Mapping

from django.conf import settings

from ingestion.collecting import state
from ingestion.collecting.exchange import open_exchange
from ingestion.collecting.rounds import accounted, enabled_symbols, idle, in_seconds, mark_refused
from ingestion.market.records import Contract
from ingestion.models import CollectorState
from ingestion.sources.rest import UNREADABLE

COLLECTOR = CollectorState.Collector.CONTRACTS
TRADING = "TRADING"


def collect() -> None:
    """One look at the exchange's list; without an enabled symbol, nothing is asked."""
    symbols = enabled_symbols()
    if not symbols:
        idle(COLLECTOR)
        return
    with accounted(COLLECTOR, settings.CONTRACTS_SECONDS):
        with open_exchange() as exchange:
            listed = exchange.contracts()
        not_traded = reasons(symbols, listed)
        mark_refused(COLLECTOR, not_traded)
        state.succeeded(
            COLLECTOR,
            next_run=in_seconds(settings.CONTRACTS_SECONDS),
            symbols=len(symbols),
            not_traded=len(not_traded),
        )


def reasons(symbols: Iterable[str], listed: Mapping[str, Contract]) -> dict[str, str]:
    """By symbol that can't be collected, why not and what to do."""
    found = {}
    for symbol in symbols:
        contract = listed.get(symbol)
        if contract is None:
            found[symbol] = (
                f"{symbol}: the exchange does not list it. It was delisted, or goes on under "
                "another name, as MATICUSDT does as POLUSDT. Disable it; its data stays."
            )
        elif contract.status == UNREADABLE:
            found[symbol] = (
                f"{symbol}: the exchange describes it in a form that is not known here; the log of "
                "the worker for the queue live has it."
            )
        elif contract.status != TRADING:
            found[symbol] = (
                f"{symbol}: the exchange lists it as {contract.status} and does not trade it. If "
                "that lasts, disable it; its data stays."
            )
    return found
