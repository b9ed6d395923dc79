"""Taking a symbol out of the lake."""

from ingestion.lake.connection import Lake, write_lock
from ingestion.lake.read import row_counts
from ingestion.lake.schema import LEDGER, MARKET_TABLES, QUARANTINE


def remove_symbol(lake: Lake, symbol: str) -> dict[str, int]:
    """Delete all rows of a symbol from every table in one transaction; returns rows by table.

    Readers see all of it or nothing of it; other symbols' files are not touched.
    """
    with write_lock(lake.config), lake.transaction() as cursor:
        counts = row_counts(cursor, symbol)
        for table in MARKET_TABLES:
            if counts[table.plain_name]:
                cursor.execute(f"DELETE FROM {table.name} WHERE symbol = ?", [symbol])
        for name in (LEDGER, QUARANTINE):
            cursor.execute(f"DELETE FROM {name} WHERE symbol = ?", [symbol])
    return {name: count for name, count in counts.items() if count}
