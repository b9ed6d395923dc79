"""Whether the web server answers at all. Asks nothing of databases or broker."""

from django.http import HttpRequest, JsonResponse


def live(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})
