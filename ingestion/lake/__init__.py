"""The lake: market data in Parquet with a transactional catalogue (DuckLake on DuckDB)."""

from ingestion.lake import read
from ingestion.lake.checksums import Damage, find_damage, record_new
from ingestion.lake.connection import (
    Lake,
    LakeConfig,
    close,
    configure,
    reader,
    write_lock,
    writer,
)
from ingestion.lake.damaged import take_out
from ingestion.lake.days import bytes_within, lines_touching, rows_within
from ingestion.lake.files import LakeFile, each_day, list_files
from ingestion.lake.kept import Kept, bytes_kept, discard, find_kept, kept_coverage
from ingestion.lake.maintain import free_disk, merge_small_files
from ingestion.lake.remove import Removal, remove_symbol
from ingestion.lake.undo import in_the_way, is_back, undo_removal
from ingestion.market.days import ALL_DAYS, Days

__all__ = [
    "ALL_DAYS",
    "Damage",
    "Days",
    "Kept",
    "Lake",
    "LakeConfig",
    "LakeFile",
    "Removal",
    "bytes_kept",
    "bytes_within",
    "close",
    "configure",
    "discard",
    "each_day",
    "find_damage",
    "find_kept",
    "free_disk",
    "in_the_way",
    "is_back",
    "kept_coverage",
    "lines_touching",
    "list_files",
    "merge_small_files",
    "read",
    "reader",
    "record_new",
    "remove_symbol",
    "rows_within",
    "take_out",
    "undo_removal",
    "write_lock",
    "writer",
]
