"""When beat sent what last, in the broker: no file that a full disk or a lost machine damages.

The schedule itself is that of the settings. What is lost of the times, or can't be read, costs that
its task is sent one period after the start instead of when it was due.
"""

import logging
from datetime import UTC, datetime

from celery.beat import Scheduler
from django.conf import settings
from redis.exceptions import RedisError

from liqheat_project.kernel.redis import redis_with_short_timeout

KEY = "liqheat:beat-last-runs"

logger = logging.getLogger(__name__)


class StaticScheduler(Scheduler):
    """The schedule of the settings, which goes on over a restart where it was."""

    sync_every = 30

    def setup_schedule(self) -> None:
        super().setup_schedule()
        now = datetime.now(UTC)
        for name, at in _last_runs().items():
            if name in self.schedule and at <= now:  # a later one: the clock fell back
                self.schedule[name].last_run_at = at

    def sync(self) -> None:
        runs = {name: entry.last_run_at.isoformat() for name, entry in self.schedule.items()}
        try:
            with redis_with_short_timeout(settings.REDIS_URL) as client:
                client.hset(KEY, mapping=runs)
        except RedisError as error:
            logger.warning("When what was sent could not be noted: %s", error)


def _last_runs() -> dict[str, datetime]:
    try:
        with redis_with_short_timeout(settings.REDIS_URL) as client:
            noted = client.hgetall(KEY)
    except RedisError as error:
        logger.warning("When what was sent last could not be read: %s", error)
        return {}
    runs = {}
    for name, at in noted.items():
        try:
            runs[name.decode()] = datetime.fromisoformat(at.decode()).astimezone(UTC)
        except ValueError:
            logger.warning("The broker notes no time for %r: %r", name, at)
    return runs
