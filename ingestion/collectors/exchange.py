"""What the REST collectors share: the exchange behind its governor, the symbols, the account."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import redis
from django.conf import settings
from django.utils import timezone

from ingestion.collectors import state
from ingestion.errors import TemporaryError
from ingestion.models import CollectorState, Symbol
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


def enabled_symbols() -> list[str]:
    """Names of the symbols that collectors work for, asked of the database now."""
    return list(Symbol.objects.filter(enabled=True).values_list("name", flat=True))


def mark_refused(collector: CollectorState.Collector, refused: dict[str, str]) -> None:
    """Give the symbols that the exchange refuses a state of their own, with its reason; forget it
    of those that it serves again."""
    for symbol, reason in refused.items():
        state.failed(collector, reason, symbol)
    CollectorState.objects.filter(collector=collector).exclude(symbol__in=["", *refused]).delete()


@contextmanager
def accounted(collector: CollectorState.Collector, period: float) -> Iterator[None]:
    """A run that breaks off for a while, such as without a network, is one state and no crash."""
    try:
        yield
    except TemporaryError as error:
        wait = max(period, getattr(error, "retry_after", None) or 0)
        state.failed(collector, str(error), next_run=in_seconds(wait))


def in_seconds(seconds: float) -> datetime:
    """The instant so many seconds from now."""
    return timezone.now() + timedelta(seconds=seconds)
