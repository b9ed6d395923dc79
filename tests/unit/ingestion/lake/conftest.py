"""A plain DuckDB, and what parses a text in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingestion.lake.parse import ParsedFile, parse
from ingestion.market.files import ArchiveFile
from tests.unit.ingestion.lake.parsing import (
    Parse,
    shown,
)


@pytest.fixture
def cursor() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


@pytest.fixture
def parsed(cursor: duckdb.DuckDBPyConnection, tmp_path: Path) -> Parse:
    def parse_text(file: ArchiveFile, content: str | bytes, **options: Any) -> ParsedFile:
        path = tmp_path / "file.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return shown(cursor, parse(cursor, path, file, "rows", **options))

    return parse_text
