"""A staged CSV becomes a Parquet file of good rows and a table of what had to be set aside.

Typed reading, checks and conversion are one pass of DuckDB over the file. Nothing is dropped: a row
that cannot be read, or whose content contradicts its file, is quarantined with the reason and its
text; only an exact repetition of a row is removed, and counted. The one pass does for nearly every
file; only where it found bad, doubled or unsorted rows are they mended in a temporary table.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import duckdb
import numpy as np

from ingestion.errors import BadFormat, TooManyBadRows
from ingestion.lake.connection import translated_errors
from ingestion.lake.schema import MarketTable, table_of
from ingestion.market import formats, plausibility
from ingestion.market.datasets import INTERVALS
from ingestion.market.files import ArchiveFile
from ingestion.market.plausibility import is_near

QUARANTINE_LIMIT_SHARE = 0.2
"""A file with a larger share of bad rows than this waits for a person: something else is wrong."""

ROUNDED_SHARE = 0.9
ROUNDED_TO_MICROSECONDS = 10_000_000
"""Trades of which so many fall on whole multiples of 10 s, several to an instant, have times that
were rounded: a spreadsheet writes them as 1.71798E+12. By chance it is one in ten thousand."""

OTHER_PRICE_SHARE = 0.05
"""Prices far from a file's median are another level, and no fault, when such a share of the rows
and of their volume is there: a crash, or a contract that was redenominated."""

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
_PRICES = {
    "aggTrades": ("price", "price"),
    "klines": ("low", "high"),
    "markPriceKlines": ("low", "high"),
}
"""The columns with the lowest and the highest price of a row."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_AHEAD = timedelta(milliseconds=plausibility.MAX_AHEAD_MS)


@dataclass(frozen=True)
class ParsedFile:
    """What one file holds, sorted by its table's key, and counts of the rest.

    `rows_path` is a Parquet file of the table's columns and of `reason` and `raw`, which are blank;
    `name`_bad a temporary table of the bad rows, there only when there are any. `prices` are the
    lowest and the highest of the rows, or a little beyond; None for open interest.
    """

    file: ArchiveFile
    table: MarketTable
    name: str
    rows_path: Path
    rows: int = 0
    quarantined: int = 0
    duplicates: int = 0
    note: str = ""
    prices: tuple[float, float] | None = None

    @property
    def bad_rows_table(self) -> str:
        return f"{self.name}_bad"


def parse(
    cursor: duckdb.DuckDBPyConnection,
    csv_path: Path,
    file: ArchiveFile,
    name: str,
    now: datetime | None = None,
    accept_bad: bool = False,
) -> ParsedFile:
    """Read `csv_path` as the archive's `file` into a Parquet file beside it.

    `name` is for temporary tables; rows later than `now`, where it is given, can't be true. Raises
    BadFormat when a column is missing, when nothing in the file is readable, or its times were
    rounded; TooManyBadRows when more than QUARANTINE_LIMIT_SHARE of its rows are bad, unless
    `accept_bad`; TemporaryError for troubles of the machine.
    """
    with translated_errors():
        return _parse(cursor, csv_path, file, name, now, accept_bad)


def set_aside(
    cursor: duckdb.DuckDBPyConnection,
    parsed: ParsedFile,
    keys: Sequence[object],
    reasons: Sequence[str],
) -> ParsedFile:
    """Move the good rows of these keys, for these reasons, to the parsed file's bad ones.

    Their text is the instant, and the figures, as the lake would have kept them.
    """
    name, key = parsed.name, parsed.table.key
    for suffix in ("", "_doubted"):
        cursor.execute(f"DROP TABLE IF EXISTS temp.{name}{suffix}")
    cursor.execute(
        f"CREATE TEMP TABLE {name} AS FROM read_parquet($path)", {"path": str(parsed.rows_path)}
    )
    cursor.execute(
        f"CREATE TEMP TABLE {name}_doubted AS "
        "SELECT unnest($keys) AS doubted, unnest($reasons) AS why",
        {"keys": list(keys), "reasons": list(reasons)},
    )
    if not _has_table(cursor, parsed.bad_rows_table):
        cursor.execute(
            f"CREATE TEMP TABLE {parsed.bad_rows_table} (line BIGINT, reason VARCHAR, raw VARCHAR)"
        )
    cursor.execute(
        f"INSERT INTO temp.{parsed.bad_rows_table} "
        f"SELECT NULL, why, left(concat_ws(',', {_content(cursor, name)}), 1000) "
        f"FROM temp.{name} JOIN temp.{name}_doubted ON {key} = doubted"
    )
    copy_to_parquet(
        cursor,
        f"SELECT * FROM temp.{name} WHERE {key} NOT IN (SELECT doubted FROM temp.{name}_doubted) "
        f"ORDER BY {key}",
        parsed.rows_path,
    )
    return replace(parsed, rows=parsed.rows - len(keys), quarantined=parsed.quarantined + len(keys))


