import fcntl
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import httpx
import redis
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections

from liqheat_project.celery import app
from liqheat_project.kernel import heartbeats
from liqheat_project.kernel.commands import ProjectCommand
from liqheat_project.kernel.complaints import FEWEST_OPEN_FILES, too_few_files
from liqheat_project.kernel.private import make_private
from liqheat_project.kernel.redis import redis_with_short_timeout
from liqheat_project.launcher import broker
from liqheat_project.launcher.processes import Child, GaveUp, Supervisor
from liqheat_project.management.commands.load_demo import USUAL_DAYS

READY_SECONDS = 90
STOP_SECONDS = 20
CHECK_SECONDS = 0.5
NOTE_SECONDS = 10.0
MANAGE = str(settings.BASE_DIR / "manage.py")
CELERY = [sys.executable, "-m", "celery", "-A", "liqheat_project"]


class Command(ProjectCommand):
    help = (
        "Run everything on this machine until Ctrl-C: broker, web server, workers, beat, "
        "collectors, Flower."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--demo",
            nargs="?",
            type=int,
            const=USUAL_DAYS,
            metavar="DAYS",
            help=f"load a small made-up market of so many days, by default {USUAL_DAYS}",
        )

    def handle(self, *args: Any, demo: int | None, **options: Any) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupt)
        _allow_open_files()
        self.logs = settings.VAR_DIR / "log"
        settings.VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.logs.mkdir(exist_ok=True)
        # What is in these two is many files, which nobody reaches through a folder of 0700.
        make_private(settings.VAR_DIR, (settings.LAKE_DATA_PATH, settings.STATIC_ROOT))
        with _only_one():
            _check_free("WEB_ADDRESS")
            _check_free("FLOWER_ADDRESS")
            supervisor = Supervisor(self._say)
            try:
                self._start(supervisor, demo)
                self._print_addresses()
                if demo:
                    load_demo(self.environment, demo)
                    self._say("The demo market is loaded.")
                self._watch(supervisor)
            except KeyboardInterrupt:
                self._say("Stopping …")
            except (GaveUp, broker.NoBroker) as error:
                raise CommandError(str(error)) from error
            finally:
                supervisor.stop(STOP_SECONDS)
                if settings.EMBEDDED_BROKER:
                    settings.EMBEDDED_BROKER_FILE.unlink(missing_ok=True)
                if settings.EMBEDDED_CACHE:
                    settings.EMBEDDED_CACHE_FILE.unlink(missing_ok=True)
            self._say("All stopped.")

    def _watch(self, supervisor: Supervisor) -> None:
        """Look after the programs until Ctrl-C, and let /health know of those that keep failing."""
        supervisor.starting = False
        due = 0.0
        with redis_with_short_timeout(self.environment["REDIS_URL"]) as client:
            while True:
                supervisor.check()
                if time.monotonic() >= due:
                    with suppress(redis.RedisError):
                        heartbeats.note_failing(client, supervisor.failing)
                    due = time.monotonic() + NOTE_SECONDS
                time.sleep(CHECK_SECONDS)

    def _start(self, supervisor: Supervisor, demo: int | None) -> None:
        if not settings.FLOWER_BASIC_AUTH:
            raise CommandError("FLOWER_BASIC_AUTH is not set: give Flower a user:password.")
        self.environment = dict(os.environ)
        if demo:  # a made-up market must not go on with real candles
            self.environment["COLLECT"] = "false"
        self._start_broker(supervisor)
        self._start_cache(supervisor)
        call_command("migrate", verbosity=0, interactive=False)
        self._make_admin()
        connections.close_all()
        for name, command in _workers().items():
            supervisor.add(Child(name, command, self.environment, self.logs))
        call_command("collectstatic", verbosity=0, interactive=False)
        for name, command in _servers().items():
            child = Child(name, command, self.environment, self.logs, vital=name == "web")
            supervisor.add(child)
        self._wait_until_ready(supervisor)

    def _start_broker(self, supervisor: Supervisor) -> None:
        url = settings.REDIS_URL
        if settings.EMBEDDED_BROKER:
            folder = settings.EMBEDDED_BROKER_FILE.parent
            command, url = broker.configure(folder)
            supervisor.add(Child("broker", command, self.environment, self.logs, vital=True))
            broker.write_private(settings.EMBEDDED_BROKER_FILE, url + "\n")
        self.environment |= {
            "REDIS_URL": url,
            "FLOWER_BASIC_AUTH": settings.FLOWER_BASIC_AUTH,
        }
        app.conf.broker_url = url
        self._wait_for_broker(supervisor, url)

    def _start_cache(self, supervisor: Supervisor) -> None:
        url = settings.CACHE_URL
        if settings.EMBEDDED_CACHE:
            folder = settings.EMBEDDED_CACHE_FILE.parent
            keeping = broker.forget_beyond(settings.CACHE_MEMORY_MB)
            command, url = broker.configure(folder, keeping)
            supervisor.add(Child("cache", command, self.environment, self.logs))
            broker.write_private(settings.EMBEDDED_CACHE_FILE, url + "\n")
        self.environment["CACHE_URL"] = url

    def _wait_for_broker(self, supervisor: Supervisor, url: str) -> None:
        with redis.Redis.from_url(url, socket_connect_timeout=5) as client:
            for _ in _patiently(supervisor, "REDIS_URL: the broker", 30):
                try:
                    client.ping()
                except (redis.ConnectionError, redis.TimeoutError):
                    continue  # a large log of unfinished work takes it a while to read
                except redis.RedisError as error:
                    raise CommandError(f"REDIS_URL: {error}") from error
                return

    def _wait_until_ready(self, supervisor: Supervisor) -> None:
        """Until all answers. Without the web server there is no start; of any other program that
        does not answer it is said, and the rest goes on."""
        for _ in _patiently(supervisor, f"{self.logs / 'web.log'}: the web server", READY_SECONDS):
            if _answers(settings.WEB_ADDRESS):
                break
        try:
            for _ in _patiently(supervisor, "Flower or a worker", READY_SECONDS):
                if _answers(settings.FLOWER_ADDRESS) and len(app.control.ping(timeout=1)) >= 2:
                    return
        except CommandError as error:
            self._say(f"{error} See the logs; what runs goes on, and it is tried again.")

    def _make_admin(self) -> None:
        users = get_user_model().objects
        name, password = settings.ADMIN_USER, settings.ADMIN_PASSWORD
        if not name or not password or users.filter(username=name).exists():
            return
        users.create_superuser(name, password=password)
        self._say(f"Admin user {name}, password {password} (kept in .env, not shown again)")

    def _print_addresses(self) -> None:
        web = f"http://{settings.WEB_ADDRESS}"
        self._say(
            f"Heatmap  {web}/heatmap/\n"
            f"Admin    {web}/admin/\n"
            f"API      {web}/api/docs\n"
            f"Flower   http://{settings.FLOWER_ADDRESS}/ (FLOWER_BASIC_AUTH in .env)\n"
            f"Logs     {self.logs}\n"
            "Ctrl-C stops everything."
        )

    def _say(self, text: str) -> None:
        with suppress(OSError):  # such as a file on a full disk, or a terminal that is gone
            self.stdout.write(text)
            self.stdout.flush()


