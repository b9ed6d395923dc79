"""The web server's configuration; the figures come from settings.py."""

import os
import threading

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liqheat_project.settings")

from django.conf import settings

from liqheat_project.launcher.processes import die_with_parent
from liqheat_project.launcher.web_worker import Bounds, WaitressWorker

wsgi_app = "liqheat_project.wsgi"
bind = settings.WEB_ADDRESS
worker_class = WaitressWorker
workers = settings.WEB_WORKERS
threads = settings.WEB_THREADS
max_requests = settings.WEB_MAX_REQUESTS
max_requests_jitter = settings.WEB_MAX_REQUESTS // 5  # not all processes at once
control_socket_disable = True
preload_app = False  # DuckDB does not survive a fork
umask = 0o077

WaitressWorker.bounds = Bounds(
    # Behind a proxy all connections are the proxy's, which must bound those of its clients.
    connections_of_client=0 if settings.PROXY_COUNT else settings.WEB_CONNECTIONS_OF_CLIENT,
    memory_mb=settings.WEB_MEMORY_MB,
    body_bytes=settings.LARGEST_UPLOAD_BYTES,
    proxies=settings.PROXY_COUNT,
)


def post_fork(server, worker):
    die_with_parent(server.pid)


def post_worker_init(worker):
    """Compile the engine, or read what was compiled before, before the first request needs it."""
    from heatmap.engine import warm_up

    threading.Thread(target=warm_up, daemon=True).start()
