"""The session's environment. Nothing of it comes from the developer's .env or reaches the internet.

`--database` chooses what holds Django's tables and the lake's catalogue, for the whole session.
"""

import os
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas  # noqa: F401 - some tests read tables by it, which the lake would keep out
import psycopg
import pytest

from ingestion.lake import LakeConfig, configure, writer
from tests.support.services import CHECKOUT, PostgreSQL, Valkey, Worker

PROJECT_APPS = ("ingestion", "heatmap", "validation")
MEMORY = Path("/dev/shm")
ENOUGH = 4_000_000_000
CLOSED_PORT = "http://127.0.0.1:9"

_services: list[Valkey | PostgreSQL] = []
_folder = pytest.StashKey[Path]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=("sqlite", "postgresql"),
        default="sqlite",
        help="what holds Django's tables and the lake's catalogue; with postgresql only the tests "
        "marked so are run",
    )


def pytest_configure(config: pytest.Config) -> None:
    _stay_in_memory()
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        # Every process of pytest-xdist makes services of its own, before it reads the settings.
        os.environ.pop("DJANGO_SETTINGS_MODULE", None)
        return
    folder = Path(tempfile.mkdtemp(prefix="liqheat-"))
    (folder / "static").mkdir()
    config.stash[_folder] = folder
    os.environ.update(_environment(folder, config.getoption("--database")))
    import django

    django.setup()
    _hold_still()


def pytest_unconfigure(config: pytest.Config) -> None:
    while _services:
        _services.pop().stop()
    if _folder in config.stash:
        shutil.rmtree(config.stash[_folder], ignore_errors=True)


def pytest_report_header(config: pytest.Config) -> str:
    return f"database: {config.getoption('--database')}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--database") == "sqlite":
        return
    unneeded = [item for item in items if not item.get_closest_marker("postgresql")]
    config.hook.pytest_deselected(items=unneeded)
    items[:] = [item for item in items if item.get_closest_marker("postgresql")]


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    nothing_to_do = exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED
    if nothing_to_do and session.config.getoption("--database") == "postgresql":
        session.exitstatus = pytest.ExitCode.OK


def _stay_in_memory() -> None:
    """Temporary files of this process, and of those it starts, lie in memory where there is much of
    it: a disk takes milliseconds for each of the thousands of commits."""
    if "TMPDIR" in os.environ or not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ENOUGH:
        return
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def _hold_still() -> None:
    """A load in this process gives no sign of life: its thread would wait in vain for the database
    that the test's own transaction has locked, whenever the load takes longer than a second."""
    from ingestion.loading import lease

    lease.HEARTBEAT_SECONDS = 3600.0


