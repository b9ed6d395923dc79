"""The web server's configuration; the figures come from settings.py."""

import os
import threading

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liqheat_project.settings")

from django.conf import settings

from liqheat_project.lib.processes import die_with_parent

wsgi_app = "liqheat_project.wsgi"
bind = settings.WEB_ADDRESS
worker_class = "gthread"
workers = settings.WEB_WORKERS
threads = settings.WEB_THREADS
control_socket_disable = True
preload_app = False  # DuckDB does not survive a fork


def post_fork(server, worker):
    die_with_parent(server.pid)


def post_worker_init(worker):
    """Compile the engine, or read what was compiled before, before the first request needs it."""
    from heatmap.engine import warm_up

    threading.Thread(target=warm_up, daemon=True).start()
