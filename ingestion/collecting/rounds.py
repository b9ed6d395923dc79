"""What the collectors share that beat calls round by round: the symbols, and the account."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from ingestion.collecting import state
from ingestion.errors import TemporaryError
from ingestion.models import CollectorState, Symbol


def enabled_symbols() -> list[str]:
    """Names of the symbols that collectors work for, asked of the database now."""
    return Symbol.enabled_names() if settings.COLLECT else []


def mark_refused(collector: CollectorState.Collector, refused: dict[str, str]) -> None:
    """Give the symbols that the source refuses a state of their own, with its reason; forget it
    of those that it serves again."""
    for symbol, reason in refused.items():
        state.failed(collector, reason, symbol)
    CollectorState.objects.filter(collector=collector).exclude(symbol__in=["", *refused]).delete()


def idle(collector: CollectorState.Collector) -> None:
    """No symbol is enabled: no run is due any more, and nothing is wrong."""
    mark_refused(collector, {})
    CollectorState.objects.filter(collector=collector).update(next_run=None, errors_in_a_row=0)


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
