"""The collectors' status records."""

import logging
from datetime import datetime
from typing import Any

from django.db.models import F
from django.utils import timezone

from ingestion.models import CollectorState
from liqheat_project.kernel.logs import event


def succeeded(
    collector: CollectorState.Collector,
    symbol: str = "",
    next_run: datetime | None = None,
    **details: Any,
) -> None:
    """A run went well. `details` are kept until the next success."""
    # The recorder of liquidations says so every few seconds.
    is_frequent = collector == CollectorState.Collector.LIQUIDATIONS
    level = logging.DEBUG if is_frequent else logging.INFO
    event("round", level, collector=collector, symbol=symbol, state="ok", **details)
    CollectorState.objects.update_or_create(
        collector=collector,
        symbol=symbol,
        defaults={
            "last_success": timezone.now(),
            "errors_in_a_row": 0,
            "next_run": next_run,
            "details": details,
        },
    )


def failed(
    collector: CollectorState.Collector,
    reason: str,
    symbol: str = "",
    next_run: datetime | None = None,
) -> None:
    """A run failed for a reason that a person can act on."""
    event(
        "round", logging.WARNING, collector=collector, symbol=symbol, state="failed", reason=reason
    )
    failure = {"last_error": reason, "last_error_at": timezone.now(), "next_run": next_run}
    CollectorState.objects.update_or_create(
        collector=collector,
        symbol=symbol,
        defaults=failure | {"errors_in_a_row": F("errors_in_a_row") + 1},
        create_defaults=failure | {"errors_in_a_row": 1},
    )
