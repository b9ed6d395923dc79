"""Clients of Redis."""

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


def redis_with_short_timeout(url: str, seconds: float = 2.0) -> redis.Redis:
    """A client for questions whose answer is not worth a long wait."""
    return redis.Redis.from_url(
        url,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), retries=0),
    )
