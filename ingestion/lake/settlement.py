"""The end of a contract: its open interest is 0 and stays so. All positions were settled.

The figures of 0 stand in the quarantine, where those of a gap in the source stand too. What tells
them apart is that nothing came after them, for as long as no gap that is known has lasted.
"""

from datetime import datetime

import duckdb

from ingestion.lake.open_interest import day_of
from ingestion.lake.schema import LEDGER, OPEN_INTEREST, QUARANTINE
from ingestion.market.plausibility import IS_ZERO, PATIENCE_MS, STAYS_ZERO, WAITS


def is_suspected(rows: int, quarantined: int) -> bool:
    """Whether the newest line of a symbol's ledger has room for PATIENCE_MS of zeros, half a day at
    least or all that there is of it. For all others the quarantine need not be asked."""
    return quarantined > 0 and 2 * quarantined >= rows


def settled_at(cursor: duckdb.DuckDBPyConnection, symbol: str) -> int | None:
    """The instant (ms) from which on a symbol's open interest is 0 up to its newest figure, at
    least PATIENCE_MS later; None where its contract was not settled."""
    last = _newest_true_figure(cursor, symbol)
    if last is None:
        return None
    found = cursor.execute(
        f"""
        WITH figures AS (
            SELECT TRY_CAST(split_part(raw, ',', 2) AS TIMESTAMP) AS time, reason = $waits AS waits
            FROM {QUARANTINE}
            WHERE symbol = $symbol AND dataset = 'metrics'
              AND reason IN ($zero, $stays, $waits) AND range_start >= $day),
        newest AS (SELECT max(time) AS time FROM figures WHERE waits)
        SELECT epoch_ms(min(figures.time)), epoch_ms(max(figures.time)) FROM figures, newest
        WHERE NOT waits AND figures.time > greatest($last, coalesce(newest.time, $last))
        """,
        {
            "symbol": symbol,
            "zero": IS_ZERO,
            "stays": STAYS_ZERO,
            "waits": WAITS,
            "last": last,
            "day": day_of(last),
        },
    ).fetchone()
    if found is None or found[0] is None or found[1] - found[0] < PATIENCE_MS:
        return None
    return int(found[0])


def settlements(cursor: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """The same by symbol, of all whose contracts were settled."""
    rows = cursor.execute(
        "SELECT symbol, arg_max(row_count, range_start), arg_max(quarantined, range_start) "
        f"FROM {LEDGER} WHERE dataset = 'metrics' GROUP BY symbol"
    ).fetchall()
    found = {symbol: settled_at(cursor, symbol) for symbol, *line in rows if is_suspected(*line)}
    return {symbol: instant for symbol, instant in found.items() if instant is not None}


def _newest_true_figure(cursor: duckdb.DuckDBPyConnection, symbol: str) -> datetime | None:
    row = cursor.execute(
        f"SELECT max(timestamp) FROM {OPEN_INTEREST.name} "
        "WHERE symbol = ? AND open_interest_contracts > 0",
        [symbol],
    ).fetchone()
    return row[0] if row else None
