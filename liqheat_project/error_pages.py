"""What is answered where no view answers: unknown addresses, and what no page can be made of."""

import sys

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.views.defaults import page_not_found
from django.views.defaults import server_error as page_of_fault

from ingestion.errors import IngestionError
from liqheat_project.kernel import complaints

FOR_PEOPLE = ("/admin/", "/heatmap", "/static/")
RETRY_SECONDS = "5"


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: a page for people, and for programs an error in the form of all the API's errors."""
    if request.path.startswith(FOR_PEOPLE):
        return page_not_found(request, exception)
    detail = f"There is nothing at {request.path[:200]}; /api/docs names what there is."
    return _as_json("client_error", "not_found", detail, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """503 with a sentence for a database, a lake or a machine in trouble; 500 for a fault of the
    program."""
    text = _sentence(request, sys.exception())
    if text is None:
        return page_of_fault(request)
    if request.path.startswith(FOR_PEOPLE):
        # Without the request, for which the page would ask the database again.
        response = HttpResponse(render_to_string("unavailable.html", {"text": text}), status=503)
    else:
        response = _as_json("server_error", "unavailable", text, 503)
    response["Retry-After"] = RETRY_SECONDS
    return response


def _sentence(request: HttpRequest, error: BaseException | None) -> str | None:
    if isinstance(error, IngestionError) and request.path.startswith("/admin/"):  # for staff alone
        return str(error)
    return complaints.sentence(error, in_public=True) if error else None


def _as_json(kind: str, code: str, detail: str, status: int) -> JsonResponse:
    error = {"code": code, "detail": detail, "attr": None}
    return JsonResponse({"type": kind, "errors": [error]}, status=status)
