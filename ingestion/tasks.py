"""Celery's entrances to the use cases. Arguments are ids; the rows hold everything else."""

from collections.abc import Iterable

from celery import shared_task

from ingestion import lake
from ingestion.collecting import archive_sync, candles, checksums, contracts, open_interest
from ingestion.loading import jobs, load
from ingestion.quality import damage
from ingestion.symbols import rollback
from liqheat_project.kernel import clock


def send(chunk_ids: Iterable[int]) -> None:
    """Tell the workers of chunks to load, once the current transaction is committed."""
    for chunk_id in chunk_ids:
        load_chunk.delay_on_commit(chunk_id)


@shared_task(name="ingestion.load_chunk")
def load_chunk(chunk_id: int) -> None:
    outcome = load.load_chunk(chunk_id)
    for retry_id, seconds in outcome.retries.items():
        load_chunk.apply_async((retry_id,), countdown=seconds)
    if outcome.merge_due:
        merge_small_files.delay()


@shared_task(name="ingestion.sweep")
def sweep() -> None:
    for chunk_id in jobs.sweep(clock.now()):
        load_chunk.delay(chunk_id)


@shared_task(name="ingestion.merge_small_files")
def merge_small_files() -> None:
    damage.merge_small_files()


@shared_task(name="ingestion.maintain_lake")
def maintain_lake() -> None:
    damage.merge_small_files()
    rollback.give_up_expired()
    lake.free_disk(lake.writer())
    load.clear_leftovers()


@shared_task(name="ingestion.collect_open_interest")
def collect_open_interest() -> None:
    open_interest.collect()


@shared_task(name="ingestion.collect_candles")
def collect_candles() -> None:
    candles.collect()


@shared_task(name="ingestion.sync_archive")
def sync_archive() -> None:
    send(archive_sync.collect())


@shared_task(name="ingestion.check_checksums")
def check_checksums() -> None:
    send(checksums.collect())


@shared_task(name="ingestion.check_contracts")
def check_contracts() -> None:
    contracts.collect()


@shared_task(name="ingestion.verify_lake_files")
def verify_lake_files() -> None:
    damage.verify_share()


@shared_task(name="ingestion.look_for_damage")
def look_for_damage(symbol: str) -> None:
    damage.verify(symbol)
