import os
from typing import Any

from celery import Celery
from celery.contrib.django.task import DjangoTask
from celery.signals import after_task_publish, beat_init, heartbeat_sent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liqheat_project.settings")

from django.conf import settings

from liqheat_project.kernel.exits import pass_on_hidden_exit
from liqheat_project.kernel.heartbeats import Heartbeat


class ExitingTask(DjangoTask):
    """A task that ends its process when it is told to, also in the middle of a query."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        try:
            return super().__call__(*arguments, **named)
        except Exception as error:
            pass_on_hidden_exit(error)
            raise


app = Celery("liqheat", task_cls=ExitingTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

_heartbeat = Heartbeat(lambda: settings.REDIS_URL)


@heartbeat_sent.connect
def _worker_lives(sender: Any, **kwargs: Any) -> None:
    _heartbeat.beat(sender.eventer.hostname, app.amqp.queues.consume_from)


@beat_init.connect
def _watch_beat(**kwargs: Any) -> None:
    """What beat sends is its sign of life: it has none of its own."""
    after_task_publish.connect(_beat_lives)


def _beat_lives(**kwargs: Any) -> None:
    _heartbeat.beat("beat")
