"""One governor for the REST requests of all workers, with its state in Redis.

The exchange counts the weight of requests by IP address and minute, and bans addresses that go on
after it said stop; a worker that knows only of its own requests can't keep to that. So every
request of every process is admitted here first and its outcome told here.

- The budget of weight a minute is ours, well below the exchange's limit; what the response headers
  say of the address counts where it is more (other programs may share the address).
- 429 stops all until `Retry-After`, 418 until the time it names, 451 and 403 for a long time:
  archive-only mode, until a person resumes or the next check is due.
- Other failures stop all for a moment that doubles with each in a row, with jitter.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

import redis

from ingestion.errors import SourceUnavailable
from liqheat_project.kernel.backoff import backoff

KEY = "liqheat:rest"
MINUTE = 60.0
FIRST_BACKOFF = 1.0
LONGEST_BACKOFF = 600.0
LONGEST_BAN = 3 * 86_400.0
"""No stop lasts longer, whatever an answer names."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Status:
    """What the governor knows. Instants in seconds since the epoch, 0 for never.

    `used_weight` counts in `minute` (number since the epoch). Requests are refused until
    `stopped_until`, because of `reason`. `archive_only` says that the exchange does not serve this
    address at all; `failures` counts those in a row.
    """

    minute: int = 0
    used_weight: int = 0
    stopped_until: float = 0.0
    reason: str = ""
    archive_only: bool = False
    failures: int = 0


class Governor:
    """Admits requests and is told how they went. `budget` is weight a minute.

    `recheck_seconds` is how long archive-only mode lasts before one request tries again. The
    methods raise SourceUnavailable while the broker, which `client` asks, does not answer; but
    `observe` and `succeeded` only log it, for the answer that they are about has come.
    """

    def __init__(
        self,
        client: redis.Redis,
        budget: int,
        recheck_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self.budget = budget
        self._recheck_seconds = recheck_seconds
        self._clock = clock

    def admit(self, weight: int) -> None:
        """Count a request of this weight before it is sent.

        Raises SourceUnavailable, with the wait, while all requests are stopped or when the budget
        of this minute is used up.
        """
        now = self._clock()

        def spend(status: Status) -> Status:
            if now < status.stopped_until:
                raise SourceUnavailable(
                    f"REST requests are stopped: {status.reason}", status.stopped_until - now
                )
            if status.used_weight and status.used_weight + weight > self.budget:
                raise SourceUnavailable(
                    f"the budget of {self.budget:,} request weight a minute is used up",
                    MINUTE - now % MINUTE,
                )
            return replace(status, used_weight=status.used_weight + weight)

        self._change(spend)

    def observe(self, used_weight: int) -> None:
        """The response's header says that the address has used so much weight this minute."""
        self._note(lambda status: replace(status, used_weight=max(status.used_weight, used_weight)))

    def succeeded(self) -> None:
        """The exchange answered a request: what had failed before is over.

        A stop that another worker's answer imposed meanwhile stays.
        """
        now = self._clock()

        def clear(status: Status) -> Status:
            if now < status.stopped_until:
                return status
            return Status(status.minute, status.used_weight)

        self._note(clear)

    def stop(self, seconds: float, reason: str) -> None:
        """The exchange itself said for how long no request may come (429, 418)."""
        self.stop_until(self._clock() + seconds, reason)

    def stop_until(self, instant: float, reason: str) -> None:
        """The same, until an instant in seconds since the epoch."""
        self._stop(min(instant, self._clock() + LONGEST_BAN), reason)

    def go_archive_only(self, reason: str) -> None:
        """The exchange does not serve this address (451, 403)."""
        self._stop(self._clock() + self._recheck_seconds, reason, archive_only=True)

    def failed(self, reason: str) -> None:
        """No usable answer came: all wait for a moment, for longer the more often in a row."""
        now = self._clock()

        def back_off(status: Status) -> Status:
            status = replace(status, failures=status.failures + 1)
            until = now + backoff(status.failures, FIRST_BACKOFF, LONGEST_BACKOFF)
            return _later_stop(status, until, reason, status.archive_only)

        self._change(back_off)

    def resume(self) -> None:
        """A person lifts whatever stop there is; the next request will show."""
        self._change(lambda status: Status(status.minute, status.used_weight))

    def status(self) -> Status:
        """The state now, for people."""
        with _answering():
            return status_of(self._client.get(KEY), self._clock())

    def _stop(self, until: float, reason: str, archive_only: bool = False) -> None:
        self._change(
            lambda status: _later_stop(status, until, reason, archive_only or status.archive_only)
        )

    def _change(self, edit: Callable[[Status], Status]) -> None:
        """Apply `edit` to the state that no other worker changes meanwhile."""

        def attempt(pipe: redis.client.Pipeline) -> None:
            before = status_of(pipe.get(KEY), self._clock())
            after = edit(before)
            pipe.multi()
            if after != before:
                pipe.set(KEY, json.dumps(asdict(after)))

        with _answering():
            self._client.transaction(attempt, KEY)

    def _note(self, edit: Callable[[Status], Status]) -> None:
        """Change the state on account of an answer, which is not lost where that fails."""
        try:
            self._change(edit)
        except SourceUnavailable as error:
            logger.warning("Could not record the response in Redis: %s", error)


def status_of(stored: object, now: float) -> Status:
    """What the governor's note in the broker, the value of KEY, means at an instant."""
    status = Status(**json.loads(stored)) if isinstance(stored, bytes | str) else Status()
    minute = int(now // MINUTE)
    return status if status.minute == minute else replace(status, minute=minute, used_weight=0)


@contextmanager
def _answering() -> Iterator[None]:
    """Nothing is asked of the exchange that the governor does not know of: SourceUnavailable."""
    try:
        yield
    except redis.RedisError as error:
        raise SourceUnavailable(
            f"The broker, which keeps the limits of requests, does not answer: {error}"
        ) from error


def _later_stop(status: Status, until: float, reason: str, archive_only: bool) -> Status:
    """The state with this stop, or as it is where an earlier one lasts longer."""
    if until <= status.stopped_until:
        return status
    return replace(status, stopped_until=until, reason=reason, archive_only=archive_only)
