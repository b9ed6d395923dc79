"""A line of the log for each request that this program answers."""

import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from liqheat_project.kernel.logs import event

LONGEST_QUERY = 300


class AccessLogMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = self.get_response(request)
        event(
            "request",
            method=request.method,
            path=request.path[:LONGEST_QUERY],
            query=request.META.get("QUERY_STRING", "")[:LONGEST_QUERY],
            status=response.status_code,
            milliseconds=round((time.perf_counter() - started) * 1000, 1),
            cache=response.headers.get("X-Cache"),
            client=request.META.get("REMOTE_ADDR"),
        )
        return response
