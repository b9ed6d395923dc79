"""Which rows and which lines of the ledger are those of a symbol on some days."""

import duckdb

from ingestion.lake.schema import LEDGER, MARKET_TABLES, OPEN_INTEREST, MarketTable
from ingestion.market.days import ALL_DAYS, Days

LINE_WITHIN = "symbol = $symbol AND range_start >= $start AND range_end <= $until"
"""SQL: a line of the ledger is of $symbol and lies in the days with all of its range."""

SET_ASIDE_WITHIN = f"""
    symbol = $symbol
    AND (dataset, candle_interval, origin) NOT IN (
        SELECT (dataset, candle_interval, origin) FROM {LEDGER}
        WHERE symbol = $symbol AND NOT ({LINE_WITHIN}))
    AND (range_start >= $start AND range_start < $until
        OR (dataset, candle_interval, origin) IN (
            SELECT (dataset, candle_interval, origin) FROM {LEDGER} WHERE {LINE_WITHIN}))"""
"""SQL: a line of the quarantine is of the days, and its file has no part outside of them."""


def within(table: MarketTable) -> str:
    """SQL: a row of $symbol lies in the days. Open interest at midnight is of the day it closes."""
    shift = " - INTERVAL 1 MICROSECOND" if table is OPEN_INTEREST else ""
    return f"symbol = $symbol AND {table.time}{shift} >= $start AND {table.time}{shift} < $until"


def rows_within(
    cursor: duckdb.DuckDBPyConnection, symbol: str, days: Days = ALL_DAYS
) -> dict[str, int]:
    """Rows of a symbol on these days by table name without the lake's; tables without are left
    out."""
    selects = " UNION ALL ".join(
        f"SELECT '{table.plain_name}', count(*) FROM {table.name} WHERE {within(table)}"
        for table in MARKET_TABLES
    )
    found = cursor.execute(selects, {"symbol": symbol, **days.parameters}).fetchall()
    return {name: count for name, count in found if count}


def lines_touching(
    cursor: duckdb.DuckDBPyConnection, symbol: str, days: Days = ALL_DAYS
) -> tuple[int, int]:
    """Lines of the ledger that have a part in these days, and what those wholly in them had set
    aside."""
    found = cursor.execute(
        f"""
        SELECT count(*), coalesce(sum(quarantined) FILTER ({LINE_WITHIN}), 0)::BIGINT
        FROM {LEDGER} WHERE symbol = $symbol AND range_start < $until AND range_end > $start
        """,
        {"symbol": symbol, **days.parameters},
    ).fetchone()
    assert found is not None
    return found


def bytes_within(cursor: duckdb.DuckDBPyConnection, symbol: str, days: Days = ALL_DAYS) -> int:
    """About how many bytes of the lake's files the symbol's rows of these days take up: of each
    table's files, the share that they have of its rows. Rows not yet in files count nothing."""
    total = 0.0
    going, all_rows = rows_within(cursor, symbol, days), rows_within(cursor, symbol)
    for name, rows in going.items():
        found = cursor.execute(
            "SELECT coalesce(sum(data_file_size_bytes), 0) FROM ducklake_list_files('lake', ?) "
            "WHERE contains(data_file, ?)",
            [name, f"/symbol={symbol}/"],
        ).fetchone()
        assert found is not None
        total += float(found[0]) * rows / all_rows[name]
    return round(total)
