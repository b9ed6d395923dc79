"""Signs of life of the Celery programs: one hash in the broker, cheap to leave and to read.

Asking the workers themselves takes a second or more and an answer of every one.
"""

import logging
import time
from collections.abc import Callable

import redis
from redis.exceptions import RedisError

from liqheat_project.lib.broker import redis_with_short_timeout

KEY = "liqheat:heartbeats"
FORGOTTEN_AFTER_SECONDS = 86_400.0

logger = logging.getLogger(__name__)


class Heartbeat:
    """Leaves a program's sign of life, at most once in `every` seconds. `url` gives the broker's
    address when it is needed."""

    def __init__(self, url: Callable[[], str], every: float = 5.0) -> None:
        self._url = url
        self._every = every
        self._client: redis.Redis | None = None  # opened after the fork, if there is one
        self._next = 0.0

    def beat(self, name: str) -> None:
        """A broker that does not answer is no reason to disturb the program."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._every
        self._client = self._client or redis_with_short_timeout(self._url())
        try:
            self._client.hset(KEY, name, str(time.time()))
        except RedisError as error:
            logger.debug("No sign of life could be left: %s", error)


def ages(client: redis.Redis) -> dict[str, float]:
    """By program, the seconds since its last sign of life; those gone for a day are forgotten."""
    now = time.time()
    found = {_text(name): now - float(beat) for name, beat in client.hgetall(KEY).items()}
    gone = [name for name, age in found.items() if age > FORGOTTEN_AFTER_SECONDS]
    if gone:
        client.hdel(KEY, *gone)
    return {name: max(0.0, found[name]) for name in sorted(found) if name not in gone}


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
