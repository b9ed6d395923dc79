"""The "System status" page: how all that runs by itself is doing, for staff."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST
from redis.exceptions import RedisError

from ingestion.admin.common import LOAD_DATA, errors_shown, require
from ingestion.collecting import exchange
from ingestion.errors import IngestionError
from ingestion.lake.freshness import KINDS
from ingestion.models import CollectorState, DamagedFile
from liqheat_project.kernel.read_only_admin import ReadOnlyAdmin
from liqheat_project.ops import status
from liqheat_project.ops.status import LakeStatus, condition

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 5
DAMAGED_FILES_NAMED = 20
COLOURS = {"ok": "success", "late": "warning", "failing": "danger", "off": "info"}
FRAGMENTS = ("parts", "collectors", "symbols")


@dataclass(frozen=True)
class CollectorLine:
    """A collector's line of the table; `state` is None of one that never ran."""

    name: str
    state: CollectorState | None = None
    condition: str = "has not run yet"
    colour: str | None = None
    rows_last_hour: int | None = None
    details: tuple[tuple[str, Any], ...] = ()


@admin.register(CollectorState)
class SystemStatusAdmin(ReadOnlyAdmin):
    class Media:
        js = ("liqheat_project/run.js",)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: CollectorState | None = None) -> bool:
        return request.user.is_active and request.user.is_staff

    def get_urls(self) -> list[URLPattern]:
        def page(address: str, view: Any, name: str) -> URLPattern:
            view = self.admin_site.admin_view(view)
            return path(address, view, name=f"ingestion_collectorstate_{name}")

        return [
            page("", self.changelist_view, "changelist"),
            page("progress/", self.progress_view, "progress"),
            page("resume/", self.resume_view, "resume"),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {
            "title": "System status",
            "opts": self.opts,
            "media": self.media,
            "fragments": fragments(_may_resume(request)),
            "seconds": SECONDS_BETWEEN_LOOKS,
        }
        return TemplateResponse(
            request,
            "admin/ingestion/system_status/page.html",
            self.admin_site.each_context(request) | context | (extra_context or {}),
        )

    def progress_view(self, request: HttpRequest) -> JsonResponse:
        return JsonResponse({"ended": False, "fragments": fragments(_may_resume(request))})

    @method_decorator(require_POST)
    def resume_view(self, request: HttpRequest) -> HttpResponse:
        require(_may_resume(request))
        with errors_shown(request):
            if exchange.resume():
                logger.info("%s ended archive-only mode", request.user)
                messages.success(request, "The exchange is asked again from now on.")
            else:
                messages.info(request, "Nothing to resume: it is not archive-only mode.")
        return HttpResponseRedirect(reverse("admin:ingestion_collectorstate_changelist"))


def _may_resume(request: HttpRequest) -> bool:
    return request.user.has_perm(LOAD_DATA)


def fragments(may_resume: bool) -> dict[str, str]:
    """The HTML of the page's moving parts. What does not answer is said in its place."""
    now = timezone.now()
    context: dict[str, Any] = {
        "now": now,
        "may_resume": may_resume,
        "database": connection.vendor,
        "silent_after": status.SILENT_AFTER_SECONDS,
        "damaged": DamagedFile.objects.all()[:DAMAGED_FILES_NAMED],
    }
    lake: LakeStatus | None = None
    try:
        context["broker"] = status.broker_status()
    except RedisError as error:
        context["broker_error"] = str(error)
    try:
        lake = context["lake"] = status.lake_status()
    except IngestionError as error:
        context["lake_error"] = str(error)
    context["collectors"] = _collector_lines(lake, now)
    return {
        name: render_to_string(f"admin/ingestion/system_status/{name}.html", context)
        for name in FRAGMENTS
    }


def _collector_lines(lake: LakeStatus | None, now: datetime) -> list[CollectorLine]:
    states: dict[str, list[CollectorState]] = {}
    for state in CollectorState.objects.all():
        states.setdefault(state.collector, []).append(state)
    lines = []
    for value, label in CollectorState.Collector.choices:
        lines += [_line(label, state, lake, now) for state in states.get(value, [])] or [
            CollectorLine(label)
        ]
    return lines


def _line(
    label: str, state: CollectorState, lake: LakeStatus | None, now: datetime
) -> CollectorLine:
    how = condition(state, now)
    details = tuple(
        (name.replace("_", " "), value)
        for name, value in state.details.items()
        if name != "rows_last_hour" and value is not None and not isinstance(value, dict)
    )
    rows = state.details.get("rows_last_hour")
    if lake is not None and state.collector in KINDS:
        rows = sum(
            symbol.rows_last_hour[state.collector]
            for symbol in lake.symbols
            if state.symbol in ("", symbol.name)
        )
    return CollectorLine(label, state, how, COLOURS[how], rows, details)
