"""How far a symbol has come, from its registration to an approval."""

from collections.abc import Collection, Iterable
from datetime import datetime
from enum import StrEnum

from ingestion.models import IngestionJob, Symbol, SymbolEvent
from liqheat_project.kernel.runs import ENDED_STATES


class SymbolState(StrEnum):
    REGISTERED = "registered"
    INGESTING = "ingesting"
    CANDIDATE = "candidate"
    APPROVED = "approved"
    SETTLED = "settled"
    DISABLED = "disabled"


def state_of(
    *,
    holds_data: bool,
    loading: bool,
    approved: bool,
    enabled: bool,
    was_disabled: bool,
    settled: bool,
) -> SymbolState:
    """The state of a symbol from what is known of it now. Nothing of it is stored.

    - registered: known, but the lake holds nothing of it. A roll back leads here.
    - ingesting: a job waits or runs for it, and it is not approved. Ends as a candidate, or as
      registered where nothing could be loaded.
    - candidate: the lake holds data of it, and no approval is in force: never compared, rejected,
      too few runs, or expired.
    - approved: an approval is in force. Daily loading does not interrupt it.
    - settled: its contract has ended, open interest is 0 up to the newest figure. Nothing more
      comes of it, whatever it was before.
    - disabled: somebody switched it off although the lake holds data of it. Enabling it leads back.

    The state is a label. Whether the API and the page serve a symbol is up to `enabled` alone: an
    approval that ends takes nothing away from those who look at it.
    """
    if holds_data and not enabled and was_disabled:
        return SymbolState.DISABLED
    if holds_data and settled:
        return SymbolState.SETTLED
    if holds_data and approved:
        return SymbolState.APPROVED
    if loading:
        return SymbolState.INGESTING
    return SymbolState.CANDIDATE if holds_data else SymbolState.REGISTERED


def states_of(
    symbols: Iterable[Symbol],
    with_data: Collection[str],
    settled: Collection[str],
    now: datetime,
) -> dict[str, SymbolState]:
    """The states by name; `with_data` are the names of which the lake holds something, `settled`
    those whose contracts were settled."""
    unfinished = IngestionJob.objects.exclude(state__in=ENDED_STATES)
    loading = set(unfinished.values_list("symbol__name", flat=True))
    disabled = SymbolEvent.objects.filter(act=SymbolEvent.Act.DISABLED)
    was_disabled = set(disabled.order_by().values_list("symbol", flat=True).distinct())
    return {
        symbol.name: state_of(
            holds_data=symbol.name in with_data,
            loading=symbol.name in loading,
            approved=symbol.is_approved(now),
            enabled=symbol.enabled,
            was_disabled=symbol.name in was_disabled,
            settled=symbol.name in settled,
        )
        for symbol in symbols
    }
