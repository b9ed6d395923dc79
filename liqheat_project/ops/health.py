"""Whether this installation can serve, in public: no paths, addresses or texts of errors.

What fails is logged with its reason, and stands in full on the admin's "System status" page.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from ingestion import lake
from ingestion.models import CollectorState, DamagedFile
from liqheat_project.kernel import heartbeats
from liqheat_project.kernel.disk import is_full
from liqheat_project.kernel.redis import redis_with_short_timeout
from liqheat_project.ops.status import CONDITIONS, NOT_WELL, condition, unserved_queues

PATIENCE_SECONDS = 3.0
DAMAGED_FILES_NAMED = 5
KNOWN_FOR_SECONDS = 1.0  # however many ask, each process looks up this often

logger = logging.getLogger(__name__)


@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """Whether the web server answers at all. Asks nothing of databases or broker."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Whether what every answer needs can be reached; 503 with what cannot be."""
    checks = _checks.results()
    return _answer({"status": _overall(checks), "checks": checks})


@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """The same with what keeps the data up to date: `degraded` where some of it fails, which is
    served with 200 because what was loaded is served all the same."""
    checks, upkeep = _checks.results(), _upkeep.results()
    collectors: dict[str, Any] = {}
    if checks["database"] == "ok":
        try:
            collectors = _collectors()
            upkeep = upkeep | {"files": _damaged_files()}
        except DatabaseError as error:
            logger.warning("The states of the collectors cannot be read: %s", error)
            checks = checks | {"database": "does not answer"}
    status = _overall(checks)
    conditions = [*upkeep.values(), *(one["status"] for one in collectors.values())]
    if status == "ok" and any(condition not in ("ok", "off") for condition in conditions):
        status = "degraded"
    content = {"status": status, "checks": checks, "upkeep": upkeep, "collectors": collectors}
    return _answer(content)


def _answer(content: dict[str, Any]) -> JsonResponse:
    return JsonResponse(content, status=503 if content["status"] == "failing" else 200)


def _overall(checks: dict[str, str]) -> str:
    return "ok" if all(result == "ok" for result in checks.values()) else "failing"


def _collectors() -> dict[str, Any]:
    """By collector the worst condition of its states, its newest success, and the symbols that
    are not well."""
    now = timezone.now()
    states: dict[str, list[CollectorState]] = defaultdict(list)
    for state in CollectorState.objects.all():
        states[state.collector].append(state)
    found = {}
    for collector, of_collector in states.items():
        conditions = {state: condition(state, now) for state in of_collector}
        successes = [state.last_success for state in of_collector if state.last_success]
        found[collector] = {
            "status": min(conditions.values(), key=CONDITIONS.index),
            "last_success": max(successes).isoformat(timespec="seconds") if successes else None,
            "not_well": [
                state.symbol
                for state, how in conditions.items()
                if how in NOT_WELL and state.symbol
            ],
        }
    return found


def _damaged_files() -> str:
    """Which of the lake's files are not what they were, by what they hold."""
    damaged = [str(file) for file in DamagedFile.objects.all()[: DAMAGED_FILES_NAMED + 1]]
    more = " and more" if len(damaged) > DAMAGED_FILES_NAMED else ""
    return f"damaged: {'; '.join(damaged[:DAMAGED_FILES_NAMED])}{more}" if damaged else "ok"


def _ask_database() -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        connection.close()  # it is this thread's own


def _ask_lake() -> None:
    with lake.read.snapshot() as cursor:
        lake.read.version(cursor)


def _ask_broker() -> None:
    with redis_with_short_timeout(settings.REDIS_URL) as client:
        client.time()  # with a full disk it refuses a ping, but serves what is only read


def _ask_disk() -> str | None:
    return "disk full" if is_full(settings.LAKE_DATA_PATH, settings.VAR_DIR) else None


def _ask_workers() -> str | None:
    with redis_with_short_timeout(settings.REDIS_URL) as client:
        unserved = unserved_queues(client)
    return f"no worker serves {', '.join(unserved)}" if unserved else None


def _ask_programs() -> str | None:
    with redis_with_short_timeout(settings.REDIS_URL) as client:
        failing = heartbeats.failing(client)
    return f"{', '.join(failing)} keeps failing" if failing else None


class Checks:
    """Asks each part in a thread of its own, so that one that hangs cannot hang the probe, and
    remembers the results for a moment, so that probing costs the same however often it is done."""

    def __init__(self, checks: dict[str, Callable[[], str | None]]) -> None:
        self._checks = checks
        self._threads = ThreadPoolExecutor(len(checks), thread_name_prefix="health")
        self._guard = threading.Lock()
        self._known: dict[str, str] = {}
        self._until = 0.0

    def results(self) -> dict[str, str]:
        """By part `ok` or what is wrong, in words that say nothing of this machine."""
        with self._guard:
            if time.monotonic() >= self._until:
                self._known = self._ask()
                self._until = time.monotonic() + KNOWN_FOR_SECONDS
            return self._known

    def forget(self) -> None:
        self._until = 0.0

    def _ask(self) -> dict[str, str]:
        asked = {name: self._threads.submit(check) for name, check in self._checks.items()}
        wait(asked.values(), timeout=PATIENCE_SECONDS)
        return {name: _result(name, future) for name, future in asked.items()}


def _result(name: str, future: "Future[str | None]") -> str:
    if not future.done():
        future.cancel()
        logger.warning("%s did not answer within %.0f s", name, PATIENCE_SECONDS)
        return f"did not answer within {PATIENCE_SECONDS:.0f} s"
    error = future.exception()
    if error is None:
        return future.result() or "ok"
    logger.warning("%s does not answer: %s", name, error)
    return "does not answer"


_checks = Checks({"database": _ask_database, "lake": _ask_lake, "broker": _ask_broker})
_upkeep = Checks({"disk": _ask_disk, "workers": _ask_workers, "programs": _ask_programs})
