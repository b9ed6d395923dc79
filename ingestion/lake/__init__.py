"""The lake: market data in Parquet with a transactional catalogue (DuckLake on DuckDB)."""

from ingestion.lake import read
from ingestion.lake.connection import Lake, LakeConfig, configure, reader, write_lock, writer
from ingestion.lake.maintain import free_disk, merge_small_files
from ingestion.lake.remove import ALL_DAYS, Days, Removal, remove_symbol

__all__ = [
    "ALL_DAYS",
    "Days",
    "Lake",
    "LakeConfig",
    "Removal",
    "configure",
    "free_disk",
    "merge_small_files",
    "read",
    "reader",
    "remove_symbol",
    "write_lock",
    "writer",
]
