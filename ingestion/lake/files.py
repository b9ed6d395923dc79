"""The Parquet files that the lake's newest state consists of, as its catalogue names them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import duckdb

from ingestion.lake.schema import MARKET_TABLES, OPEN_INTEREST, MarketTable
from ingestion.market.days import ALL_DAYS, Days

CATALOGUE = "__ducklake_metadata_lake"
"""DuckLake's own tables: https://ducklake.select/docs/stable/specification/tables/overview"""

_TABLES = {table.plain_name: table for table in MARKET_TABLES}


@dataclass(frozen=True)
class LakeFile:
    """A data file, or the list of rows that were deleted from one, which has its `data_file_id`.

    `path` is below the lake's data folder. `symbol` is blank where a file holds all symbols.
    `first` and `last` are the instants (naive UTC) of its earliest and newest row, None where the
    table has no market data. All of it comes from the catalogue: the file is not opened.
    """

    path: str
    table: str
    symbol: str
    data_file_id: int
    bytes: int
    deletes: bool
    first: datetime | None
    last: datetime | None

    @property
    def market_table(self) -> MarketTable | None:
        return _TABLES.get(self.table)

    @property
    def days(self) -> Days | None:
        """The UTC days that its rows belong to. Open interest at midnight is of the day it
        closes."""
        if self.first is None or self.last is None:
            return None
        closing = timedelta(microseconds=1 if self.table == OPEN_INTEREST.plain_name else 0)
        return Days((self.first - closing).date(), (self.last - closing).date())

    def touches(self, days: Days) -> bool:
        """Whether it may hold rows of any of these days."""
        own = self.days
        return own is None or (own.start < days.until and own.until > days.start)


def list_files(
    cursor: duckdb.DuckDBPyConnection,
    symbol: str | None = None,
    table: str | None = None,
    days: Days = ALL_DAYS,
) -> list[LakeFile]:
    """The files of all symbols or of one, of all tables or of one, that may hold rows of these
    days, in order of their paths. The files of one symbol are without those that hold all."""
    found = cursor.execute(_FILES, {"symbol": symbol, "table": table}).fetchall()
    files = [LakeFile(*row) for row in found]
    return [file for file in files if file.touches(days)]


def each_day(days: Days) -> Iterator[date]:
    """The days between two bounds, both included. Raises ValueError where a side is open."""
    if days.first is None or days.last is None:
        raise ValueError(f"{days} have no end")
    count = (days.last - days.first).days + 1
    return (days.first + timedelta(days=number) for number in range(count))


_FILES = f"""
    WITH files AS (
        SELECT data_file_id, table_id, path, file_size_bytes, false AS deletes
        FROM {CATALOGUE}.ducklake_data_file WHERE end_snapshot IS NULL
        UNION ALL
        SELECT data_file_id, table_id, path, file_size_bytes, true
        FROM {CATALOGUE}.ducklake_delete_file WHERE end_snapshot IS NULL),
    spans AS (
        SELECT data_file_id, min_value, max_value FROM {CATALOGUE}.ducklake_file_column_stats
        JOIN {CATALOGUE}.ducklake_column AS known USING (table_id, column_id)
        WHERE known.end_snapshot IS NULL
          AND column_name IN ({", ".join(sorted({f"'{table.time}'" for table in MARKET_TABLES}))})),
    symbols AS (
        SELECT data_file_id, partition_value FROM {CATALOGUE}.ducklake_file_partition_value
        WHERE partition_key_index = 0)
    SELECT concat(space.path, parent.path, files.path) AS place, parent.table_name,
           coalesce(partition_value, ''), data_file_id, file_size_bytes, deletes,
           CAST(min_value AS TIMESTAMP), CAST(max_value AS TIMESTAMP)
    FROM files
    JOIN {CATALOGUE}.ducklake_table AS parent USING (table_id)
    JOIN {CATALOGUE}.ducklake_schema AS space USING (schema_id)
    LEFT JOIN spans USING (data_file_id)
    LEFT JOIN symbols USING (data_file_id)
    WHERE parent.end_snapshot IS NULL AND space.end_snapshot IS NULL
      AND ($table IS NULL OR parent.table_name = $table)
      AND ($symbol IS NULL OR partition_value = $symbol)
    ORDER BY place"""