def _environment(folder: Path, database: str) -> dict[str, str]:
    broker = Valkey(folder / "broker")
    _services.append(broker)
    environment = {
        "DJANGO_SETTINGS_MODULE": "liqheat_project.settings",
        # Playwright leaves an event loop in the main thread, in which Django would refuse to work.
        "DJANGO_ALLOW_ASYNC_UNSAFE": "true",
        "ENV_FILE": os.devnull,
        "SECRET_KEY": "a key for the tests only, long enough for every check of Django",
        "VAR_DIR": str(folder),
        "THROTTLE_ANONYMOUS": "0",  # the tests are one client that asks a lot
        "REDIS_URL": broker.url,
        "DATABASE_URL": f"sqlite:///{folder}/django.sqlite3",
        "TEST_DATABASE_NAME": f"{folder}/test.sqlite3",
        "LAKE_CATALOG_URL": f"sqlite:///{folder}/lake/catalog.sqlite",
        "LAKE_DATA_PATH": f"{folder}/lake/data",
        "ARCHIVE_BASE_URL": CLOSED_PORT,
        "STREAM_BASE_URL": CLOSED_PORT.replace("http", "ws"),
        "FUTURES_BASE_URL": CLOSED_PORT,
        "DATA_DIR": f"{folder}/data",
        "VALIDATION_DIR": f"{folder}/validation",
    }
    if database == "postgresql":
        server = PostgreSQL()
        _services.append(server)
        server.execute("CREATE DATABASE lake")
        environment["DATABASE_URL"] = server.url("liqheat")
        environment["LAKE_CATALOG_URL"] = server.url("lake")
    return environment


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """The databases, with what the migrations wrote brought back when a test has emptied them:
    those without a transaction around them do so at their end, and any may run before any other.
    """
    from django.apps import apps
    from django.db.models.signals import post_migrate  # sent after a flush, too

    with django_db_blocker.unblock():
        rows = {model: list(model._default_manager.all()) for model in apps.get_models()}

    def bring_back(sender: Any, **kwargs: Any) -> None:
        if sender.label in PROJECT_APPS:
            for model in sender.get_models():
                model._default_manager.bulk_create(rows[model])

    post_migrate.connect(bring_back, weak=False)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real market data."""
    folder = Path(os.environ.get("LIQHEAT_REAL_DATA") or CHECKOUT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real market data in {folder}: set LIQHEAT_REAL_DATA to its folder")
    return folder


@pytest.fixture
def lake(empty_lake: LakeConfig, tmp_path: Path, settings: Any) -> Iterator[LakeConfig]:
    """A fresh, empty lake for one test, in this process and in the workers it starts.

    What it sets goes by pytest-django's `settings`, as what the tests set: overrides that end in
    another order than they began in would bring this lake's folder back for the tests to come.
    """
    config = _new_lake(tmp_path, empty_lake)
    settings.LAKE_CATALOG_URL, settings.LAKE_DATA_PATH = config.catalog_url, config.data_path
    with _configured(config):
        yield config


@pytest.fixture
def no_lake(tmp_path: Path, settings: Any) -> Iterator[LakeConfig]:
    """The same where no lake stands yet: who opens it first makes it."""
    config = _new_lake(tmp_path)
    settings.LAKE_CATALOG_URL, settings.LAKE_DATA_PATH = config.catalog_url, config.data_path
    with _configured(config):
        yield config


@contextmanager
def copied_lake(folder: Path, template: LakeConfig) -> Iterator[LakeConfig]:
    """A copy of a lake, until the block ends. Nobody may have the template open."""
    from django.test import override_settings

    config = _new_lake(folder, template)
    with (
        override_settings(LAKE_CATALOG_URL=config.catalog_url, LAKE_DATA_PATH=config.data_path),
        _configured(config),
    ):
        yield config


def _new_lake(folder: Path, template: LakeConfig | None = None) -> LakeConfig:
    """A lake of its own in `folder`: a copy of `template`, rows and all, or nothing that stands."""
    config = LakeConfig(
        f"sqlite:///{folder}/lake/catalog.sqlite",
        folder / "lake" / "data",
        temporary_path=folder / "duckdb",
        threads=1,  # a second one doubles the work of small statements; workers have theirs
    )
    server = next((one for one in _services if isinstance(one, PostgreSQL)), None)
    if server:
        name = f"lake_{uuid.uuid4().hex}"
        copied = f"TEMPLATE {template.catalog_url.rpartition('/')[2]}" if template else ""
        server.execute(f"CREATE DATABASE {name} {copied}")
        config = replace(config, catalog_url=server.url(name))
    elif template:
        config.catalog_path.parent.mkdir(parents=True)
        shutil.copy(template.catalog_path, config.catalog_path)
    if template:
        shutil.copytree(template.data_path, config.data_path)
        say_where_its_files_are(config)
    return config


def say_where_its_files_are(config: LakeConfig) -> None:
    """Writes the path of its data into a copied catalogue."""
    statement = "UPDATE ducklake_metadata SET value = ? WHERE key = 'data_path'"
    path = f"{config.data_path}/"
    if config.is_sqlite:
        with closing(sqlite3.connect(config.catalog_path)) as catalog, catalog:
            catalog.execute(statement, [path])
    else:
        with psycopg.connect(config.catalog_url) as connection:
            connection.execute(statement.replace("?", "%s"), [path])


@pytest.fixture(scope="session")
def empty_lake(tmp_path_factory: pytest.TempPathFactory) -> LakeConfig:
    """A lake with its tables and no rows, which other lakes are copies of."""
    config = _new_lake(tmp_path_factory.mktemp("empty_lake"))
    with _configured(config):
        writer()
    return config


@contextmanager
def _configured(config: LakeConfig) -> Iterator[None]:
    configure(config)
    try:
        yield
    finally:
        configure(_lake_of_session())


@pytest.fixture
def start_worker(
    transactional_db: None, settings: Any, tmp_path: Path
) -> Iterator[Callable[..., Worker]]:
    """Starts Celery workers on an empty broker, with the settings as they are in the test, and with
    the variables given by name: `start_worker("first", CHUNK_LEASE_SECONDS="2")`. `include` names a
    module with tasks of the test's own."""
    import redis

    redis.Redis.from_url(settings.REDIS_URL).flushall()
    workers: list[Worker] = []

    def start(
        name: str = "worker",
        concurrency: int = 2,
        queues: str = "ingest,live,validation",
        include: str = "",
        **variables: str,
    ) -> Worker:
        environment = worker_environment() | variables
        workers.append(Worker(name, environment, tmp_path, concurrency, queues, include))
        return workers[-1]

    yield start
    for worker in workers:
        worker.kill()