def _parse(
    cursor: duckdb.DuckDBPyConnection,
    csv_path: Path,
    file: ArchiveFile,
    name: str,
    now: datetime | None,
    accept_bad: bool,
) -> ParsedFile:
    with csv_path.open(encoding="utf-8", errors="replace") as lines:
        first_line = lines.readline(10_000)
    if not first_line.strip() and file.dataset == "aggTrades" and not csv_path.stat().st_size:
        first_line = ",".join(formats.COLUMNS["aggTrades"])  # a day without trades or a header
    layout = formats.read_layout(first_line, file.dataset)
    # In a file without quotes a stray one would swallow all that follows up to the next.
    quote = '"' if '"' in first_line else ""
    table = table_of(file.dataset, file.interval or "")
    parsed = ParsedFile(file, table, name, csv_path.with_suffix(".parquet"))
    try:
        drop(cursor, parsed)
        _read_rows(cursor, csv_path, layout, quote, parsed, now)
        rows, bad, disorder, prices = _counts(cursor, parsed)
        total = rows + bad
        _require_exact_times(cursor, parsed)
        if csv_path.stat().st_size:
            _require_every_line(csv_path, total + layout.has_header, file)
        if bad or disorder:
            rows, bad = _mend(cursor, parsed)
        note = _note_of_no_trades(parsed, rows, bad)
        if not rows and not note:
            raise BadFormat(_why_refused(cursor, parsed, rows, bad))
        if bad > QUARANTINE_LIMIT_SHARE * (rows + bad) and not accept_bad:
            raise TooManyBadRows(_why_refused(cursor, parsed, rows, bad))
        parsed = replace(
            parsed,
            rows=rows,
            quarantined=bad,
            duplicates=total - rows - bad,
            note=note,
            prices=prices,
        )
        return _set_far_prices_aside(cursor, parsed, accept_bad)
    except BaseException:
        drop(cursor, parsed)
        raise


def drop(cursor: duckdb.DuckDBPyConnection, parsed: ParsedFile) -> None:
    """Free the temporary tables and the Parquet file of a parsed file."""
    for suffix in ("", "_bad", "_doubted", "_rejects", "_scans"):
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
    now: datetime | None,
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
        copy_to_parquet(cursor, query, parsed.rows_path, parameters | _values_of(file, now))
    except duckdb.InvalidInputException as error:
        raise BadFormat(f"{file.name} cannot be read as CSV: {error}") from error


def _require_every_line(csv_path: Path, accounted: int, file: ArchiveFile) -> None:
    """DuckDB's reader dropped lines longer than its buffer without a word, when that was 32 MB; so
    nothing is taken on trust."""
    with csv_path.open("rb") as stream:
        ends = sum(_line_ends(piece) for piece in iter(lambda: stream.read(1 << 20), b""))
        if accounted == ends:
            return
        stream.seek(0)
        lines = sum(1 for line in stream if line.strip(b"\r\n"))
    if accounted != lines:
        raise BadFormat(f"{file.name} has {lines:,} lines, of which {accounted:,} could be read")


def _line_ends(piece: bytes) -> int:
    # bytes.count goes from one to the next, which takes five times as long.
    return int(np.count_nonzero(np.frombuffer(piece, np.uint8) == ord("\n")))


@cache
def _select_of(dataset: str) -> str:
    sql_name = "klines" if dataset == "markPriceKlines" else dataset
    return (Path(__file__).parent / "sql" / f"{sql_name}.sql").read_text()


def _values_of(file: ArchiveFile, now: datetime | None) -> dict[str, object]:
    start, until = formats.row_range(file)
    latest = until if now is None else now + _AHEAD
    values: dict[str, object] = {
        "symbol": file.symbol,
        "from": _microseconds(start),
        "until": _microseconds(until),
        "latest": _microseconds(latest),
        "max_quantity": plausibility.MAX_QUANTITY,
    }
    if file.dataset == "metrics":
        values["label_shift"] = formats.open_interest_label_shift(file) // _MICROSECOND
        values["step"] = formats.OPEN_INTEREST_STEP // _MICROSECOND
        values["day"] = _microseconds(file.start_instant)
        values["next_day"] = _microseconds(file.end_instant)
    else:
        values["microseconds_from"] = formats.MICROSECONDS_FROM
        values["max_price"] = plausibility.MAX_PRICE
    if file.interval:
        values["interval"] = INTERVALS[file.interval] * 1_000
        values["max_spread"] = plausibility.MAX_CANDLE_SPREAD
    return values


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND


def _counts(
    cursor: duckdb.DuckDBPyConnection, parsed: ParsedFile
) -> tuple[int, int, int, tuple[float, float] | None]:
    """Good rows, bad rows, rows whose key does not lie above the one before; and of the good rows
    the lowest and the highest price, where they have any."""
    key = parsed.table.key
    low, high = _PRICES.get(parsed.file.dataset, ("NULL::DOUBLE", "NULL::DOUBLE"))
    row = cursor.execute(
        f"""
        SELECT count(*) - count(reason),
               count(reason) + (SELECT count(DISTINCT line) FROM temp.{parsed.name}_rejects),
               count(*) FILTER (NOT {key} > before),
               min(low) FILTER (reason IS NULL), max(high) FILTER (reason IS NULL)
        FROM (SELECT {key}, reason, lag({key}) OVER () AS before, {low} AS low, {high} AS high
              FROM read_parquet($path))
        """,
        {"path": str(parsed.rows_path)},
    ).fetchone()
    assert row is not None
    return row[0], row[1], row[2], None if row[3] is None else (row[3], row[4])


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
    content = _content(cursor, name)
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


