"""Rolling symbols back: the page that says what goes, and the roll backs with their undo."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.options import ShowFacets
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import filesizeformat
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from ingestion import lake
from ingestion.admin.common import (
    ROLL_BACK,
    chosen,
    counted,
    errors_shown,
    given,
    go_to,
    page_of,
    require,
)
from ingestion.admin.forms import DaysForm
from ingestion.errors import FileDamaged, IngestionError, NothingKept
from ingestion.models import RollBack, Symbol
from ingestion.symbols import rollback
from liqheat_project.kernel.read_only_admin import ReadOnlyAdmin


def roll_back_page(symbol_admin: Any, request: HttpRequest) -> HttpResponse:
    """Asks on GET, acts on POST. The days are asked for on the page itself."""
    require(request.user.has_perm(ROLL_BACK))
    symbols = chosen(request)
    if not symbols:
        messages.warning(request, "Choose the symbols to roll back.")
        return go_to("changelist")
    form = DaysForm(given(request))
    context: dict[str, Any] = {"symbols": symbols, "form": form}
    if form.is_valid():
        days = form.cleaned_data["days"]
        if request.method == "POST":
            for symbol in symbols:
                _roll_back(symbol_admin, request, symbol, days)
            return HttpResponseRedirect(reverse("admin:ingestion_rollback_changelist"))
        changes = [_what_goes(symbol, days) for symbol in symbols]
        context |= {
            "days": days,
            "all_days": days == lake.ALL_DAYS,
            "changes": changes,
            "others": Symbol.objects.exclude(pk__in=[symbol.pk for symbol in symbols]),
            "until": timezone.now() + timedelta(days=settings.LAKE_UNDO_DAYS),
        }
    return page_of(symbol_admin, request, "Roll back", "symbol/roll_back.html", context)


def _what_goes(symbol: Symbol, days: lake.Days) -> dict[str, Any]:
    about = {
        "symbol": symbol,
        "approved": symbol.is_approved(timezone.now()),
        "jobs": list(rollback.unfinished_jobs(symbol)),
    }
    try:
        with lake.read.snapshot() as cursor:
            rows = lake.rows_within(cursor, symbol.name, days)
            left = lake.rows_within(cursor, symbol.name)
            files, quarantined = lake.lines_touching(cursor, symbol.name, days)
            size = lake.bytes_within(cursor, symbol.name, days)
    except FileDamaged as error:
        return about | {"damaged": str(error)}
    return about | {
        "rows": rows,
        "total": sum(rows.values()),
        "left": sum(left.values()) - sum(rows.values()),
        "files": files,
        "quarantined": quarantined,
        "bytes": size,
    }


def _roll_back(symbol_admin: Any, request: HttpRequest, symbol: Symbol, days: lake.Days) -> None:
    cancelled = counted(rollback.unfinished_jobs(symbol).count(), "job")
    text = f"{cancelled} cancelled"
    if days == lake.ALL_DAYS:
        text = f"disabled, {text}"
    try:
        made = rollback.roll_back(symbol, days, request.user)
    except IngestionError as error:
        text += f", but its rows are still there: {error}"
        symbol_admin.log_change(request, symbol, f"Roll back failed: {text}")
        messages.error(request, f"{symbol}: {text}. Roll it back again.")
        return
    rows = ", ".join(f"{count:,} of {table}" for table, count in made.rows.items())
    text += f", rows of {days} removed: {rows or 'none'}"
    symbol_admin.log_change(request, symbol, f"Rolled back: {text}.")
    messages.success(request, f"{symbol}: {text}.")
    if made.note:
        messages.warning(request, made.note)


@admin.register(RollBack)
class RollBackAdmin(ReadOnlyAdmin):
    list_display = ("symbol", "what", "rows_taken", "done", "kept", "state")
    list_display_links = None
    list_filter = ("symbol",)
    list_filter_sheet = False
    list_select_related = ("by", "undone_by")
    show_facets = ShowFacets.NEVER

    def has_view_permission(self, request: HttpRequest, obj: RollBack | None = None) -> bool:
        return request.user.has_perm(ROLL_BACK)

    # The list

    @admin.display(description="Days")
    def what(self, made: RollBack) -> str:
        return str(made.days)

    @admin.display(description="Rows removed")
    def rows_taken(self, made: RollBack) -> str:
        return f"{made.total:,}"

    @admin.display(description="Rolled back", ordering="at")
    def done(self, made: RollBack) -> str:
        return f"{made.at:%Y-%m-%d %H:%M} by {made.by or 'the shell'}"

    @admin.display(description="Disk kept", ordering="bytes_kept")
    def kept(self, made: RollBack) -> str:
        return filesizeformat(made.bytes_kept)

    @admin.display(description="Undo")
    def state(self, made: RollBack) -> SafeString:
        return render_to_string("admin/ingestion/rollback/state.html", {"made": made})

    # The pages

    def get_urls(self) -> list[URLPattern]:
        def page(address: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
            return path(
                address, self.admin_site.admin_view(view), name=f"ingestion_rollback_{name}"
            )

        return [
            page("<int:pk>/undo/", self.undo_view, "undo"),
            page("<int:pk>/give-up/", self.give_up_view, "give_up"),
            *super().get_urls(),
        ]

    def undo_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        made = self._found(request, pk)
        if request.method == "POST":
            with errors_shown(request):
                rollback.undo(made, request.user)
                messages.success(request, f"{made}: {made.total:,} rows are back.")
            return self._to_list()
        try:
            if not made.can_be_undone:
                raise NothingKept(f"The roll back of {made} can't be undone any more.")
            removed = lake.find_kept(lake.reader().config, made.kept_as.hex)
        except NothingKept as error:
            messages.error(request, str(error))
            return self._to_list()
        with lake.read.snapshot() as cursor:
            context = {
                "made": made,
                "symbol": Symbol.objects.filter(name=made.symbol).first(),
                "removed": removed,
                "coverage": lake.kept_coverage(cursor, removed),
                "in_the_way": []
                if lake.is_back(cursor, removed)
                else lake.in_the_way(cursor, removed),
            }
        return page_of(
            self, request, f"Undo the roll back of {made}", "rollback/undo.html", context
        )

    def give_up_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        made = self._found(request, pk)
        if request.method == "POST":
            freed = rollback.give_up(made, request.user)
            messages.success(request, f"{made}: {filesizeformat(freed)} are freed.")
            return self._to_list()
        if not made.can_be_undone:
            messages.error(request, f"Nothing is kept of the roll back of {made} any more.")
            return self._to_list()
        bytes_kept = lake.bytes_kept(lake.reader().config, made.kept_as.hex)
        context = {"made": made, "bytes_kept": bytes_kept}
        return page_of(self, request, f"Free the disk: {made}", "rollback/give_up.html", context)

    def _found(self, request: HttpRequest, pk: int) -> RollBack:
        require(self.has_view_permission(request))
        return get_object_or_404(RollBack, pk=pk)

    def _to_list(self) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:ingestion_rollback_changelist"))