@pytest.fixture
def worker(start_worker: Callable[..., Worker]) -> Worker:
    """One Celery worker; it works on what the test sends to the queues."""
    return start_worker()


def _lake_of_session() -> LakeConfig:
    from django.conf import settings

    return LakeConfig(
        os.environ["LAKE_CATALOG_URL"],
        Path(os.environ["LAKE_DATA_PATH"]),
        temporary_path=settings.VAR_DIR / "duckdb",
    )


def worker_environment() -> dict[str, str]:
    """The environment that gives another process the settings and the databases of this test."""
    from django.conf import settings
    from django.db import connection

    from liqheat_project.settings import env

    environment = dict(os.environ)
    for name in env.names:
        if hasattr(settings, name):
            value = getattr(settings, name)
            text = ",".join(value) if isinstance(value, list) else str(value)
            environment[name] = "" if value is None else text
    database = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        environment["DATABASE_URL"] = f"sqlite:///{database}"
    else:
        server = os.environ["DATABASE_URL"].rpartition("/")[0]
        environment["DATABASE_URL"] = f"{server}/{database}"
    return environment


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The market's archive files."""
    from tests.support.market import write_files

    folder = tmp_path_factory.mktemp("archive")
    write_files(folder)
    return folder


@pytest.fixture(scope="session")
def loaded(archive: Path, django_db_setup: None, django_db_blocker: Any) -> None:
    """The market is in the session's lake. Django's tables are left as the migrations made them:
    what is committed here would be seen by every other test."""
    from django.core.management import call_command

    from tests.support.market import load_all

    with django_db_blocker.unblock():
        load_all(archive)
        call_command("flush", interactive=False, verbosity=0, reset_sequences=False)


@pytest.fixture
def api(db: None, loaded: None) -> Iterator[Callable[..., Any]]:
    """GET a path with parameters; both symbols are enabled, caches are empty."""
    from django.core.cache import caches
    from django.test import Client

    from heatmap.api import markets
    from tests.support.market import TICKS, register

    for name in TICKS:
        register(name)
    register("DOTUSDT", enabled=False)
    caches["answers"].clear()
    markets.forget()
    client = Client()

    def get(path: str, headers: dict[str, str] | None = None, **parameters: Any) -> Any:
        return client.get(path, parameters, headers=headers)

    yield get
    markets.forget()
