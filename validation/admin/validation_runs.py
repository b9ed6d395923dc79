"""Validation runs: the list, a run's page with what it compared, and how new ones begin."""

from typing import Any
from zoneinfo import available_timezones

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.options import ShowFacets
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST
from kombu.exceptions import OperationalError
from unfold.decorators import display

from ingestion import requests
from ingestion.models import Symbol
from liqheat_project.kernel.run_admin import STATE_COLOURS, RunAdmin
from liqheat_project.kernel.runs import AbstractRun, RunState
from validation import missing_days, references, runs, tasks
from validation.admin.figures import figure_rows
from validation.admin.forms import AskCoinglassForm, ReferenceForm, known_time_zone
from validation.admin.truth import distance_rows, truth_rows
from validation.coinglass import Unreadable
from validation.compare import drawing
from validation.compare.diagnosis import diagnose
from validation.models import ValidationRun

ADD = "validation.add_validationrun"
DASH = "–"  # noqa: RUF001
OUTCOMES = {True: ("passed", "Passed"), False: ("failed", "Failed"), None: ("unknown", DASH)}
OUTCOME_COLOURS = {"passed": "success", "failed": "danger"}
VERDICT_COLOURS = {
    Symbol.Verdict.APPROVED: "success",
    Symbol.Verdict.REJECTED: "danger",
    Symbol.Verdict.NO_REFERENCE: "warning",
}


