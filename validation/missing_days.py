"""Days of a run's window that are not loaded, and the job that loads them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from ingestion import requests
from ingestion.lake import read
from ingestion.models import IngestionJob
from liqheat_project.kernel.instants import DAY_MS
from validation.coinglass import Reference
from validation.compare.time_zone import window_of
from validation.models import ValidationRun

DATASETS = ("klines 5m", "metrics")
LONGEST_DAYS = 400


def note(run: ValidationRun, reference: Reference) -> None:
    """Set the first and the last day of the reference's window without candles or open interest."""
    try:
        first, last = window_of(reference)
    except ValueError:
        return
    days = _lacking(run, first // DAY_MS, last // DAY_MS)
    run.missing_from, run.missing_until = (days[0], days[-1]) if days else (None, None)


def commands(run: ValidationRun) -> list[str]:
    """What loads the days from the shell."""
    if run.missing_from is None or run.symbol is None:
        return []
    days = f"--start-date {run.missing_from} --end-date {run.missing_until}"
    return [
        f"manage.py ingest_klines --symbol {run.symbol.name} {days} --interval 5m",
        f"manage.py ingest_oi --symbol {run.symbol.name} {days}",
    ]


def can_be_loaded(run: ValidationRun) -> bool:
    """Whether there are such days and no job of this run is at them, or has loaded them."""
    if run.missing_from is None or run.symbol is None:
        return False
    return run.loading is None or (run.loading.has_ended and run.loading.state != "succeeded")


@transaction.atomic
def load(run: ValidationRun, by: Any = None) -> IngestionJob:
    """The job that loads them, planned and noted with the run, which is made again after it.

    Where one is at it already, that one. To be handed out by `ingestion.requests`.
    """
    run = ValidationRun.objects.select_for_update().get(pk=run.pk)
    if run.loading is not None and not can_be_loaded(run):
        return run.loading
    assert run.symbol and run.missing_from and run.missing_until, f"run {run.pk} misses no days"
    span = (run.missing_until - run.missing_from).days + 1
    days = [run.missing_from + timedelta(days=number) for number in range(span)]
    run.loading = requests.plan(run.symbol, DATASETS, days, by)
    run.save(update_fields=["loading"])
    return run.loading


def _lacking(run: ValidationRun, first: int, last: int) -> list[date]:
    """Days (numbers since 1970) that are over and lack candles or open interest."""
    assert run.symbol is not None, f"run {run.pk} has no symbol"
    with read.snapshot() as cursor:
        candles = {day.day_ms // DAY_MS for day in read.candle_days(cursor, run.symbol.name)}
        figures = {day // DAY_MS for day, _ in read.open_interest_days(cursor, run.symbol.name)}
    today = timezone.now().date()
    asked = range(max(first, last - LONGEST_DAYS), last + 1)
    days = [datetime.fromtimestamp(day * 86_400, UTC).date() for day in asked]
    there = candles & figures
    return [
        day for day, number in zip(days, asked, strict=True) if number not in there and day < today
    ]
