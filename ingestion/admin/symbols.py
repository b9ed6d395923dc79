"""Symbols: what the lake holds of them, and what can be done with them."""

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import ShowFacets
from django.db import transaction
from django.db.models import Max, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.views import ChangeList

from ingestion import audit, lake
from ingestion.admin.calendar import CalendarPages
from ingestion.admin.common import (
    ROLL_BACK,
    counted,
    coverage_of,
    errors_shown,
    go_to,
    hand_out,
    require,
)
from ingestion.admin.days import Cell, Grid, grid
from ingestion.admin.enabling import enabling_page
from ingestion.admin.forms import LoadForm, SourceForm, SymbolForm, usual_values
from ingestion.admin.roll_backs import roll_back_page
from ingestion.lake.settlement import settled_at, settlements
from ingestion.loading import jobs
from ingestion.loading.load import source_of
from ingestion.models import IngestionJob, Symbol, SymbolEvent
from ingestion.quality import availability
from ingestion.quality.availability import FileState
from ingestion.symbols.states import states_of

QUARANTINED_SHOWN = 200
LAST_JOBS_SHOWN = 10
LAST_EVENTS_SHOWN = 10


class SymbolList(ChangeList):
    """Adds to each symbol of the page its state, what the lake holds of it and its last job."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        symbols: list[Any] = list(self.result_list)  # type: ignore[has-type]
        self.result_list = symbols
        with lake.read.snapshot() as cursor:
            loaded = lake.read.loaded_series(cursor)
            settled = settlements(cursor)
        newest = (
            IngestionJob.objects.filter(symbol__in=symbols)
            .order_by()
            .values("symbol")
            .annotate(newest=Max("pk"))
        )
        last_jobs = IngestionJob.objects.filter(pk__in=newest.values("newest"))
        by_symbol = {job.symbol_id: job for job in last_jobs}
        states = states_of(symbols, loaded.keys(), settled, timezone.now())
        for symbol in symbols:
            symbol.state = states[symbol.name]
            symbol.loaded = loaded.get(symbol.name, [])
            symbol.last_job = by_symbol.get(symbol.pk)


@admin.register(Symbol)
class SymbolAdmin(CalendarPages):
    list_display = ("name", "enabled", "state", "tick", "loaded", "last_job", "note")
    list_filter = ("enabled",)
    list_filter_sheet = False
    search_fields = ("name", "note")
    list_before_template = "admin/ingestion/symbol/list_links.html"
    show_facets = ShowFacets.NEVER
    form = SymbolForm
    fields = ("name", "tick_size", "note")
    actions = ("enable", "disable", "check_availability", "load_data", "roll_back")
    change_form_template = "admin/ingestion/symbol/change_form.html"

    # Who may do what

    def has_roll_back_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(ROLL_BACK)

    def has_view_permission(self, request: HttpRequest, obj: Symbol | None = None) -> bool:
        return (
            super().has_view_permission(request, obj)
            or self.has_load_data_permission(request)
            or self.has_roll_back_permission(request)
        )

    def save_model(self, request: HttpRequest, obj: Symbol, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        _record_edit(obj, form.changed_data, request.user)

    def delete_model(self, request: HttpRequest, obj: Symbol) -> None:
        audit.record(SymbolEvent.Act.SYMBOL_EDITED, obj.name, "deleted", request.user)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Symbol]) -> None:
        for symbol in queryset:
            self.delete_model(request, symbol)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Symbol | None = None
    ) -> tuple[str, ...]:
        return ("name",) if obj else ()  # the lake's rows carry the name

    # The list

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return SymbolList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        wanted = request.POST.get("action")
        if wanted in self.actions:
            require(wanted in self.get_actions(request))
        context = {"can_load": self.has_load_data_permission(request)}
        return super().changelist_view(request, context | (extra_context or {}))

    @admin.display(description="State")
    def state(self, symbol: Symbol) -> str:
        return str(symbol.state)  # type: ignore[attr-defined]

    @admin.display(description="Tick size", ordering="tick_size")
    def tick(self, symbol: Symbol) -> str:
        return f"{symbol.tick_size.normalize():f}"

    @admin.display(description="In the lake")
    def loaded(self, symbol: Symbol) -> SafeString:
        return render_to_string(
            "admin/ingestion/symbol/loaded.html",
            {"series": symbol.loaded},  # type: ignore[attr-defined]
        )

    @admin.display(description="Last job")
    def last_job(self, symbol: Symbol) -> SafeString:
        return render_to_string(
            "admin/ingestion/symbol/last_job.html",
            {"job": symbol.last_job},  # type: ignore[attr-defined]
        )

    @admin.action(description="Enable…", permissions=["change"])
    def enable(self, request: HttpRequest, symbols: QuerySet[Symbol]) -> HttpResponseRedirect:
        return go_to("enable", symbols)

    @admin.action(description="Disable…", permissions=["change"])
    def disable(self, request: HttpRequest, symbols: QuerySet[Symbol]) -> HttpResponseRedirect:
        return go_to("disable", symbols)

    @admin.action(description="Check availability", permissions=["view"])
    def check_availability(
        self, request: HttpRequest, symbols: QuerySet[Symbol]
    ) -> HttpResponseRedirect:
        return go_to("availability", symbols)

    @admin.action(description="Load data…", permissions=["load_data"])
    def load_data(self, request: HttpRequest, symbols: QuerySet[Symbol]) -> HttpResponseRedirect:
        return go_to("load", symbols)

    @admin.action(description="Roll back…", permissions=["roll_back"])
    def roll_back(self, request: HttpRequest, symbols: QuerySet[Symbol]) -> HttpResponseRedirect:
        return go_to("roll_back", symbols)

    # The pages

    def get_urls(self) -> list[URLPattern]:
        def page(address: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
            return path(address, self.admin_site.admin_view(view), name=f"ingestion_symbol_{name}")

        return [
            page("availability/", self.availability_view, "availability"),
            page("load/", self.load_view, "load"),
            page("roll-back/", self.roll_back_view, "roll_back"),
            page("enable/", self.enable_view, "enable"),
            page("disable/", self.disable_view, "disable"),
            page("<int:pk>/quarantined/", self.quarantined_view, "quarantined"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context: dict[str, Any] = {}
        symbol = self.get_object(request, object_id)
        if symbol and self.has_view_permission(request, symbol):
            with lake.read.snapshot() as cursor:
                loaded = lake.read.loaded_series(cursor, symbol.name).get(symbol.name, [])
                settled = settled_at(cursor, symbol.name)
            context = {
                "symbol": symbol,
                "settled_at": settled,
                "coverage": coverage_of(request, symbol),
                "quarantined": sum(series.quarantined for series in loaded),
                "last_events": SymbolEvent.objects.filter(symbol=symbol.name).select_related("by")[
                    :LAST_EVENTS_SHOWN
                ],
                "last_jobs": symbol.jobs.select_related("requested_by")[:LAST_JOBS_SHOWN],
                "can_load": self.has_load_data_permission(request),
                "can_roll_back": self.has_roll_back_permission(request),
            }
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def enable_view(self, request: HttpRequest) -> HttpResponse:
        return enabling_page(self, request, enabled=True)

    def disable_view(self, request: HttpRequest) -> HttpResponse:
        return enabling_page(self, request, enabled=False)

    def roll_back_view(self, request: HttpRequest) -> HttpResponse:
        return roll_back_page(self, request)

    def availability_view(self, request: HttpRequest) -> HttpResponse:
        require(self.has_view_permission(request))
        given = request.GET if "start_date" in request.GET else _with_usual_values(request.GET)
        form = SourceForm(given)
        found: list[availability.Series] = []
        if "symbols" in given and form.is_valid():
            with errors_shown(request):
                found = _check(form.cleaned_data)
        context = {
            "form": form if "symbols" in given else SourceForm(initial=_initial(request.GET)),
            "series": [(series, _grid_of(series)) for series in found],
            "states": list(FileState),
            "any_to_load": any(FileState.AVAILABLE in one.counts for one in found),
            "load_url": f"{reverse('admin:ingestion_symbol_load')}?{given.urlencode()}",
            "can_load": self.has_load_data_permission(request),
        }
        return self.page(request, "Check availability", "availability.html", context)

    def load_view(self, request: HttpRequest) -> HttpResponse:
        require(self.has_load_data_permission(request))
        if request.method != "POST":
            form = LoadForm(initial=_initial(request.GET))
        else:
            form = LoadForm(request.POST)
            if form.is_valid():
                with errors_shown(request):
                    return self._started(request, self._create_jobs(request, form.cleaned_data))
        return self.page(request, "Load data", "load.html", {"form": form})

    def quarantined_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        require(self.has_view_permission(request))
        symbol = get_object_or_404(Symbol, pk=pk)
        with lake.read.snapshot() as cursor:
            rows = lake.read.quarantined_rows(cursor, symbol.name, QUARANTINED_SHOWN)
            loaded = lake.read.loaded_series(cursor, symbol.name).get(symbol.name, [])
        context = {
            "symbol": symbol,
            "rows": rows,
            "total": sum(series.quarantined for series in loaded),
        }
        return self.page(request, f"{symbol}: quarantined rows", "quarantined.html", context)

    # The acts

    @transaction.atomic
    def _create_jobs(self, request: HttpRequest, values: dict[str, Any]) -> list[IngestionJob]:
        options = {name: value for name, value in values.items() if name != "symbols"}
        created = []
        for symbol in values["symbols"]:
            job = jobs.create_job(symbol, **options, requested_by=request.user)
            self.log_addition(request, job, f"Asked for {counted(job.steps_total, 'file')}: {job}.")
            created.append(job)
        return created

    def _started(self, request: HttpRequest, created: Sequence[IngestionJob]) -> HttpResponse:
        for job in created:
            hand_out(request, job.chunks.values_list("pk", flat=True))
        files = counted(sum(job.steps_total for job in created), "file")
        if len(created) == 1:
            messages.success(request, f"Job {created[0].pk} loads {files}.")
            return HttpResponseRedirect(
                reverse("admin:ingestion_ingestionjob_change", args=[created[0].pk])
            )
        messages.success(request, f"{len(created)} jobs load {files}.")
        return HttpResponseRedirect(reverse("admin:ingestion_ingestionjob_changelist"))


def _record_edit(symbol: Symbol, fields: Sequence[str], by: Any) -> None:
    """Write down the values of these fields, with which answers about the symbol may change."""
    values = ", ".join(f"{name} {getattr(symbol, name)}" for name in fields if name != "name")
    if values:
        audit.record(SymbolEvent.Act.SYMBOL_EDITED, symbol.name, values, by)


def _with_usual_values(given: QueryDict) -> QueryDict:
    values = QueryDict(mutable=True)
    for name, value in usual_values(len(given.getlist("symbols"))).items():
        values.setlist(name, value if isinstance(value, list) else [value])
    for name in given:
        values.setlist(name, given.getlist(name))
    return values


def _initial(given: QueryDict) -> dict[str, Any]:
    values = _with_usual_values(given)
    return values.dict() | {name: values.getlist(name) for name in ("symbols", "datasets")}


def _check(values: dict[str, Any]) -> list[availability.Series]:
    request = IngestionJob(source=values["source"], folder=values["folder"])
    with source_of(request) as source:
        return availability.check(
            source,
            [symbol.name for symbol in values["symbols"]],
            values["datasets"],
            values["start_date"],
            values["end_date"],
            values["period"],
        )


def _grid_of(series: availability.Series) -> Grid:
    monthly = bool(series.files) and series.files[0][0].period == "monthly"
    cells = [
        Cell(file.start, state, f"{file.name}: {state.meaning}") for file, state in series.files
    ]
    return grid(cells, monthly)