def _content(cursor: duckdb.DuckDBPyConnection, name: str) -> str:
    columns = cursor.execute(
        f"SELECT name FROM pragma_table_info('temp.{name}') WHERE name NOT IN ('reason', 'raw')"
    ).fetchall()
    return ", ".join(column for (column,) in columns)


def _has_table(cursor: duckdb.DuckDBPyConnection, name: str) -> bool:
    found = cursor.execute(
        "SELECT 1 FROM duckdb_tables() WHERE database_name = 'temp' AND table_name = ?", [name]
    ).fetchone()
    return found is not None


def _note_of_no_trades(parsed: ParsedFile, rows: int, bad: int) -> str:
    if parsed.file.dataset == "aggTrades" and not rows and not bad:
        return "the file holds no trades: there were none in its time"
    return ""


def _require_exact_times(cursor: duckdb.DuckDBPyConnection, parsed: ParsedFile) -> None:
    if parsed.file.dataset != "aggTrades":
        return
    found = cursor.execute(
        f"""
        SELECT count(*), count(*) FILTER (epoch_us(timestamp) % {ROUNDED_TO_MICROSECONDS} = 0)
        FROM read_parquet($path)
        """,
        {"path": str(parsed.rows_path)},
    ).fetchone()
    assert found is not None
    rows, round_times = found
    if round_times < 2 or round_times < ROUNDED_SHARE * rows:
        return
    row = cursor.execute(
        "SELECT count(DISTINCT timestamp) FROM read_parquet($path)",
        {"path": str(parsed.rows_path)},
    ).fetchone()
    assert row is not None
    if row[0] <= rows / 2:
        raise BadFormat(
            f"The times of {parsed.file.name} were rounded: its {rows:,} trades lie on {row[0]:,} "
            "instant(s). A spreadsheet does so when it saves a file; take the archive's own"
        )


def _set_far_prices_aside(
    cursor: duckdb.DuckDBPyConnection, parsed: ParsedFile, accept_bad: bool
) -> ParsedFile:
    """Set aside rows whose prices are far from the file's median, unless the volume confirms them:
    a candle's own volumes, or enough rows and volume at such prices."""
    if parsed.prices is None or is_near(*parsed.prices):
        return parsed  # as near as its lowest and highest price, all of them are to any median
    far = _far_rows(parsed)
    parameters = {"path": str(parsed.rows_path), "factor": plausibility.MAX_PRICE_FACTOR}
    doubted, volume, all_volume = cursor.execute(
        f"SELECT count(*) FILTER (far), coalesce(sum(volume) FILTER (far), 0), "
        f"coalesce(sum(volume), 0) FROM ({far})",
        parameters,
    ).fetchone()  # type: ignore[misc]
    if not doubted or (
        doubted >= OTHER_PRICE_SHARE * parsed.rows and volume >= OTHER_PRICE_SHARE * all_volume
    ):
        return parsed
    keys = [
        key
        for (key,) in cursor.execute(f"SELECT key FROM ({far}) WHERE far", parameters).fetchall()
    ]
    why = "its price is more than 10 times, or less than a tenth of, the file's median"
    parsed = set_aside(cursor, parsed, keys, [why] * len(keys))
    total = parsed.rows + parsed.quarantined
    if parsed.quarantined > QUARANTINE_LIMIT_SHARE * total and not accept_bad:
        raise TooManyBadRows(_why_refused(cursor, parsed, parsed.rows, parsed.quarantined))
    return parsed


def _far_rows(parsed: ParsedFile) -> str:
    """SQL: `key`, `volume` and whether it is `far` from the median, of each row of the file $path;
    not of open interest, which has a rule of its own."""
    key = parsed.table.key
    median = "approx_quantile({}, 0.5)"
    near = "({0} <= median * $factor AND {0} >= median / $factor)"
    if parsed.file.dataset == "aggTrades":
        return f"""
            SELECT {key} AS key, quantity AS volume, NOT {near.format("price")} AS far
            FROM read_parquet($path),
                 (SELECT {median.format("price")} AS median FROM read_parquet($path))"""
    # The average price of what was traded in it, where the file has volumes, tells as well.
    return f"""
        SELECT {key} AS key, coalesce(volume, 1) AS volume,
               NOT ({near.format("low")} AND {near.format("high")})
               AND NOT coalesce(volume > 0 AND NOT {near.format("(quote_volume / volume)")}
                   AND low >= quote_volume / volume / $factor
                   AND high <= quote_volume / volume * $factor, false) AS far
        FROM read_parquet($path),
             (SELECT {median.format("close")} AS median FROM read_parquet($path))"""


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
