"""One DuckDB per process with the lake attached, a cursor per thread, and the lake's write lock.

A DuckDB connection survives neither a fork nor a second thread: used by two threads at once it
gives wrong rows without an error. So everything here is opened lazily, per process and per thread.
"""

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import duckdb
import psycopg

from ingestion.errors import (
    CatalogueDamaged,
    FileDamaged,
    LakeBusy,
    OutcomeUnknown,
    OutOfSpace,
    RefusedCatalogue,
    TemporaryError,
)
from ingestion.lake import schema
from liqheat_project.kernel.leftovers import private_name
from liqheat_project.kernel.postgres import is_transaction_pooler, kept_alive
from liqheat_project.kernel.tables import keep_pandas_out

keep_pandas_out()

ADVISORY_LOCK_KEY = 0x6C697168656174  # "liqheat"; one key for all writers of a PostgreSQL catalogue
LOCK_TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True)
class LakeConfig:
    """Where the lake is and what DuckDB may use.

    `catalog_url` is `sqlite:///abs/path` or `postgresql://…`; `data_path` the folder of the Parquet
    files; `temporary_path` takes, in a folder for each DuckDB, what it spills above
    `memory_limit_mb`; `extensions_path` holds DuckDB's extensions where the wheels do not fit its
    version.
    """

    catalog_url: str
    data_path: Path
    temporary_path: Path
    memory_limit_mb: int = 256
    threads: int = 2
    extensions_path: Path | None = None

    @property
    def is_sqlite(self) -> bool:
        return self.catalog_url.startswith("sqlite")

    @property
    def catalog_path(self) -> Path:
        """File of a SQLite catalogue; always absolute, with three slashes in the URL or four."""
        return Path("/" + unquote(urlsplit(self.catalog_url).path).lstrip("/"))

    @property
    def postgres_dsn(self) -> str:
        """libpq's own key=value form, which DuckLake wants; it has no room for a URL."""
        return kept_alive(self.catalog_url)


class Lake:
    """An attachment to the lake; `read_only` ones cannot change it."""

    def __init__(self, config: LakeConfig, read_only: bool) -> None:
        self.config = config
        self.read_only = read_only
        self._local = threading.local()
        self._database = self._open()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """This thread's cursor. The lake's tables are named `lake.…`.

        It is not the default catalogue on purpose: every name in every statement would then be
        looked up in the catalogue's database first, some 4 ms a statement.
        """
        if not hasattr(self._local, "cursor"):
            self._local.cursor = self._database.cursor()
        return self._local.cursor

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """All statements inside see one snapshot of the lake; on an error nothing is kept.

        A lock on PostgreSQL ends with its session, which the network or the server can end at any
        time, and nobody is told. So one that writes there changes the fence as well: if another
        writer has committed since this one's snapshot, this one fails with a conflict. Raises
        OutcomeUnknown when the catalogue was lost during the commit.
        """
        cursor = self.cursor()
        cursor.execute("BEGIN")
        try:
            if not (self.read_only or self.config.is_sqlite):
                cursor.execute(f"UPDATE {schema.FENCE} SET written_at = now()::TIMESTAMP")
            yield cursor
            self._commit(cursor)
        except BaseException:
            _rollback(cursor)
            raise

    def _commit(self, cursor: duckdb.DuckDBPyConnection) -> None:
        try:
            cursor.execute("COMMIT")
        except duckdb.Error as error:
            if self.config.is_sqlite or "conflict" in str(error).lower():
                raise
            raise OutcomeUnknown(f"The lake's catalogue was lost in a commit: {error}") from error

    def close(self) -> None:
        """Let go of DuckDB and its memory. No other thread may be using it."""
        if hasattr(self._local, "cursor"):
            self._local.cursor.close()
        self._database.close()

    def seal(self) -> None:
        """Leave DuckDB nothing but the lake: no file outside of its data, no other database, no
        variable of this program, and no setting that would undo this."""
        folder = _quoted(f"{self.config.data_path}/")
        for setting in (
            f"allowed_directories = [{folder}]",
            "python_enable_replacements = false",
            "enable_external_access = false",
            "lock_configuration = true",
        ):
            self._database.execute(f"SET {setting}")

    def _open(self) -> duckdb.DuckDBPyConnection:
        database = new_database(self.config, self.read_only)
        try:
            self._attach(database)
        except BaseException:
            # Interrupted half-way, it would keep the catalogue's lock for as long as it lives.
            database.close()
            raise
        return database

    def _attach(self, database: duckdb.DuckDBPyConnection) -> None:
        config = self.config
        if self.read_only:
            database.execute(_attach_statement(config, read_only=True))
            return
        # The first attachments race to create the catalogue unless they take turns. It stands as a
        # whole or not at all; one that stands is opened without the lock, also by who only reads.
        with nullcontext() if _is_complete(config) else write_lock(config):
            config.data_path.mkdir(parents=True, exist_ok=True)
            if config.is_sqlite:
                config.catalog_path.parent.mkdir(parents=True, exist_ok=True)
            database.execute(_attach_statement(config, read_only=False))
            schema.create(database)


