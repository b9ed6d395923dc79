"""What is answered where there is no view to answer."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.defaults import page_not_found

FOR_PEOPLE = ("/admin/", "/heatmap", "/static/")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: a page for people, and for programs an error in the form of all the API's errors."""
    if request.path.startswith(FOR_PEOPLE):
        return page_not_found(request, exception)
    detail = f"There is nothing at {request.path[:200]}; /api/docs names what there is."
    error = {"code": "not_found", "detail": detail, "attr": None}
    return JsonResponse({"type": "client_error", "errors": [error]}, status=404)
