"""Leases: one worker at a time loads a file, and a dead worker's file is free again soon."""

import logging
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from ingestion.errors import LeaseLost
from ingestion.models import Chunk, ChunkState
from liqheat_project.kernel import clock
from liqheat_project.kernel.logs import event

BATCH_SIZE = {"aggTrades": 1}
DEFAULT_BATCH_SIZE = 32
"""Candle and open-interest files are so small that a commit of its own would cost each of them
several times the work itself: a worker takes its chunk's next neighbours along."""

HEARTBEAT_SECONDS = 1.0

LONGEST_WAIT = timedelta(days=1, minutes=1)
"""Between two attempts, as far as a source may ask for; longer is a clock that was set back."""

logger = logging.getLogger(__name__)


class Lease:
    """The right to load a batch of chunks, named by `token`, with the bytes read so far."""

    def __init__(self, chunks: list[Chunk], token: uuid.UUID) -> None:
        self.chunks = chunks
        self.token = token
        self._bytes: dict[int, tuple[int, int | None]] = {}
        self._lost = threading.Event()
        self._ended = threading.Event()

    def report_bytes(self, chunk: Chunk, done: int, total: int | None) -> None:
        """Remember progress for the next sign of life. Raises LeaseLost when it is another's."""
        self._bytes[chunk.pk] = (done, total)
        if self._lost.is_set():
            raise LeaseLost(f"{chunk} was cancelled or taken over")

    def is_held(self, chunks: list[Chunk]) -> bool:
        """Whether this execution still owns all of `chunks`, asked of the database now."""
        ids = [chunk.pk for chunk in chunks]
        return self._mine().filter(pk__in=ids).count() == len(ids)

    def end(self, chunk: Chunk, state: str, **values: object) -> bool:
        """Give up one chunk with its outcome; False, and no change, when it is another's by now."""
        done, total = self._bytes.get(chunk.pk, (0, None))
        finished = None if state == ChunkState.WAITING else clock.now()
        ended = (
            self._mine()
            .filter(pk=chunk.pk)
            .update(
                state=state,
                lease_token=None,
                lease_until=None,
                finished_at=finished,
                **{"bytes_done": done, "bytes_total": total, "error_class": "", **values},
            )
        )
        if ended:
            _log_end(chunk, state, finished, values)
        return bool(ended)

    @contextmanager
    def kept_alive(self) -> Iterator[None]:
        """Push the lease forward from a thread of its own until the block ends."""
        thread = threading.Thread(target=self._beat, daemon=True, name="lease")
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _beat(self) -> None:
        try:
            while not self._ended.wait(HEARTBEAT_SECONDS):
                try:
                    self._give_sign_of_life()
                except (DatabaseError, InterfaceError) as error:
                    # A database that is busy or restarts must not cost a working worker its lease.
                    logger.warning("no sign of life for %s: %s", self.chunks[0], error)
                    connection.close()
        finally:
            connection.close()

    def _give_sign_of_life(self) -> None:
        if not self._mine().update(lease_until=_lease_end(clock.now())):
            self._lost.set()
        for pk, (done, total) in dict(self._bytes).items():
            self._mine().filter(pk=pk).update(bytes_done=done, bytes_total=total)

    def _mine(self) -> QuerySet[Chunk]:
        return Chunk.objects.filter(lease_token=self.token, state=ChunkState.RUNNING)


def _log_end(
    chunk: Chunk, state: str, finished: datetime | None, values: Mapping[str, object]
) -> None:
    known = {name: values.get(name) for name in ("rows", "quarantined", "reason", "retry_at")}
    event(
        "file",
        logging.WARNING if values.get("error_class") else logging.INFO,
        symbol=chunk.job.symbol.name,
        file=chunk.file.name,
        state=state,
        job=chunk.job_id,
        chunk=chunk.pk,
        attempt=chunk.attempts,
        seconds=(finished - chunk.started_at).total_seconds()
        if finished and chunk.started_at
        else None,
        **known,
    )


@transaction.atomic
def take(chunk_id: int) -> Lease | None:
    """Lease a chunk and its waiting neighbours; None when it is done, cancelled or another's.

    A chunk whose workers died too often fails here instead of being tried for ever.
    """
    now = clock.now()
    chunk = (
        Chunk.objects.select_for_update(of=("self",))
        .select_related("job__symbol")
        .filter(_is_free(now), pk=chunk_id)
        .first()
    )
    if chunk is None:
        return None
    if chunk.attempts >= settings.CHUNK_MAX_ATTEMPTS:
        Chunk.objects.filter(pk=chunk.pk).update(
            state=ChunkState.FAILED,
            lease_token=None,
            finished_at=now,
            reason=f"gave up after {chunk.attempts} attempts; the last: "
            + (chunk.reason or "its worker died"),
        )
        return None
    # What was tried before goes alone: a file that kills its worker must not take others along.
    chunks = [chunk] if chunk.attempts else [chunk, *_neighbours(chunk, now)]
    token = uuid.uuid4()
    Chunk.objects.filter(pk__in=[one.pk for one in chunks]).update(
        state=ChunkState.RUNNING,
        lease_token=token,
        lease_until=_lease_end(now),
        attempts=F("attempts") + 1,
        started_at=Coalesce("started_at", now),
        finished_at=None,
        retry_at=None,
    )
    for one in chunks:
        one.job = chunk.job
        one.started_at = one.started_at or now
        one.attempts += 1
    return Lease(chunks, token)


def _neighbours(chunk: Chunk, now: datetime) -> list[Chunk]:
    count = BATCH_SIZE.get(chunk.dataset, DEFAULT_BATCH_SIZE) - 1
    candidates = (
        Chunk.objects.select_for_update(
            skip_locked=connection.features.has_select_for_update_skip_locked
        )
        .filter(
            _is_free(now),
            job_id=chunk.job_id,
            dataset=chunk.dataset,
            interval=chunk.interval,
            period=chunk.period,
            start__gt=chunk.start,
            attempts=0,
        )
        .order_by("start")
    )
    return list(candidates[:count])


def _is_free(now: datetime) -> Q:
    return (
        Q(state=ChunkState.PENDING)
        | Q(state=ChunkState.WAITING, retry_at__lte=now)
        | Q(state=ChunkState.WAITING, retry_at__gt=now + LONGEST_WAIT)
        | has_expired(now)
    )


def has_expired(now: datetime) -> Q:
    """Chunks whose worker gives no sign of life.

    A lease that reaches beyond what anybody could have taken by now was taken before the clock was
    set back. It would outlive its dead worker for as long; a living one only loses its work.
    """
    impossible = now + 2 * timedelta(seconds=settings.CHUNK_LEASE_SECONDS)
    return Q(state=ChunkState.RUNNING) & (Q(lease_until__lt=now) | Q(lease_until__gt=impossible))


def _lease_end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.CHUNK_LEASE_SECONDS)