def new_database(config: LakeConfig, read_only: bool) -> duckdb.DuckDBPyConnection:
    """A DuckDB with its extensions, before the lake is attached."""
    config.temporary_path.mkdir(parents=True, exist_ok=True)
    database = duckdb.connect(
        config={
            "memory_limit": f"{config.memory_limit_mb}MB",
            "threads": str(config.threads),
            # Two DuckDBs that spill into one folder overwrite each other's files.
            "temp_directory": str(config.temporary_path / private_name()),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            # The wheels are Python packages like all others, whose hashes requirements.lock names.
            # To check DuckDB's own signature, too, takes a quarter of a second of each program.
            "allow_unsigned_extensions": "false" if config.extensions_path else "true",
        }
    )
    database.execute("SET GLOBAL TimeZone = 'UTC'")  # a plain SET would not reach the cursors
    for name in ("ducklake", "sqlite_scanner" if config.is_sqlite else "postgres_scanner"):
        database.execute(f"LOAD {_quoted(str(_extension_file(name, config)))}")
    database.execute("SET ducklake_max_retry_count = 100")
    # Both ask the catalogue for the statistics of every column, one query each: three quarters of
    # the time of a small statement. Files are still chosen by them, and joins stand as they should.
    database.execute("SET GLOBAL disabled_optimizers = 'join_order,statistics_propagation'")
    return database


@contextmanager
def write_lock(config: LakeConfig, timeout: float = LOCK_TIMEOUT_SECONDS) -> Iterator[None]:
    """The lock that every commit to the lake and all of its maintenance takes.

    DuckLake itself does not retry a locked SQLite catalogue, and on PostgreSQL writers of different
    symbols conflict per table. Raises `LakeBusy` when others hold it for longer than `timeout` s.
    """
    lock = _file_lock(config, timeout) if config.is_sqlite else _advisory_lock(config, timeout)
    with lock:
        yield


