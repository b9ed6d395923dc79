"""Enabling, disabling and rolling back a symbol."""

from ingestion import jobs, lake
from ingestion.models import IngestionJob, Symbol
from liqheat_project.lib.runs import ENDED_STATES


def set_enabled(symbol: Symbol, enabled: bool) -> None:
    """Serve the symbol, or stop serving it; its data stays."""
    symbol.enabled = enabled
    symbol.save(update_fields=["enabled"])


def roll_back(symbol: Symbol) -> dict[str, int]:
    """Disable a symbol, cancel its jobs and remove its rows from all tables in one transaction.

    Returns the rows removed by table. A worker that is loading the symbol loses its lease before
    the rows go, and asks for it again under the lake's lock, so that nothing lands afterwards.
    """
    set_enabled(symbol, False)
    for job in IngestionJob.objects.filter(symbol=symbol).exclude(state__in=ENDED_STATES):
        jobs.cancel(job, reason="the symbol was rolled back")
    return lake.remove_symbol(lake.writer(), symbol.name)
