"""A staged CSV becomes a Parquet file of good rows and a table of what had to be set aside.

Typed reading, checks and conversion are one pass of DuckDB over the file. Nothing is dropped: a row
that cannot be read, or whose content contradicts its file, is quarantined with the reason and its
text; only an exact repetition of a row is removed, and counted. The one pass does for nearly every
file; only where it found bad, doubled or unsorted rows are they mended in a temporary table.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import duckdb

from ingestion.errors import BadFormat
from ingestion.lake.connection import translated_errors
from ingestion.lake.schema import MarketTable, table_of
from ingestion.sources import formats
from ingestion.sources.files import ArchiveFile

QUARANTINE_LIMIT_SHARE = 0.2
"""A file with a larger share of bad rows than this is refused whole: something else is wrong."""

CSV_BUFFER_BYTES = 4_000_000
"""DuckDB's own 32 MB a buffer, of which it holds several, buys no speed and 100 MB of memory."""

_TYPES = {
    "agg_trade_id": "BIGINT",
    "first_trade_id": "BIGINT",
    "last_trade_id": "BIGINT",
    "transact_time": "BIGINT",
    "is_buyer_maker": "BOOLEAN",
    "open_time": "BIGINT",
    "close_time": "BIGINT",
    "count": "BIGINT",
    "create_time": "VARCHAR",
    "symbol": "VARCHAR",
}
_TEXT_COLUMNS = frozenset({"ignore"})
_INTERVAL_MINUTES = {"1m": 1, "5m": 5, "15m": 15, "1h": 60}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class ParsedFile:
    """What one file holds, sorted by its table's key, and counts of the rest.

    `rows_path` is a Parquet file of the table's columns and of `reason` and `raw`, which are blank;
    `name`_bad a temporary table of the bad rows, there only when there are any.
    """

    file: ArchiveFile
    table: MarketTable
    name: str
    rows_path: Path
    rows: int = 0
    quarantined: int = 0
    duplicates: int = 0

    @property
    def bad_rows_table(self) -> str:
        return f"{self.name}_bad"


def parse(
    cursor: duckdb.DuckDBPyConnection, csv_path: Path, file: ArchiveFile, name: str
) -> ParsedFile:
    """Read `csv_path` as the archive's `file` into a Parquet file beside it.

    `name` is for temporary tables. Raises BadFormat when a column is missing, when nothing in the
    file is readable, or when more than QUARANTINE_LIMIT_SHARE of its rows are bad; TemporaryError
    for troubles of the machine.
    """
    with translated_errors():
        return _parse(cursor, csv_path, file, name)


def _parse(
    cursor: duckdb.DuckDBPyConnection, csv_path: Path, file: ArchiveFile, name: str
) -> ParsedFile:
    with csv_path.open(encoding="utf-8", errors="replace") as lines:
        first_line = lines.readline(10_000)
    layout = formats.read_layout(first_line, file.dataset)
    # In a file without quotes a stray one would swallow all that follows up to the next.
    quote = '"' if '"' in first_line else ""
    table = table_of(file.dataset, file.interval or "")
    parsed = ParsedFile(file, table, name, csv_path.with_suffix(".parquet"))
    try:
        drop(cursor, parsed)
        _read_rows(cursor, csv_path, layout, quote, parsed)
        rows, bad, disorder = _counts(cursor, parsed)
        total = rows + bad
        _require_every_line(csv_path, total + layout.has_header, file)
        if bad or disorder:
            rows, bad = _mend(cursor, parsed)
        if not rows or bad > QUARANTINE_LIMIT_SHARE * (rows + bad):
            raise BadFormat(_why_refused(cursor, parsed, rows, bad))
    except BaseException:
        drop(cursor, parsed)
        raise
    return replace(parsed, rows=rows, quarantined=bad, duplicates=total - rows - bad)


def drop(cursor: duckdb.DuckDBPyConnection, parsed: ParsedFile) -> None:
    """Free the temporary tables and the Parquet file of a parsed file."""
    for suffix in ("", "_bad", "_rejects", "_scans"):
        cursor.execute(f"DROP TABLE IF EXISTS temp.{parsed.name}{suffix}")
    parsed.rows_path.unlink(missing_ok=True)


def copy_to_parquet(
    cursor: duckdb.DuckDBPyConnection, query: str, path: Path, *values: object
) -> None:
    """Write a query's rows to a Parquet file, in their order.

    Version 2 stores ids and times as differences: half the size of version 1, and sooner written.
    """
    quoted = str(path).replace("'", "''")
    cursor.execute(
        f"COPY ({query}) TO '{quoted}' (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2)",
        *values,
    )


def _read_rows(
    cursor: duckdb.DuckDBPyConnection,
    csv_path: Path,
    layout: formats.Layout,
    quote: str,
    parsed: ParsedFile,
) -> None:
    file, name = parsed.file, parsed.name
    columns = {
        column: "VARCHAR"
        if column.startswith("extra_") or column in _TEXT_COLUMNS
        else _TYPES.get(column, "DOUBLE")
        for column in layout.names
    }
    used = [column for column in columns if column in formats.COLUMNS[file.dataset]]
    placeholders = formats.PLACEHOLDER_COLUMNS.get(file.dataset, frozenset()) - {"volume"}
    values = [
        f"NULL::{columns[column]} AS {column}" if column in placeholders else column
        for column in used
    ]
    query = f"""
        WITH csv AS (
            SELECT {", ".join(values)}
            FROM read_csv($path, columns = $columns, header = $header, delim = ',',
                          quote = $quote, auto_detect = false, store_rejects = true,
                          buffer_size = {CSV_BUFFER_BYTES},
                          rejects_table = '{name}_rejects', rejects_scan = '{name}_scans'))
        {_select_of(file.dataset)}
        """
    parameters = {
        "path": str(csv_path),
        "columns": columns,
        "header": layout.has_header,
        "quote": quote,
    }
    try:
        copy_to_parquet(cursor, query, parsed.rows_path, parameters | _values_of(file))
    except duckdb.InvalidInputException as error:
        raise BadFormat(f"{file.name} cannot be read as CSV: {error}") from error


