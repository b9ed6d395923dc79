"""Flower behind its password on every path, for the hosts that are ours, and in no frame.

By itself Flower shows /metrics and its static files to anyone, and answers under any name.
"""

import hmac
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from flower.app import Flower
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform, RequestHandler

HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'none'; base-uri 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Refused(RequestHandler):
    """The answer to a request that is not let in."""

    def initialize(self, status: int) -> None:
        self._status = status

    def prepare(self) -> None:
        self.set_status(self._status)
        if self._status == 401:
            self.set_header("WWW-Authenticate", 'Basic realm="flower"')
        self.finish()


class SafeHeaders(OutputTransform):
    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        for name, value in HEADERS.items():
            headers[name] = value
        return status_code, headers, chunk


class GuardedFlower(Flower):
    """Flower that looks at who asks before it looks at what."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add_transform(SafeHeaders)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        status = refusal(request, self.options.basic_auth)
        if status:
            return self.get_handler_delegate(request, Refused, {"status": status})
        return super().find_handler(request, **kwargs)


def refusal(request: HTTPServerRequest, passwords: Sequence[str]) -> int:
    """400 for a host that is not ours, 401 without one of the `user:password` pairs, else 0."""
    allowed = [*settings.ALLOWED_HOSTS, settings.FLOWER_ADDRESS.rpartition(":")[0]]
    domain, _ = split_domain_port(request.host)
    if not domain or not validate_host(domain, allowed):
        return 400
    given = request.headers.get("Authorization", "").encode()
    known = [b"Basic " + b64encode(pair.encode()) for pair in passwords]
    return 0 if any([hmac.compare_digest(given, one) for one in known]) else 401
