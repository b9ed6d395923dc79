"""Celery's entrances to the use cases. Arguments are ids; the rows hold everything else."""

import logging

from celery import shared_task
from django.utils import timezone

from ingestion.models import Symbol
from validation import inbox, runs
from validation.backtest.liquidated import liquidated
from validation.calibration.fit import NotFitted
from validation.calibration.run import calibrate

logger = logging.getLogger(__name__)


def send(run_id: int) -> None:
    """Tell a worker of a run, once the current transaction is committed."""
    execute.delay_on_commit(run_id)


@shared_task(name="validation.execute", time_limit=runs.LONGEST_SECONDS)
def execute(run_id: int) -> None:
    runs.execute(run_id)


@shared_task(name="validation.pick_up")
def pick_up() -> None:
    for run in inbox.pick_up(timezone.now()):
        execute.delay(run.pk)


@shared_task(name="validation.hand_out_again")
def hand_out_again() -> None:
    for run_id in runs.forgotten(timezone.now()):
        execute.delay(run_id)


@shared_task(name="validation.make_again_after_loading")
def make_again_after_loading() -> None:
    for run in runs.make_again_after_loading():
        execute.delay(run.pk)


@shared_task(name="validation.measure_amounts")
def measure_amounts() -> None:
    for symbol in Symbol.objects.filter(enabled=True):
        liquidated(symbol)


@shared_task(name="validation.calibrate")
def calibrate_all() -> None:
    for symbol in Symbol.objects.filter(enabled=True):
        try:
            calibrate(symbol)
        except NotFitted as error:
            logger.info("%s is not calibrated: %s", symbol, error)
