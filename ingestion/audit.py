"""The audit log's one writer."""

from collections.abc import Mapping
from typing import Any

from ingestion.models import SymbolEvent
from liqheat_project.kernel.logs import event


def record(
    act: SymbolEvent.Act,
    symbol: str = "",
    text: str = "",
    by: Any = None,
    counts: Mapping[str, int] | None = None,
) -> SymbolEvent:
    """Append a line: `symbol` is a name, blank for what concerns all; `by` is a user, or None for
    the shell and the program itself; `counts` are such as rows by table."""
    event("act", act=act, symbol=symbol, by=by, text=text, **(counts or {}))
    return SymbolEvent.objects.create(
        act=act, symbol=symbol, text=text, by=by, counts=dict(counts or {})
    )
