"""The exchange behind its governor, as the REST collectors ask it."""

import redis
from django.conf import settings

from ingestion.sources.governor import Governor
from ingestion.sources.rest import FuturesExchange


def governor() -> Governor:
    """The one governor of all workers' REST requests."""
    return Governor(
        redis.Redis.from_url(settings.REDIS_URL),
        settings.REST_WEIGHT_A_MINUTE,
        settings.REST_RECHECK_SECONDS,
    )


def open_exchange() -> FuturesExchange:
    """The exchange that FUTURES_BASE_URL names; to be closed."""
    return FuturesExchange(
        settings.FUTURES_BASE_URL, governor(), timeout=settings.REST_TIMEOUT_SECONDS
    )
