"""Enabling, disabling and rolling back a symbol."""

from ingestion import jobs, lake
from ingestion.models import IngestionJob, Symbol
from liqheat_project.lib.runs import ENDED_STATES


def set_enabled(symbol: Symbol, enabled: bool) -> None:
    """Serve the symbol, or stop serving it; its data stays."""
    symbol.enabled = enabled
    symbol.save(update_fields=["enabled"])


def roll_back(symbol: Symbol, days: lake.Days = lake.ALL_DAYS) -> lake.Removal:
    """Cancel a symbol's jobs and remove its rows of these days from all tables in one transaction.

    Without days the symbol is disabled first; with them it is served on. A worker that is loading
    the symbol loses its lease before the rows go, and asks for it again under the lake's lock, so
    that nothing lands afterwards.
    """
    if days == lake.ALL_DAYS:
        set_enabled(symbol, False)
    for job in IngestionJob.objects.filter(symbol=symbol).exclude(state__in=ENDED_STATES):
        jobs.cancel(job, reason="the symbol was rolled back")
    return lake.remove_symbol(lake.writer(), symbol.name, days)
