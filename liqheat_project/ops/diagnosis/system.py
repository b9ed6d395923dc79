"""What all symbols need: disk, broker, workers."""

import shutil

import redis
from django.conf import settings
from kombu.exceptions import OperationalError

from ingestion.models import Symbol
from liqheat_project.celery import app
from liqheat_project.kernel.disk import existing
from liqheat_project.ops.diagnosis.findings import Finding, check, fail, ok, warn

GIGABYTE = 1_000_000_000
LEAST_FREE_BYTES = GIGABYTE
SCARCE_BYTES = 10 * GIGABYTE
PATIENCE_SECONDS = 2.0


@check("disk")
def disk(symbol: Symbol) -> Finding:
    places = {existing(path) for path in (settings.LAKE_DATA_PATH, settings.VAR_DIR)}
    free, place = min((shutil.disk_usage(place).free, place) for place in places)
    text = f"{free / GIGABYTE:,.1f} GB free below {place}"
    advice = (
        f"Make room, or move LAKE_DATA_PATH to a larger disk. What was replaced or rolled back is "
        f"freed after LAKE_UNDO_DAYS ({settings.LAKE_UNDO_DAYS}) days. Then: *Retry failed* on the "
        "job's page."
    )
    if free < LEAST_FREE_BYTES:
        return fail(text, advice)
    return warn(text, advice) if free < SCARCE_BYTES else ok(text)


@check("broker")
def broker(symbol: Symbol) -> Finding:
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=PATIENCE_SECONDS,
        socket_connect_timeout=PATIENCE_SECONDS,
    )
    try:
        client.ping()
    except redis.RedisError as error:
        return fail(
            f"does not answer: {error}",
            "`make run` starts an embedded one with everything else; if REDIS_URL is set, start "
            "the server it names. Jobs wait and go on by themselves.",
        )
    finally:
        client.close()
    return ok("answers")


@check("workers")
def workers(symbol: Symbol) -> Finding:
    needed = {settings.CELERY_TASK_DEFAULT_QUEUE} | {
        route["queue"] for route in settings.CELERY_TASK_ROUTES.values()
    }
    advice = "`make run` starts them; docker compose: `docker compose up -d`. Logs: var/log."
    try:
        answers = app.control.inspect(timeout=PATIENCE_SECONDS).active_queues() or {}
    except (OperationalError, redis.RedisError) as error:
        return fail(f"cannot be asked: {error}", advice)
    served = {queue["name"] for queues in answers.values() for queue in queues}
    if missing := sorted(needed - served):
        return fail(f"no worker answers for the queues {', '.join(missing)}", advice)
    return ok(f"{len(answers)} answer, for the queues {', '.join(sorted(served))}")
