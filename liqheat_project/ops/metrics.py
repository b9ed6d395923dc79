"""Prometheus metrics, read from the databases and the broker when they are asked for.

The web server has several processes, and most of the work is done in others: counting in memory
would give each scrape another process's numbers.
"""

import hmac
import logging
from collections.abc import Callable, Iterable, Iterator

from django.conf import settings
from django.db import Error as DatabaseError
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from ingestion import lake
from ingestion.errors import IngestionError
from ingestion.lake.connection import translated_errors
from ingestion.lake.read import loaded_series
from ingestion.models import CollectorState, DamagedFile, IngestionJob, Symbol
from liqheat_project.kernel.runs import RunState
from liqheat_project.ops import status
from validation.backtest import liquidated

LOOPBACK = ("127.0.0.1", "::1")
FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")

logger = logging.getLogger(__name__)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The metrics in Prometheus's text format, for those who may see them."""
    if not _is_allowed(request):
        return HttpResponse(
            "Metrics are for this machine only, or for who has the METRICS_TOKEN.\n",
            status=403,
            content_type="text/plain",
        )
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _is_allowed(request: HttpRequest) -> bool:
    """With METRICS_TOKEN set, whoever has it. Without, this machine, but not what a proxy on it
    passes on from elsewhere."""
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {settings.METRICS_TOKEN}".encode())
    forwarded = any(name in request.META for name in FORWARDED)
    return request.META.get("REMOTE_ADDR") in LOOPBACK and not forwarded


class Figures(Collector):
    """Everything that is measured. A part that does not answer gives `liqheat_up 0` and no figures:
    none is better than old ones."""

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("liqheat_up", "Whether this part answered.", labels=["part"])
        parts: dict[str, Callable[[], Iterable[Metric]]] = {
            "database": _of_database,
            "lake": _of_lake,
            "broker": _of_broker,
            "amounts": _of_amounts,
        }
        for part, measure in parts.items():
            try:
                yield from list(measure())
            except (DatabaseError, RedisError, IngestionError) as error:
                logger.warning("No metrics of the %s: %s", part, error)
                up.add_metric([part], 0)
            else:
                up.add_metric([part], 1)
        yield up


def _of_database() -> Iterator[Metric]:
    jobs = _gauge("liqheat_jobs", "Ingestion jobs by state.", "state")
    counted = dict(IngestionJob.objects.order_by().values_list("state").annotate(count=Count("pk")))
    for state in RunState.values:
        jobs.add_metric([state], counted.get(state, 0))
    yield jobs
    damaged = DamagedFile.objects.count()
    yield GaugeMetricFamily("liqheat_damaged_files", "Damaged files of the lake.", value=damaged)
    errors = _gauge(
        "liqheat_collector_errors_in_a_row", "Errors since the last success.", "collector", "symbol"
    )
    success = _gauge(
        "liqheat_collector_last_success_timestamp_seconds",
        "When the collector last succeeded.",
        "collector",
        "symbol",
    )
    well = _gauge("liqheat_collector_well", "1 unless it fails or is late.", "collector", "symbol")
    now = timezone.now()
    for one in CollectorState.objects.all():
        labels = [one.collector, one.symbol]
        errors.add_metric(labels, one.errors_in_a_row)
        well.add_metric(labels, float(status.condition(one, now) not in status.NOT_WELL))
        if one.last_success:
            success.add_metric(labels, one.last_success.timestamp())
    yield from (errors, success, well)


def _of_lake() -> Iterator[Metric]:
    found = status.lake_status()
    lag = _gauge("liqheat_lag_seconds", "Age of an enabled symbol's newest row.", "symbol", "kind")
    recent = _gauge(
        "liqheat_rows_last_hour", "Rows that lie within the last hour.", "symbol", "kind"
    )
    coverage = _gauge(
        "liqheat_liquidation_coverage_ratio",
        "Share of the last 24 hours in which liquidations were listened for.",
        "symbol",
    )
    for symbol in found.symbols:
        for kind, age in symbol.age_seconds.items():
            if age is not None:
                lag.add_metric([symbol.name, kind], age)
        for kind, rows in symbol.rows_last_hour.items():
            recent.add_metric([symbol.name, kind], rows)
        coverage.add_metric([symbol.name], symbol.coverage_percent / 100)
    yield from (lag, recent, coverage)
    yield _rows_loaded()
    for name, help_text, value in (
        ("liqheat_lake_version", "Number of the lake's newest state.", found.size.version),
        ("liqheat_lake_files", "Parquet files of the newest state.", found.size.files),
        ("liqheat_lake_bytes", "Bytes of these files.", found.size.bytes),
        ("liqheat_lake_disk_free_bytes", "Free on the lake's disk.", found.disk_free),
    ):
        yield GaugeMetricFamily(name, help_text, value=value)


def _rows_loaded() -> Metric:
    rows = _gauge(
        "liqheat_loaded_rows",
        "Rows in the lake that files of the archive gave.",
        "symbol",
        "dataset",
        "interval",
    )
    with translated_errors(), lake.read.snapshot() as cursor:
        for symbol, series in loaded_series(cursor).items():
            for one in series:
                rows.add_metric([symbol, one.dataset, one.interval], one.rows)
    return rows


def _of_broker() -> Iterator[Metric]:
    found = status.broker_status()
    queued = _gauge("liqheat_queued_messages", "Messages that wait for a worker.", "queue")
    for queue, count in found.queued.items():
        queued.add_metric([queue], count)
    heartbeat = _gauge(
        "liqheat_heartbeat_age_seconds", "Since a program's last sign of life.", "program"
    )
    for program, age in found.heartbeat_seconds.items():
        heartbeat.add_metric([program], age)
    yield from (queued, heartbeat)
    if found.governor is not None:
        for name, help_text, value in (
            (
                "liqheat_request_weight_used",
                "Weight of REST requests in this minute.",
                found.governor["used_weight"],
            ),
            (
                "liqheat_requests_stopped",
                "1 while no REST request may be sent.",
                found.governor["stopped_until"] is not None,
            ),
            (
                "liqheat_archive_only",
                "1 while the exchange refuses REST requests from here.",
                found.governor["archive_only"],
            ),
        ):
            yield GaugeMetricFamily(name, help_text, value=float(value))


def _of_amounts() -> Iterator[Metric]:
    """As the daily task kept them in the cache; nothing is computed here."""
    usd = _gauge(
        "liqheat_liquidated_usd_a_day",
        "USD liquidated a day: modelled, recorded, and the fall of open interest.",
        "symbol",
        "kind",
    )
    apart = _gauge(
        "liqheat_liquidated_well",
        "1 unless modelled liquidations are more than a factor of 5 off either.",
        "symbol",
    )
    for symbol in Symbol.enabled_names():
        found = liquidated.known(symbol)
        if found is None:
            continue
        for kind, value in (
            ("modelled", found.modelled),
            ("recorded", found.recorded),
            ("open_interest_fall", found.fall),
        ):
            if value is not None:
                usd.add_metric([symbol, kind], value)
        apart.add_metric([symbol], float(not found.remarks))
    yield from (usd, apart)


def _gauge(name: str, help_text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_text, labels=list(labels))
