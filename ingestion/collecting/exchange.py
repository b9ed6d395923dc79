"""The exchange behind its governor, as the REST collectors ask it."""

from django.conf import settings

from ingestion.sources.governor import Governor
from ingestion.sources.rest import FuturesExchange
from liqheat_project.kernel.redis import redis_with_short_timeout


def governor() -> Governor:
    """The one governor of all workers' REST requests."""
    return Governor(
        redis_with_short_timeout(settings.REDIS_URL),
        settings.REST_WEIGHT_A_MINUTE,
        settings.REST_RECHECK_SECONDS,
    )


def resume() -> bool:
    """A person ends archive-only mode: the next request shows whether the exchange serves this
    address by now. False, and no change, in any other state: what the exchange named a time for
    is not ours to lift. Raises SourceUnavailable when the broker does not answer."""
    guard = governor()
    if not guard.status().archive_only:
        return False
    guard.resume()
    return True


def open_exchange() -> FuturesExchange:
    """The exchange that FUTURES_BASE_URL names; to be closed."""
    return FuturesExchange(
        settings.FUTURES_BASE_URL, governor(), timeout=settings.REST_TIMEOUT_SECONDS
    )
