import os
from typing import Any

from celery import Celery
from celery.signals import after_task_publish, beat_init, heartbeat_sent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liqheat_project.settings")

from django.conf import settings

from liqheat_project.lib.heartbeats import Heartbeat

app = Celery("liqheat")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

_heartbeat = Heartbeat(lambda: settings.REDIS_URL)


@heartbeat_sent.connect
def _worker_lives(sender: Any, **kwargs: Any) -> None:
    _heartbeat.beat(sender.eventer.hostname)


@beat_init.connect
def _watch_beat(**kwargs: Any) -> None:
    """What beat sends is its sign of life: it has none of its own."""
    after_task_publish.connect(_beat_lives)


def _beat_lives(**kwargs: Any) -> None:
    _heartbeat.beat("beat")
