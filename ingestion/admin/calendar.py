"""The calendar of a symbol: the data quality of each day, and loading or repairing days."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from ingestion.admin.common import SymbolPages, counted, errors_shown, hand_out, require
from ingestion.admin.days import Cell, grid
from ingestion.errors import BadRequest, FileDamaged
from ingestion.lake import read
from ingestion.market.datasets import SERIES
from ingestion.models import Symbol
from ingestion.quality import damage
from ingestion.quality import report as quality
from ingestion.quality.report import BAD_STATES, DatasetQuality, DayState
from liqheat_project.kernel.runs import ENDED_STATES

ALL_BAD = "bad"


class CalendarPages(SymbolPages):
    """Adds the calendar and its buttons to the pages of symbols."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/calendar/", view(self.calendar_view), name="ingestion_symbol_calendar"),
            path("<int:pk>/repair/", view(self.repair_view), name="ingestion_symbol_repair"),
            *super().get_urls(),
        ]

    def calendar_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        require(self.has_view_permission(request))
        symbol = get_object_or_404(Symbol, pk=pk)
        asked = request.GET.get("year", "")
        try:
            year, known, found = _look(symbol, asked)
        except FileDamaged:
            damage.verify(symbol.name)  # what is known to be damaged is not read
            year, known, found = _look(symbol, asked)
        context = {
            "symbol": symbol,
            "year": year,
            "earlier": year - 1 if known and year > known[0].year else None,
            "later": year + 1 if year < _today().year else None,
            "series": [_series(one) for one in found],
            "states": list(DayState),
            "can_load": self.has_load_data_permission(request),
            "all_bad": ALL_BAD,
            "jobs": symbol.jobs.exclude(state__in=ENDED_STATES),
        }
        return self.page(request, f"{symbol}: the days of {year}", "calendar.html", context)

    @method_decorator(require_POST)
    def repair_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        require(self.has_load_data_permission(request))
        symbol = get_object_or_404(Symbol, pk=pk)
        year = request.POST.get("year", "")
        with errors_shown(request):
            dataset, days = _chosen(symbol, request.POST.dict())
            with transaction.atomic():
                job = quality.repair(symbol, dataset, days, request.user)
                if job:
                    text = f"Asked for {counted(job.steps_total, 'day')} of {dataset}: {job}."
                    self.log_addition(request, job, text)
            if job:
                hand_out(request, job.chunks.values_list("pk", flat=True))
                address = reverse("admin:ingestion_ingestionjob_change", args=[job.pk])
                link = format_html('<a href="{}">job {}</a>', address, job.pk)
                text = f"Loading {counted(job.steps_total, 'day')} of {dataset}: "
                messages.success(request, format_html("{}{}.", text, link))
            else:
                messages.info(request, f"These days of {dataset} are waiting in a job already.")
        address = reverse("admin:ingestion_symbol_calendar", args=[pk])
        return HttpResponseRedirect(f"{address}?year={year}" if year.isdecimal() else address)


def _look(symbol: Symbol, asked: str) -> tuple[int, tuple[date, date] | None, list[DatasetQuality]]:
    with read.snapshot() as cursor:
        known = quality.known_days(cursor, symbol.name)
        year = _year(asked, known)
        found = quality.check(cursor, symbol.name, *_days_of(year, known)) if known else []
    return year, known, found


def _series(found: DatasetQuality) -> dict[str, Any]:
    cells = [Cell(day.day, day.state, _text(day)) for day in found.days]
    return {
        "dataset": found.dataset,
        "counts": found.counts,
        "bad": len(found.bad_days),
        "grid": grid(cells),
    }


def _text(day: quality.Day) -> str:
    return f"{day.day}: {day.state.label}" + (f", {day.remarks}" if day.remarks else "")


def _chosen(symbol: Symbol, given: dict[str, str]) -> tuple[str, list[date]]:
    """The dataset and the days that a button stands for: one day, or those of a year in a state."""
    dataset = given.get("dataset", "")
    if dataset not in SERIES:
        raise BadRequest(f"{dataset!r} is no dataset.")
    if "day" in given:
        try:
            return dataset, [date.fromisoformat(given["day"])]
        except ValueError as error:
            raise BadRequest(f"{given['day']!r} is no day.") from error
    states = BAD_STATES if given.get("state") == ALL_BAD else {given.get("state")}
    with read.snapshot() as cursor:
        known = quality.known_days(cursor, symbol.name)
        if known is None:
            return dataset, []
        days = _days_of(_year(given.get("year", ""), known), known)
        found = quality.check(cursor, symbol.name, *days)
    return dataset, _in_states(found, dataset, states)


def _in_states(found: Sequence[DatasetQuality], dataset: str, states: Any) -> list[date]:
    return [
        day.day
        for one in found
        if one.dataset == dataset
        for day in one.days
        if day.state in states and day.day < _today()
    ]


def _year(text: str, known: tuple[date, date] | None) -> int:
    """The year asked for, within those that have a calendar; the newest with data otherwise."""
    today = _today().year
    first, last = (known[0].year, known[1].year) if known else (today, today)
    asked = int(text) if text.isdecimal() and len(text) == 4 else last
    return min(max(asked, first), max(last, today))


def _days_of(year: int, known: tuple[date, date]) -> tuple[date, date]:
    """The year's days, from the first that is known of to yesterday or to what is known beyond."""
    last = max(_today() - timedelta(days=1), known[1])
    return max(date(year, 1, 1), known[0]), min(date(year, 12, 31), last)


def _today() -> date:
    return timezone.now().date()
