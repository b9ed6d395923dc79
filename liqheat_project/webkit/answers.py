"""How an answer is found: not modified, from the cache, or computed, compressed and kept."""

import gzip
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import redis
from django.conf import settings
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response, patch_vary_headers

from liqheat_project.webkit.clients import network_of
from liqheat_project.webkit.fair_queue import FairQueue, Full, FullForClient

logger = logging.getLogger(__name__)

JSON = "application/json"
BINARY = "application/octet-stream"
CACHE_CONTROL = "public, max-age=1, must-revalidate"
BUSY = "The server is computing as many answers as it can; ask again in a second."
BUSY_WITH_YOURS = "The server is computing as many answers for you as it may; await one of them."
AT_ONCE = 2
LARGEST_KEPT = 8_000_000
# At level 4 text loses a tenth of its size and costs 20 ms more; the planes, a quarter for 3 ms.
COMPRESSION_LEVELS = {JSON: 1, BINARY: 4}


@dataclass(frozen=True)
class Answer:
    """A body with the key of all it depends on."""

    key: str
    body: bytes


def fingerprint(*folders: Path) -> str:
    """Of all Python source in the folders, whatever order the disk lists it in."""
    digest = hashlib.sha256()
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


CODE = fingerprint(settings.BASE_DIR / "heatmap", settings.BASE_DIR / "ingestion")
"""What makes the answers: no other version of it finds in the cache what this one kept."""


def key_of(*parts: Any) -> str:
    """A key of everything that an answer depends on, code included."""
    return hashlib.sha256(repr((CODE, *parts)).encode()).hexdigest()[:32]


def answer(
    request: HttpRequest, key: str, content_type: str, compute: Callable[[], Answer]
) -> HttpResponse:
    """The response to `request`: 304 where the client has `key`, else what the cache holds under
    it, else what `compute` makes, which may carry the key of newer data."""
    known = get_conditional_response(request, etag=_etag(key), response=None)
    if known is not None:
        known["ETag"], known["Cache-Control"] = _etag(key), CACHE_CONTROL
        return known
    packed = _from_cache(key)
    found = "miss" if packed is None else "hit"
    if packed is None:
        try:
            with queue.turn(network_of(request.META.get("REMOTE_ADDR", ""))):
                packed = _from_cache(key)  # whoever came first may have made it meanwhile
                if packed is None:
                    key, packed = _made(content_type, compute)
        except FullForClient:
            return _refusal(429, "client_error", "throttled", BUSY_WITH_YOURS)
        except Full:
            return _refusal(503, "server_error", "busy", BUSY)
    response = _response(request, key, content_type, packed)
    response["X-Cache"] = found
    return response


def _made(content_type: str, compute: Callable[[], Answer]) -> tuple[str, bytes]:
    made = compute()
    packed = gzip.compress(made.body, COMPRESSION_LEVELS[content_type], mtime=0)
    if len(packed) <= LARGEST_KEPT:
        try:
            caches["answers"].set(made.key, packed)
        except redis.RedisError as error:
            logger.warning("The cache does not answer: %s", error)
    return made.key, packed


def _response(request: HttpRequest, key: str, content_type: str, packed: bytes) -> HttpResponse:
    accepts_gzip = "gzip" in request.headers.get("Accept-Encoding", "")
    response = HttpResponse(
        packed if accepts_gzip else gzip.decompress(packed), content_type=content_type
    )
    if accepts_gzip:
        response["Content-Encoding"] = "gzip"
    response["ETag"] = _etag(key)
    response["Cache-Control"] = CACHE_CONTROL
    patch_vary_headers(response, ["Accept-Encoding"])
    return response


def _etag(key: str) -> str:
    return f'W/"{key}"'


def _from_cache(key: str) -> bytes | None:
    try:
        return caches["answers"].get(key)
    except redis.RedisError as error:
        logger.warning("The cache does not answer: %s", error)
        return None


# One thread of each web process stays free for what needs no computing. Of the others only some
# compute at a time, since each takes up to a few hundred MB; the rest wait their turn.
queue = FairQueue(places=max(settings.WEB_THREADS - 1, 1), at_once=AT_ONCE)


def _refusal(status: int, kind: str, code: str, detail: str) -> HttpResponse:
    body = orjson.dumps({"type": kind, "errors": [{"code": code, "detail": detail, "attr": None}]})
    return HttpResponse(body, status=status, content_type=JSON, headers={"Retry-After": "1"})
