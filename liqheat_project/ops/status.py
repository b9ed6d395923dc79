"""How all that runs by itself is doing: for the admin's page, `/health` and `/metrics`."""

import math
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from django.conf import settings

from ingestion import lake
from ingestion.lake.connection import translated_errors
from ingestion.lake.freshness import KINDS, Freshness, LakeSize, freshness, size
from ingestion.lake.liquidations import heard_share, heard_spans
from ingestion.models import CollectorState, Symbol
from ingestion.sources.governor import KEY, status_of
from liqheat_project.kernel import heartbeats
from liqheat_project.kernel.disk import FULL_BYTES, existing
from liqheat_project.kernel.instants import DAY_MS
from liqheat_project.kernel.redis import redis_with_short_timeout

QUEUES = ("ingest", "live", "validation")
CONDITIONS = ("failing", "late", "ok", "off")
"""Of a collector, the worst one first."""
NOT_WELL = ("failing", "late")
LATE_AFTER = timedelta(minutes=5)
SILENT_AFTER_SECONDS = 60.0


@dataclass(frozen=True)
class SymbolStatus:
    """An enabled symbol: by kind of rows the seconds since the newest one's end, None where there
    is none, and the rows of the last hour; the share of the last day, 0 to 100, in which its
    liquidations were listened for."""

    name: str
    age_seconds: dict[str, float | None]
    rows_last_hour: dict[str, int]
    coverage_percent: float


@dataclass(frozen=True)
class LakeStatus:
    size: LakeSize
    disk_free: int
    symbols: list[SymbolStatus]

    @property
    def disk_full(self) -> bool:
        return self.disk_free < FULL_BYTES


@dataclass(frozen=True)
class BrokerStatus:
    """`queued` messages by queue, `unacknowledged` ones that workers hold, seconds since each
    program's last sign of life, queues that no worker serves, programs that keep failing, and what
    the governor of REST requests notes (None: nothing)."""

    version: str
    memory_bytes: int
    queued: dict[str, int]
    unacknowledged: int
    heartbeat_seconds: dict[str, float]
    unserved: list[str]
    failing: list[str]
    governor: dict[str, Any] | None

    @property
    def silent(self) -> list[str]:
        """The programs that have not been heard of for a while."""
        return [name for name, age in self.heartbeat_seconds.items() if age > SILENT_AFTER_SECONDS]


def condition(state: CollectorState, now: datetime) -> str:
    """`ok`, `failing`, `late` where the next run is long due and nothing was heard, or `off` while
    COLLECT is false. The files of the lake are looked at all the same."""
    if not settings.COLLECT and state.collector != CollectorState.Collector.LAKE_FILES:
        return "off"
    if state.errors_in_a_row:
        return "failing"
    if state.next_run is not None and now - state.next_run > LATE_AFTER:
        return "late"
    return "ok"


def lake_status() -> LakeStatus:
    """Size and freshness in one snapshot of the lake. Raises TemporaryError when it is away."""
    names = Symbol.enabled_names()
    now_ms = time.time_ns() // 1_000_000
    with translated_errors(), lake.read.snapshot() as cursor:
        known = freshness(cursor, now_ms)
        spans = heard_spans(cursor, now_ms - DAY_MS, now_ms)
        total = size(cursor)
    symbols = [
        _symbol_status(name, known.get(name, Freshness()), spans.get(name, []), now_ms)
        for name in names
    ]
    return LakeStatus(total, shutil.disk_usage(existing(settings.LAKE_DATA_PATH)).free, symbols)


def broker_status() -> BrokerStatus:
    """Raises redis.RedisError when the broker does not answer."""
    with redis_with_short_timeout(settings.REDIS_URL) as client:
        about = client.info()
        return BrokerStatus(
            version=about.get("valkey_version") or about.get("redis_version", ""),
            memory_bytes=about.get("used_memory", 0),
            queued={queue: client.llen(queue) for queue in QUEUES},
            unacknowledged=client.hlen("unacked"),
            heartbeat_seconds=heartbeats.ages(client),
            unserved=unserved_queues(client),
            failing=heartbeats.failing(client),
            governor=_governor(client),
        )


def unserved_queues(client: redis.Redis) -> list[str]:
    """The queues that no worker has served for a while. Raises redis.RedisError."""
    ages = heartbeats.queue_ages(client)
    return [queue for queue in QUEUES if ages.get(queue, math.inf) > SILENT_AFTER_SECONDS]


def _symbol_status(
    name: str, known: Freshness, spans: list[tuple[int, int]], now_ms: int
) -> SymbolStatus:
    ages = {
        kind: max(0.0, (now_ms - known.newest_ms[kind]) / 1000) if kind in known.newest_ms else None
        for kind in KINDS
    }
    share = heard_share(spans, now_ms - DAY_MS, now_ms)
    rows = {kind: known.rows_last_hour.get(kind, 0) for kind in KINDS}
    return SymbolStatus(name, ages, rows, round(100 * share, 1))


def _governor(client: redis.Redis) -> dict[str, Any] | None:
    """What the governor of REST requests notes, with the weight used in the present minute."""
    notes, now = client.get(KEY), time.time()
    if notes is None:
        return None
    status = status_of(notes, now)
    stopped = status.stopped_until > now
    return {
        "used_weight": status.used_weight,
        "stopped_until": datetime.fromtimestamp(status.stopped_until, UTC) if stopped else None,
        "archive_only": status.archive_only,
        "reason": status.reason if stopped else "",
    }
