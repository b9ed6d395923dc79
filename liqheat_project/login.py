"""Logging in: bounded, limited for each client, and written down.

django-axes counts what fails and locks a client out before a password is hashed. Hashing takes a
processor for a good part of a second: only some logins are looked at at a time, so that wrong ones
cannot take the threads that answer everything else.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any

from axes.signals import user_locked_out
from django.conf import settings
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from ingestion import audit
from ingestion.models import SymbolEvent
from liqheat_project.webkit.clients import network_of

AT_ONCE = 2
SHOWN_NAME_LENGTH = 60

logger = logging.getLogger(__name__)
_places = threading.BoundedSemaphore(AT_ONCE)


class LoginPlaces:
    """Middleware: in each process so many logins at a time, and 503 for the others."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST" or request.path != reverse("admin:login"):
            return self.get_response(request)
        if not _places.acquire(blocking=False):
            return _refused(request, 503, 2, "Others are logging in right now. Try again.")
        try:
            return self.get_response(request)
        finally:
            _places.release()


def client_address(request: HttpRequest) -> str:
    """What django-axes counts by: the address, or the first one of an IPv6 network."""
    return network_of(request.META.get("REMOTE_ADDR", "")).partition("/")[0]


def locked_out(request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
    """What a client that failed too often is told, whatever password it sends."""
    seconds = int(settings.AXES_COOLOFF_TIME.total_seconds())
    return _refused(
        request,
        429,
        seconds,
        f"Too many wrong logins came from your address. You can try again in {seconds // 60} "
        "minutes, or have someone with a shell here run `manage.py axes_reset`.",
    )


def _refused(request: HttpRequest, status: int, seconds: int, text: str) -> HttpResponse:
    response = render(request, "login_refused.html", {"text": text}, status=status)
    response["Retry-After"] = str(seconds)
    return response


@receiver(user_logged_in)
def _logged_in(request: HttpRequest, user: Any, **_: Any) -> None:
    address = client_address(request)
    logger.info("%s logged in from %s", user, address)
    audit.record(SymbolEvent.Act.LOGGED_IN, text=f"from {address}", by=user)


@receiver(user_login_failed)
def _failed(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    if request is None or getattr(request, "axes_locked_out", False):
        return  # a lock is written down once, when it begins
    text = f"{_shown(credentials.get('username'))} from {client_address(request)}"
    logger.warning("Login failed: %s", text)
    audit.record(SymbolEvent.Act.LOGIN_FAILED, text=text)


@receiver(user_locked_out)
def _locked_out(request: HttpRequest, username: str | None, **_: Any) -> None:
    failures = getattr(request, "axes_failures_since_start", None)
    if failures is None:
        return  # locked already
    text = (
        f"{client_address(request)}, after {failures} wrong logins, the last as {_shown(username)}"
    )
    logger.warning("Locked out: %s", text)
    audit.record(SymbolEvent.Act.LOCKED_OUT, text=text)


def _shown(name: str | None) -> str:
    return repr(str(name or "")[:SHOWN_NAME_LENGTH])
