"""What other apps may ask of ingestion: to load days of a symbol, to look at its files."""

import logging
from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

import redis
from django.core.cache import caches
from kombu.exceptions import OperationalError

from ingestion.loading.jobs import create_job
from ingestion.models import IngestionJob, Symbol
from ingestion.tasks import look_for_damage as look_for_damage_task
from ingestion.tasks import send

LOAD = "ingestion.load_data"
"""The permission of a person who asks."""
LOOK_AGAIN_SECONDS = 600

logger = logging.getLogger(__name__)


def plan(
    symbol: Symbol, datasets: Sequence[str], days: Collection[date], requested_by: Any = None
) -> IngestionJob:
    """A job for these days from the archive; what the lake holds already is left alone."""
    return create_job(
        symbol, datasets, min(days), max(days), requested_by=requested_by, only=set(days)
    )


def hand_out(job: IngestionJob) -> None:
    """Tell the workers. Without a broker the job waits and is handed out by beat."""
    send(job.chunks.values_list("pk", flat=True))


def look_for_damage(symbol: str) -> None:
    """Have a worker compare the files of a registered symbol, which could not be read just now,
    with their checksums; once in ten minutes, however many ask."""
    if not Symbol.objects.filter(name=symbol).exists():
        return
    try:
        if caches["answers"].add(f"look-for-damage:{symbol}", b"", LOOK_AGAIN_SECONDS):
            look_for_damage_task.delay(symbol)
    except (redis.RedisError, OperationalError) as error:
        logger.warning("No worker was told to look at the files of %s: %s", symbol, error)
