"""Taking a symbol, or some days of it, out of the lake."""

import shutil
from dataclasses import dataclass

import duckdb

from ingestion.errors import OutcomeUnknown
from ingestion.lake.connection import Lake, translated_errors, write_lock
from ingestion.lake.days import LINE_WITHIN, SET_ASIDE_WITHIN, rows_within, within
from ingestion.lake.kept import folder_of, keep
from ingestion.lake.ledger import split_lines
from ingestion.lake.schema import LEDGER, MARKET_TABLES, QUARANTINE
from ingestion.market.days import ALL_DAYS, Days


@dataclass(frozen=True)
class Removal:
    """What one removal took: rows by table, files of the ledger that had a part in it, and lines of
    the quarantine."""

    rows: dict[str, int]
    files: int
    quarantined: int


def remove_symbol(
    lake: Lake, symbol: str, days: Days = ALL_DAYS, keep_as: str | None = None
) -> Removal:
    """Delete a symbol's rows of these days from every table in one transaction.

    Readers see all of it or nothing of it; other symbols' files are not touched. A line of the
    ledger that reaches beyond the days, such as a month's, keeps the parts outside of them. Under
    the name `keep_as` all that goes is kept first, to be brought back by `undo_removal`. Raises
    OutOfSpace, LakeBusy or TemporaryError, and has changed nothing then.
    """
    folder = folder_of(lake.config, keep_as) if keep_as else None
    try:
        with translated_errors(), write_lock(lake.config), lake.transaction() as cursor:
            rows = rows_within(cursor, symbol, days)
            files = split_lines(cursor, symbol, days)
            if folder:
                keep(cursor, folder, symbol, days, rows)
            return Removal(rows, files, _delete(cursor, symbol, days, rows))
    except OutcomeUnknown:
        raise  # what is kept may be all that there is of the rows
    except Exception:  # an interrupt may come when all is done, and nothing else has the rows then
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _delete(
    cursor: duckdb.DuckDBPyConnection, symbol: str, days: Days, rows: dict[str, int]
) -> int:
    """Returns how many lines of the quarantine went with the rows."""
    parameters = {"symbol": symbol, **days.parameters}
    for table in MARKET_TABLES:
        if table.plain_name in rows:
            cursor.execute(f"DELETE FROM {table.name} WHERE {within(table)}", parameters)
    quarantined = cursor.execute(
        f"DELETE FROM {QUARANTINE} WHERE {SET_ASIDE_WITHIN}", parameters
    ).fetchone()
    cursor.execute(f"DELETE FROM {LEDGER} WHERE {LINE_WITHIN}", parameters)
    assert quarantined is not None
    return int(quarantined[0])
