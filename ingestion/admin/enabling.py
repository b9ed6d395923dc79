"""The pages that say what enabling or disabling symbols changes, and do it."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from ingestion.admin.common import chosen, coverage_of, go_to, page_of, require
from ingestion.models import Symbol
from ingestion.symbols import rollback


def enabling_page(admin: Any, request: HttpRequest, enabled: bool) -> HttpResponse:
    """Asks on GET, acts on POST; `admin` is that of the symbols."""
    require(admin.has_change_permission(request))
    symbols = chosen(request)
    word = "Enable" if enabled else "Disable"
    if not symbols:
        messages.warning(request, f"Choose the symbols to {word.lower()}.")
        return go_to("changelist")
    if request.method == "POST":
        _set_enabled(admin, request, symbols, enabled)
        return go_to("change", pk=symbols[0].pk) if len(symbols) == 1 else go_to("changelist")
    changes = [
        (symbol, coverage_of(request, symbol)) for symbol in symbols if symbol.enabled != enabled
    ]
    unchanged = [symbol for symbol in symbols if symbol.enabled == enabled]
    context = {"enabled": enabled, "changes": changes, "unchanged": unchanged}
    return page_of(admin, request, word, "symbol/enabling.html", context)


def _set_enabled(admin: Any, request: HttpRequest, symbols: list[Symbol], enabled: bool) -> None:
    word = "Enabled" if enabled else "Disabled"
    changed = [symbol for symbol in symbols if rollback.set_enabled(symbol, enabled, request.user)]
    for symbol in changed:
        admin.log_change(request, symbol, f"{word}.")
    names = ", ".join(symbol.name for symbol in changed) or "nothing, all of them were already"
    messages.success(request, f"{word}: {names}.")
