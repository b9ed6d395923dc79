"""DuckDBs with their extensions for one lake after the other: to load them takes longer than most
tests."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import duckdb
import pytest

from ingestion.lake import LakeConfig, connection

Kind = tuple[bool, bool, int, int]

_idle: dict[Kind, list[duckdb.DuckDBPyConnection]] = {}
_new_database = connection.new_database


@contextmanager
def reused_databases() -> Iterator[None]:
    """Inside, a lake is attached to a DuckDB that an earlier test has left, if there is one."""

    def database(config: LakeConfig, read_only: bool) -> duckdb.DuckDBPyConnection:
        idle = _idle.get(_kind(config, read_only))
        return idle.pop() if idle else _new_database(config, read_only)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "new_database", database)
        yield


def keep_databases() -> None:
    """Detach this process's lakes and keep their DuckDBs; one that is still in use is let go."""
    for lake in connection._open_lakes.values():
        with suppress(duckdb.Error):
            lake._database.execute("DETACH lake")
            _idle.setdefault(_kind(lake.config, lake.read_only), []).append(lake._database)


def _kind(config: LakeConfig, read_only: bool) -> Kind:
    return read_only, config.is_sqlite, config.memory_limit_mb, config.threads
