"""Files to parse, what becomes of them, and the rows as they should be."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb

from ingestion.lake.parse import ParsedFile
from ingestion.market.files import ArchiveFile

DAY = date(2024, 11, 1)
TRADES = ArchiveFile("ETHUSDT", "aggTrades", None, DAY)
CANDLES = ArchiveFile("ETHUSDT", "klines", "5m", DAY)
MARK_PRICE = ArchiveFile("ETHUSDT", "markPriceKlines", "5m", DAY)
METRICS = ArchiveFile("ETHUSDT", "metrics", None, DAY)
NOON = 1_730_462_400_000  # 2024-11-01 12:00 UTC, in ms

Parse = Callable[..., ParsedFile]


def shown(cursor: duckdb.DuckDBPyConnection, parsed: ParsedFile) -> ParsedFile:
    """Make the rows of a parsed file, and the bad ones, readable as `good` and `rows_bad`."""
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE good AS FROM '{parsed.rows_path}'")
    cursor.execute(
        "CREATE TEMP TABLE IF NOT EXISTS rows_bad (line BIGINT, reason VARCHAR, raw VARCHAR)"
    )
    return parsed


def good_rows(cursor: duckdb.DuckDBPyConnection) -> list[tuple]:
    return cursor.execute("SELECT * EXCLUDE (reason, raw) FROM good ORDER BY 2, 3").fetchall()


def bad_rows(cursor: duckdb.DuckDBPyConnection) -> list[tuple]:
    return cursor.execute("SELECT line, reason, raw FROM temp.rows_bad ORDER BY line").fetchall()


def text(lines: list[str], end: str = "\n") -> str:
    return "".join(line + end for line in lines)


def with_cell(content: str, line: int, column: int, value: str) -> str:
    lines = content.splitlines()
    cells = lines[line].split(",")
    cells[column] = value
    lines[line] = ",".join(cells)
    return text(lines)


def expected_trade(cells: list[str], symbol: str = "ETHUSDT") -> tuple:
    return (
        symbol,
        int(cells[0]),
        naive(int(cells[5])),
        float(Decimal(cells[1])),
        float(Decimal(cells[2])),
        int(cells[3]),
        int(cells[4]),
        cells[6].lower() == "true",
    )


def naive(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None)
