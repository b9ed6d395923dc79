import os

from celery import Celery
from celery.signals import worker_process_init

from liqheat_project.lib.processes import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liqheat_project.settings")

app = Celery("liqheat")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect
def end_with_the_worker(**_: object) -> None:
    """A pool process must not go on with a task that the broker hands to another worker."""
    die_with_parent(os.getppid())