def _require_every_line(csv_path: Path, accounted: int, file: ArchiveFile) -> None:
    """DuckDB's reader dropped lines longer than its buffer without a word, when that was 32 MB; so
    nothing is taken on trust."""
    with csv_path.open("rb") as stream:
        ends = sum(piece.count(b"\n") for piece in iter(lambda: stream.read(1 << 20), b""))
        if accounted == ends:
            return
        stream.seek(0)
        lines = sum(1 for line in stream if line.strip(b"\r\n"))
    if accounted != lines:
        raise BadFormat(f"{file.name} has {lines:,} lines, of which {accounted:,} could be read")


@cache
def _select_of(dataset: str) -> str:
    sql_name = "klines" if dataset == "markPriceKlines" else dataset
    return (Path(__file__).parent / "sql" / f"{sql_name}.sql").read_text()


def _values_of(file: ArchiveFile) -> dict[str, object]:
    start, until = formats.row_range(file)
    values: dict[str, object] = {
        "symbol": file.symbol,
        "from": (start - _EPOCH) // _MICROSECOND,
        "until": (until - _EPOCH) // _MICROSECOND,
    }
    if file.dataset == "metrics":
        values["label_shift"] = formats.open_interest_label_shift(file) // _MICROSECOND
    else:
        values["microseconds_from"] = formats.MICROSECONDS_FROM
    if file.interval:
        values["interval"] = _INTERVAL_MINUTES[file.interval] * 60_000_000
    return values


def _counts(cursor: duckdb.DuckDBPyConnection, parsed: ParsedFile) -> tuple[int, int, int]:
    """Good rows, bad rows, and rows whose key does not lie above the one before."""
    key = parsed.table.key
    row = cursor.execute(
        f"""
        SELECT count(*) - count(reason),
               count(reason) + (SELECT count(DISTINCT line) FROM temp.{parsed.name}_rejects),
               count(*) FILTER (NOT {key} > before)
        FROM (SELECT {key}, reason, lag({key}) OVER () AS before FROM read_parquet($path))
        """,
        {"path": str(parsed.rows_path)},
    ).fetchone()
    assert row is not None
    return row[0], row[1], row[2]


def _mend(cursor: duckdb.DuckDBPyConnection, parsed: ParsedFile) -> tuple[int, int]:
    """Take doubled and bad rows out and sort the rest; returns good and bad rows."""
    name = parsed.name
    cursor.execute(
        f"CREATE TEMP TABLE {name} AS FROM read_parquet($path)", {"path": str(parsed.rows_path)}
    )
    _set_doubled_rows_aside(cursor, parsed)
    _set_bad_rows_aside(cursor, parsed)
    good_rows = f"SELECT * FROM temp.{name} WHERE reason IS NULL ORDER BY {parsed.table.key}"
    copy_to_parquet(cursor, good_rows, parsed.rows_path)
    row = cursor.execute(
        f"SELECT (SELECT count(*) FROM temp.{name} WHERE reason IS NULL), "
        f"(SELECT count(*) FROM temp.{parsed.bad_rows_table})"
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def _set_doubled_rows_aside(cursor: duckdb.DuckDBPyConnection, parsed: ParsedFile) -> None:
    """Remove exact repetitions; of rows that share a key but differ, all but the first are bad."""
    name, key = parsed.name, parsed.table.key
    columns = cursor.execute(
        f"SELECT name FROM pragma_table_info('temp.{name}') WHERE name NOT IN ('reason', 'raw')"
    ).fetchall()
    content = ", ".join(column for (column,) in columns)
    cursor.execute(
        f"""
        DELETE FROM temp.{name} WHERE reason IS NULL AND rowid NOT IN (
            SELECT min(rowid) FROM temp.{name} WHERE reason IS NULL GROUP BY {content})
        """
    )
    cursor.execute(
        f"""
        UPDATE temp.{name} SET reason = '{key} stands twice with different content',
                               raw = concat_ws(',', {content})
        WHERE reason IS NULL AND rowid NOT IN (
            SELECT min(rowid) FROM temp.{name} WHERE reason IS NULL GROUP BY {key})
        """
    )


def _set_bad_rows_aside(cursor: duckdb.DuckDBPyConnection, parsed: ParsedFile) -> None:
    name = parsed.name
    cursor.execute(
        f"""
        CREATE TEMP TABLE {parsed.bad_rows_table} AS
        SELECT NULL::BIGINT AS line, reason, left(raw, 1000) AS raw
        FROM temp.{name} WHERE reason IS NOT NULL
        UNION ALL
        SELECT line, min(error_message), left(min(csv_line), 1000)
        FROM temp.{name}_rejects GROUP BY line
        """
    )


def _why_refused(cursor: duckdb.DuckDBPyConnection, parsed: ParsedFile, rows: int, bad: int) -> str:
    if not rows and not bad:
        return f"{parsed.file.name} holds no rows"
    first = cursor.execute(
        f"SELECT coalesce('line ' || line || ': ', '') || reason || ' (' || raw || ')' "
        f"FROM temp.{parsed.bad_rows_table} ORDER BY line LIMIT 1"
    ).fetchone()
    return (
        f"{bad:,} of {rows + bad:,} rows of {parsed.file.name} are bad, which is too many to trust "
        f"the rest; the first: {first[0] if first else 'unknown'}"
    )
