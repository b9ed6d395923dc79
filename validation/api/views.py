"""The endpoints of the validation. What is in the answers stands in bodies."""

from django.http import HttpResponse
from django.utils import timezone
from django.utils.cache import patch_cache_control
from drf_spectacular.utils import extend_schema_view
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.views import APIView

from ingestion.models import Symbol
from liqheat_project.webkit.answers import CACHE_CONTROL, JSON
from liqheat_project.webkit.query import parsed
from validation.api import bodies, schema
from validation.api.parameters import OneSymbolOrAll, RunsQuery
from validation.gate.summary import summarise
from validation.models import GatePolicy, ValidationRun


@extend_schema_view(get=schema.RUNS)
class RunsView(APIView):
    def get(self, request: Request) -> HttpResponse:
        query = parsed(RunsQuery, request)
        runs = ValidationRun.objects.select_related("symbol").order_by("-created_at", "-pk")
        if "symbol" in query:
            runs = runs.filter(symbol=_registered(query["symbol"]))
        if "source" in query:
            runs = runs.filter(source=query["source"])
        for_staff = request.user is not None and request.user.is_staff
        answer = _answer(bodies.runs_body(runs[: query["limit"]], for_staff))
        if for_staff:
            patch_cache_control(answer, private=True)
        return answer


@extend_schema_view(get=schema.SUMMARY)
class SummaryView(APIView):
    def get(self, request: Request) -> HttpResponse:
        query = parsed(OneSymbolOrAll, request)
        name = _registered(query["symbol"]).name if "symbol" in query else None
        return _answer(
            bodies.summary_body(GatePolicy.current().rule, summarise(timezone.now(), name))
        )


def _registered(name: str) -> Symbol:
    symbol = Symbol.objects.filter(name=name).first()
    if symbol is None:
        raise NotFound(f"{name} is not known; GET /symbols lists the registered ones.")
    return symbol


def _answer(body: bytes) -> HttpResponse:
    return HttpResponse(body, content_type=JSON, headers={"Cache-Control": CACHE_CONTROL})