@contextmanager
def _file_lock(config: LakeConfig, timeout: float) -> Iterator[None]:
    path = config.catalog_path.with_name(config.catalog_path.name + ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + timeout
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise LakeBusy(f"others held {path} for {timeout:.0f} s") from None
                time.sleep(0.01)
        yield  # closing the file releases the lock, and so does the kernel when a process dies


@contextmanager
def _advisory_lock(config: LakeConfig, timeout: float) -> Iterator[None]:
    with psycopg.connect(config.postgres_dsn, autocommit=True) as connection:
        connection.execute(
            "SELECT set_config('lock_timeout', %s, false)", [f"{int(timeout * 1000)}ms"]
        )
        try:
            connection.execute("SELECT pg_advisory_lock(%s)", [ADVISORY_LOCK_KEY])
        except psycopg.errors.LockNotAvailable as error:
            raise LakeBusy(f"others held the lake's lock for {timeout:.0f} s") from error
        yield  # closing the connection releases the lock


@contextmanager
def translated_errors() -> Iterator[None]:
    """Errors of DuckDB, the catalogue and the disk as ours, all of them worth another attempt."""
    try:
        yield
    except (duckdb.Error, psycopg.Error, sqlite3.Error, OSError) as error:
        text = str(error)
        if isinstance(error, duckdb.FatalException | duckdb.InternalException):
            _open_lakes.clear()  # this DuckDB refuses everything from now on; the next one is new
        if any(sign in text for sign in _SIGNS_OF_A_FULL_DISK):
            raise OutOfSpace(f"The disk of the lake is full: {text[:300]}") from error
        if any(sign in text for sign in _SIGNS_OF_DAMAGE) and _config and _config.is_sqlite:
            raise CatalogueDamaged(
                f"{_config.catalog_path} is damaged: {text[:200]}. Stop everything and put a "
                "backup of it back, or move it and LAKE_DATA_PATH aside and load the data again"
            ) from error
        if isinstance(error, duckdb.Error) and _is_of_a_bad_file(text):
            raise FileDamaged(
                f"A file of the lake cannot be read: {text[:300]}. `manage.py data_quality "
                "--verify` names it and its days, which must be loaded anew"
            ) from error
        if "locked" in text or "conflict" in text.lower():
            raise LakeBusy(f"The lake's catalogue is busy: {text[:300]}") from error
        raise TemporaryError(f"The lake refused the load: {text[:500]}") from error


_SIGNS_OF_A_FULL_DISK = (
    "No space left",
    "Disk quota",
    "max_temp_directory_size",
    "disk is full",
)

_SIGNS_OF_DAMAGE = ("is not a database", "disk image is malformed")

_SIGNS_OF_A_BAD_FILE = (
    ".parquet",
    "No magic bytes",
    "TProtocolException",
    "don't know what type",
    "corrupt",
    "Corrupt",
    "ecompression fail",
    "Out of buffer",
)
"""What DuckDB's reader of Parquet says of bytes that make no sense; it often names the file."""

_SIGNS_OF_ANOTHER_FAULT = ("Too many open files", "Permission denied", "Could not write", "emory")

_NO_POOLER = (
    "LAKE_CATALOG_URL leads to a connection pooler in transaction mode, behind which the lake's "
    "lock does not hold: give the address of the PostgreSQL server itself"
)


def _is_of_a_bad_file(text: str) -> bool:
    return any(sign in text for sign in _SIGNS_OF_A_BAD_FILE) and not any(
        sign in text for sign in _SIGNS_OF_ANOTHER_FAULT
    )


_config: LakeConfig | None = None
_open_lakes: dict[tuple[int, bool], Lake] = {}
_open_guard = threading.Lock()


def configure(config: LakeConfig) -> None:
    """Say where the lake is. The application does so once; tests do it for a lake of their own."""
    global _config
    _config = config
    _open_lakes.clear()


def reader() -> Lake:
    """This process's read-only lake."""
    return _opened(read_only=True)


def writer() -> Lake:
    """This process's writable lake."""
    return _opened(read_only=False)


def close() -> None:
    """Close what this process has open of the lake; who needs it next opens it anew. For programs
    that run for weeks in one thread: DuckDB's memory grows with every commit."""
    with _open_guard:
        for key in [key for key in _open_lakes if key[0] == os.getpid()]:
            _open_lakes.pop(key).close()


def _opened(read_only: bool) -> Lake:
    if _config is None:
        raise RuntimeError("ingestion.lake.configure() was not called")
    key = (os.getpid(), read_only)
    with _open_guard, translated_errors():
        if key not in _open_lakes:
            if read_only and not _is_complete(_config):
                Lake(_config, read_only=False)
            _open_lakes[key] = Lake(_config, read_only)
        return _open_lakes[key]


def _is_complete(config: LakeConfig) -> bool:
    """Whether all tables stand; a creator that was killed half-way leaves some out."""
    if config.is_sqlite and not config.catalog_path.is_file():
        return False
    statement = "SELECT table_name FROM ducklake_table WHERE end_snapshot IS NULL"
    try:
        if config.is_sqlite:
            with closing(sqlite3.connect(config.catalog_path, timeout=30)) as catalog:
                rows = catalog.execute(statement).fetchall()
        else:
            if is_transaction_pooler(config.postgres_dsn):
                raise RefusedCatalogue(_NO_POOLER)
            with psycopg.connect(config.postgres_dsn) as connection:
                rows = connection.execute(statement).fetchall()
    except (sqlite3.OperationalError, psycopg.errors.UndefinedTable):
        return False
    return {name for (name,) in rows} >= schema.TABLE_NAMES


def _attach_statement(config: LakeConfig, read_only: bool) -> str:
    options = [f"DATA_PATH {_quoted(str(config.data_path) + '/')}"]
    if read_only:
        options.append("READ_ONLY")
    else:
        options.append(f"DATA_INLINING_ROW_LIMIT {schema.INLINING_ROW_LIMIT}")
    if config.is_sqlite:
        target = f"ducklake:sqlite:{config.catalog_path}"
        options += ["META_BUSY_TIMEOUT 30000"] + ([] if read_only else ["META_JOURNAL_MODE 'WAL'"])
    else:
        target = f"ducklake:postgres:{config.postgres_dsn}"
    return f"ATTACH {_quoted(target)} AS lake ({', '.join(options)})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _extension_file(name: str, config: LakeConfig) -> Path:
    if config.extensions_path is not None:
        file = config.extensions_path / f"{name}.duckdb_extension"
        if not file.is_file():
            raise RuntimeError(
                f"{file} is missing: DUCKDB_EXTENSIONS_DIR must hold the extensions of DuckDB "
                f"{duckdb.__version__}"
            )
        return file
    spec = find_spec(f"duckdb_extension_{name}")
    folders = spec.submodule_search_locations if spec else None
    found = sorted(Path(folders[0]).glob("extensions/*/*.duckdb_extension")) if folders else []
    if not found:
        raise RuntimeError(
            f"DuckDB's extension {name} is not installed; run pip install -r requirements.txt"
        )
    return found[-1]


def _rollback(cursor: duckdb.DuckDBPyConnection) -> None:
    try:
        cursor.execute("ROLLBACK")
    except duckdb.TransactionException:
        return  # the failing statement had ended the transaction already
