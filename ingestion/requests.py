"""What other apps may ask of ingestion: to load days of a symbol."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

from ingestion.jobs import create_job
from ingestion.models import IngestionJob, Symbol
from ingestion.tasks import send

LOAD = "ingestion.load_data"
"""The permission of a person who asks."""


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