@admin.register(ValidationRun)
class ValidationRunAdmin(RunAdmin):
    list_display = (
        "id",
        "symbol",
        "file_name",
        "state_label",
        "outcome",
        "shown_hit_rate",
        "shown_overlap",
        "shown_verdict",
        "created",
    )
    list_filter = ("passed", "state", "source", "symbol")
    list_filter_sheet = False
    list_select_related = ("symbol",)
    search_fields = ("file_name", "sha256")
    show_facets = ShowFacets.NEVER
    list_before_template = "admin/validation/validationrun/list_links.html"
    change_form_template = "admin/validation/validationrun/change_form.html"

    def has_compare_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(ADD)

    def has_view_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        return super().has_view_permission(request, obj) or self.has_compare_permission(request)

    # The list

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"can_compare": self.has_compare_permission(request)}
        return super().changelist_view(request, context | (extra_context or {}))

    @display(description="Outcome", ordering="passed", label=OUTCOME_COLOURS)
    def outcome(self, run: ValidationRun) -> tuple[str, str]:
        return OUTCOMES[run.passed]

    @admin.display(description="Hit rate", ordering="hit_rate")
    def shown_hit_rate(self, run: ValidationRun) -> str:
        return _share(run.hit_rate)

    @admin.display(description="Overlap", ordering="price_level_overlap")
    def shown_overlap(self, run: ValidationRun) -> str:
        return _share(run.price_level_overlap)

    @display(description="Symbol's verdict", ordering="verdict", label=VERDICT_COLOURS)
    def shown_verdict(self, run: ValidationRun) -> tuple[str, str]:
        return run.verdict, run.get_verdict_display() or DASH

    # The page

    def fragments(self, request: HttpRequest, run: AbstractRun) -> dict[str, str]:
        assert isinstance(run, ValidationRun)
        outcome, outcome_text = OUTCOMES[run.passed]
        context = {
            "run": run,
            "state_colour": STATE_COLOURS.get(RunState(run.state)),
            "outcome": outcome_text,
            "outcome_colour": OUTCOME_COLOURS.get(outcome),
            "verdict_colour": VERDICT_COLOURS.get(run.verdict),  # type: ignore[call-overload]
            "can_run_again": self.has_compare_permission(request) and _can_run_again(run),
            "can_load_days": self._can_load_days(request, run),
            "time_zones": sorted(available_timezones()) if run.needs_time_zone else (),
            "has_maps": drawing.path_of(run).is_file(),
            "rows": figure_rows(run.figures),
            "truth": truth_rows(run.figures),
            "by_distance": distance_rows(run.figures),
            "tolerance": f"{run.figures.get('tolerance', 0):.1%}",
            "diagnosis": diagnose(run),
        }
        folder = "admin/validation/validationrun"
        return {
            name: render_to_string(f"{folder}/{name}.html", context)
            for name in ("summary", "buttons", "findings")
        }

    def _can_load_days(self, request: HttpRequest, run: ValidationRun) -> bool:
        may = self.has_compare_permission(request) and request.user.has_perm(requests.LOAD)
        return may and run.has_ended and missing_days.can_be_loaded(run)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("upload/", wrap(self.upload_view), name=self.url_name("upload")),
            path("ask/", wrap(self.ask_view), name=self.url_name("ask")),
            path("<int:pk>/run-again/", wrap(self.run_again_view), name=self.url_name("run_again")),
            path("<int:pk>/load-days/", wrap(self.load_days_view), name=self.url_name("load_days")),
            path("<int:pk>/maps.png", wrap(self.maps_view), name=self.url_name("maps")),
            *super().get_urls(),
        ]

    def maps_view(self, request: HttpRequest, pk: int) -> FileResponse:
        """The picture of both maps, for those who may see the run."""
        picture = drawing.path_of(self.visible_run(request, str(pk)))
        try:
            return FileResponse(picture.open("rb"), content_type="image/png")
        except FileNotFoundError as error:
            raise Http404(f"Run {pk} has compared nothing") from error

    # The acts

    def upload_view(self, request: HttpRequest) -> HttpResponse:
        self._require_compare(request)
        form = ReferenceForm(
            request.POST or None, request.FILES or None, initial=_symbol_asked_for(request)
        )
        if request.method == "POST" and form.is_valid():
            values = form.cleaned_data
            file = values.pop("file")
            try:
                run = runs.create(
                    content=file.read(),
                    file_name=file.name,
                    source=references.source_of(file.name),
                    requested_by=request.user,
                    **values,
                )
            except Unreadable as error:
                form.add_error("file", error.reason)
            else:
                return self._started(request, run)
        return self._begin_page(request, form, AskCoinglassForm(initial=_symbol_asked_for(request)))

    def ask_view(self, request: HttpRequest) -> HttpResponse:
        self._require_compare(request)
        if not settings.COINGLASS_API_KEY:
            raise Http404("COINGLASS_API_KEY is not set")
        form = AskCoinglassForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            run = runs.create_from_api(**form.cleaned_data, requested_by=request.user)
            return self._started(request, run)
        return self._begin_page(request, ReferenceForm(), form)

    @method_decorator(require_POST)
    def run_again_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        self._require_compare(request)
        run = self.visible_run(request, str(pk))
        if not _can_run_again(run):
            messages.error(
                request, "There is nothing that could be run again: give the file again."
            )
            return self._to_page(run)
        try:
            time_zone = known_time_zone(request.POST.get("time_zone", ""))
        except ValidationError as error:
            messages.error(request, error.message)
            return self._to_page(run)
        return self._started(request, runs.run_again(run, request.user, time_zone))

    @method_decorator(require_POST)
    def load_days_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Plans the job that loads a run's missing days; the run is made again after it."""
        self._require_compare(request)
        if not request.user.has_perm(requests.LOAD):
            raise PermissionDenied
        run = self.visible_run(request, str(pk))
        if not missing_days.can_be_loaded(run):
            messages.error(request, "There are no days of this run to be loaded.")
            return self._to_page(run)
        job = missing_days.load(run, request.user)
        self.log_change(request, run, f"Load the missing days by job {job.pk}.")
        try:
            requests.hand_out(job)
        except OperationalError as error:
            messages.warning(
                request, f"The broker does not answer ({error}). The job waits until it is back."
            )
        return self._to_page(run)

    def _to_page(self, run: ValidationRun) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:validation_validationrun_change", args=[run.pk]))

    def _require_compare(self, request: HttpRequest) -> None:
        if not self.has_compare_permission(request):
            raise PermissionDenied

    def _begin_page(
        self, request: HttpRequest, form: ReferenceForm, ask: AskCoinglassForm
    ) -> TemplateResponse:
        context = {
            "title": "Compare a reference",
            "opts": self.opts,
            "form": form,
            "time_zones": sorted(available_timezones()),
            "ask": ask if settings.COINGLASS_API_KEY else None,
        }
        return TemplateResponse(
            request,
            "admin/validation/validationrun/upload.html",
            self.admin_site.each_context(request) | context,
        )

    def _started(self, request: HttpRequest, run: ValidationRun) -> HttpResponseRedirect:
        """Tells a worker. Without a broker the run waits and is handed out again by beat."""
        self.log_addition(request, run, f"Compare {run}.")
        try:
            tasks.send(run.pk)
        except OperationalError as error:
            messages.warning(
                request, f"The broker does not answer ({error}). The run waits until it is back."
            )
        return self._to_page(run)


def _can_run_again(run: ValidationRun) -> bool:
    """A backtest belongs to its command, and what was refused was not kept."""
    if run.source == ValidationRun.Source.EVENTS or run.symbol is None or not run.has_ended:
        return False
    return run.path.is_file() if run.sha256 else run.model is not None


def _symbol_asked_for(request: HttpRequest) -> dict[str, str]:
    return {"symbol": request.GET.get("symbol", "")}


def _share(value: float | None) -> str:
    return DASH if value is None else f"{value:.2f}"
