"""Signs of life of the Celery programs: one hash in the broker, cheap to leave and to read.

Asking the workers themselves takes a second or more and an answer of every one.
"""

import json
import logging
import time
from collections.abc import Callable, Iterable

import redis
from redis.exceptions import RedisError

from liqheat_project.kernel.redis import redis_with_short_timeout

KEY = "liqheat:heartbeats"
QUEUES_KEY = "liqheat:served-queues"
FAILING_KEY = "liqheat:failing-programs"
FAILING_SECONDS = 60  # what nobody repeats is not true any more
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

    def beat(self, name: str, queues: Iterable[str] = ()) -> None:
        """The program lives, and serves these queues. A broker that does not answer is no reason to
        disturb it."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._every
        self._client = self._client or redis_with_short_timeout(self._url())
        try:
            beat = str(time.time())
            self._client.hset(KEY, name, beat)
            for queue in queues:
                self._client.hset(QUEUES_KEY, queue, beat)
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


def queue_ages(client: redis.Redis) -> dict[str, float]:
    """By queue, the seconds since the last sign of life of a worker that serves it."""
    now = time.time()
    return {
        _text(queue): max(0.0, now - float(beat))
        for queue, beat in client.hgetall(QUEUES_KEY).items()
    }


def note_failing(client: redis.Redis, programs: list[str]) -> None:
    """Say which programs keep failing, to be repeated within `FAILING_SECONDS`."""
    client.set(FAILING_KEY, json.dumps(programs), ex=FAILING_SECONDS)


def failing(client: redis.Redis) -> list[str]:
    """The programs that keep failing, as their supervisor says."""
    noted = client.get(FAILING_KEY)
    return json.loads(noted) if noted else []


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
