"""What every request needs of a symbol, asked of the databases at most once a second.

A process may answer from what it knew up to a second ago: the price of serving hundreds of
requests a second without asking Django's database and the lake's catalogue for each.
"""

import threading
import time

from rest_framework.exceptions import NotFound

from heatmap import recent
from heatmap.brackets import brackets_of
from heatmap.calibration import calibration_of
from heatmap.history import History, history_of
from heatmap.market import Market
from ingestion.lake import read
from ingestion.models import Symbol

SECONDS = 1.0


_histories: dict[str, History] = {}
_known: dict[str, tuple[float, Market]] = {}
_guard = threading.Lock()


def market(name: str) -> Market:
    """The market of a symbol. Raises NotFound, with the enabled ones, if it is not enabled."""
    expires, found = _known.get(name, (0.0, None))
    if found is not None and time.monotonic() < expires:
        return found
    with _guard:
        expires, found = _known.get(name, (0.0, None))
        if found is None or time.monotonic() >= expires:
            found = _ask(name)
            _known[name] = (time.monotonic() + SECONDS, found)
    return found


def forget() -> None:
    """Ask the databases again; for tests that change them."""
    _known.clear()
    _histories.clear()
    recent.forget()


def _ask(name: str) -> Market:
    row = Symbol.objects.filter(name=name, enabled=True).first()
    if row is None:
        _known.pop(name, None)
        raise NotFound(_why_not(name))
    with read.snapshot() as cursor:
        history = _histories[name] = history_of(cursor, name, _histories.get(name))
    return Market(name, row.tick_size, brackets_of(name), history, calibration_of(name))


def _why_not(name: str) -> str:
    if Symbol.objects.filter(name=name).exists():
        reason = f"{name} is disabled; staff can enable it in the admin under Symbols."
    else:
        reason = f"{name} is not known."
    return f"{reason} Enabled symbols: {', '.join(Symbol.enabled_names()) or 'none'}."
