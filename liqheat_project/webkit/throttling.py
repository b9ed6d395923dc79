"""Who asks the API, and how often: by address, by session, or by a key of API_KEYS."""

import hashlib
import hmac
import logging
import time
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.cache import cache
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from redis.exceptions import RedisError
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from liqheat_project.webkit.clients import network_of

WINDOW_SECONDS = 60
HEADER = "X-API-Key"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ApiClient:
    """Whoever sent one of API_KEYS. It may ask more often; there is nothing else it may do."""

    name: str
    pk: None = None
    is_authenticated: bool = True
    is_staff: bool = False


class ApiKeyAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[ApiClient, str] | None:
        given = request.headers.get(HEADER)
        if given is None:
            return None
        for name, key in settings.API_CLIENTS.items():
            if hmac.compare_digest(given.encode(), key.encode()):
                return ApiClient(name), key
        raise AuthenticationFailed(f"{HEADER} is not one of API_KEYS.")

    def authenticate_header(self, request: Request) -> str:
        return HEADER


class ApiKeyScheme(OpenApiAuthenticationExtension):
    target_class = ApiKeyAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "header", "name": HEADER}


class ClientThrottle(BaseThrottle):
    """Counts a client's requests in each minute. Without the cache nobody is counted."""

    def allow_request(self, request: Request, view: Any) -> bool:
        kind, client = client_of(request)
        most = settings.THROTTLES[kind]
        if not most:
            return True
        now = time.time()
        self._wait = WINDOW_SECONDS - now % WINDOW_SECONDS
        name = hashlib.sha256(client.encode()).hexdigest()[:32]
        key = f"throttle:{kind}:{name}:{int(now // WINDOW_SECONDS)}"
        try:
            return _counted(key) <= most
        except (RedisError, ValueError) as error:  # ValueError: the cache has just dropped it
            logger.warning("Requests are not counted, the cache does not answer: %s", error)
            return True

    def wait(self) -> float:
        return self._wait


def _counted(key: str) -> int:
    try:
        return int(cache.incr(key))
    except ValueError:  # the first of this minute
        cache.add(key, 0, timeout=2 * WINDOW_SECONDS)
        return int(cache.incr(key))


def client_of(request: Request) -> tuple[str, str]:
    """The kind of a client (a name of THROTTLES), and who it is."""
    user = request.user
    if isinstance(user, ApiClient):
        return "api_key", user.name
    if user is not None and user.is_authenticated:
        return "session", str(user.pk)
    return "anonymous", network_of(request.META.get("REMOTE_ADDR", ""))