def load_demo(environment: dict[str, str], days: int) -> None:
    """Loads the made-up market in a process of its own.

    Raises:
        CommandError: it failed; what it printed stands on the terminal.
    """
    command = [sys.executable, MANAGE, "load_demo", f"--days={days}"]
    if subprocess.run(command, env=environment).returncode != 0:  # noqa: S603
        raise CommandError("The demo market was not loaded; the reason stands above.")


def _workers() -> dict[str, list[str]]:
    quick = ["--without-gossip", "--without-mingle"]
    worker = [*CELERY, "worker", "-l", settings.LOG_LEVEL, *quick]
    concurrency = str(settings.WORKER_CONCURRENCY)
    return {
        "ingest": [*worker, "-n", "ingest@%h", "-Q", "ingest", "-c", concurrency],
        "live": [*worker, "-n", "live@%h", "-Q", "live,validation", "-c", "2"],
        "beat": [*CELERY, "beat", "-l", settings.LOG_LEVEL],
        "liquidations": [sys.executable, MANAGE, "collect_liquidations"],
    }


def _servers() -> dict[str, list[str]]:
    web_configuration = str(settings.BASE_DIR / "gunicorn.conf.py")
    return {
        "web": [sys.executable, "-m", "gunicorn", "-c", web_configuration],
        "flower": [sys.executable, MANAGE, "flower"],
    }


def _allow_open_files() -> None:
    """Raise the limit as far as it may be raised, for all programs. Raises CommandError where that
    is not enough."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FEWEST_OPEN_FILES <= hard or (soft < FEWEST_OPEN_FILES and hard < 0):
        resource.setrlimit(resource.RLIMIT_NOFILE, (FEWEST_OPEN_FILES, hard))
    elif soft < FEWEST_OPEN_FILES:
        raise CommandError(too_few_files(f" ({hard} at most)"))


@contextmanager
def _only_one() -> Iterator[None]:
    with Path(settings.VAR_DIR / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CommandError(
                f"VAR_DIR: `manage.py up` already runs on {settings.VAR_DIR}; stop that one first."
            ) from error
        yield


def _check_free(name: str) -> None:
    address = getattr(settings, name)
    host, port = _host_and_port(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise CommandError(
            f"{name}: cannot listen on {address} ({reason}). Stop the program that uses it, or "
            f"choose another address: {name}=127.0.0.1:{port + 1} in .env."
        ) from error


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _answers(address: str) -> bool:
    try:
        httpx.get(f"http://{address}/admin/login/", timeout=10, trust_env=False)
    except httpx.TransportError:
        return False
    return True


def _patiently(supervisor: Supervisor, what: str, seconds: float) -> Iterator[None]:
    """One turn after the other, with the programs looked after, until the patience ends."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        supervisor.check()
        time.sleep(0.1)
    raise CommandError(f"{what} did not answer within {seconds:.0f} s.")


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt
