"""Taking damaged files out of the lake without reading them."""

import errno
import shutil
from collections.abc import Sequence
from pathlib import Path

import duckdb

from ingestion.lake.checksums import Damage
from ingestion.lake.connection import Lake, LakeConfig, translated_errors, write_lock
from ingestion.lake.days import LINE_WITHIN
from ingestion.lake.files import CATALOGUE, list_files
from ingestion.lake.kept import SUFFIX
from ingestion.lake.ledger import split_lines
from ingestion.lake.schema import LEDGER, dataset_of


def take_out(lake: Lake, damages: Sequence[Damage]) -> list[Path]:
    """Remove files of market data, and lists of rows deleted from them, with all of their rows.

    Their days are no longer in the ledger, so that they count as not loaded. What can be read of
    the files is copied to `damaged/` in the data folder, which nothing empties; returns the copies.
    Files that are no part of the lake any more are left alone. Raises ValueError for files of
    other tables, LakeBusy, OutOfSpace or TemporaryError.
    """
    if any(damage.file.market_table is None for damage in damages):
        raise ValueError("only market data can be loaded anew")
    with translated_errors(), write_lock(lake.config):
        cursor = lake.cursor()
        ended = {damage.file.data_file_id for damage in damages}
        files = [file for file in list_files(cursor) if file.data_file_id in ended]
        copies = [copy for file in files if (copy := _copy(lake.config, file.path))]
        if files:
            _end(cursor, sorted(ended))
        with lake.transaction():
            for file in files:
                table = file.market_table
                series = dataset_of(table) if table else None
                if series and file.days:
                    split_lines(cursor, file.symbol, file.days, series)
                    cursor.execute(
                        f"DELETE FROM {LEDGER} WHERE {LINE_WITHIN} "
                        "AND dataset = $dataset AND candle_interval = $interval",
                        {
                            "symbol": file.symbol,
                            "dataset": series[0],
                            "interval": series[1],
                            **file.days.parameters,
                        },
                    )
    return copies


def _copy(config: LakeConfig, path: str) -> Path | None:
    copy = config.data_path / "damaged" / f"{path}{SUFFIX}"
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copyfile(config.data_path / path, copy)
    except OSError as error:
        copy.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        return None
    return copy


def _end(cursor: duckdb.DuckDBPyConnection, data_file_ids: Sequence[int]) -> None:
    """End data files in the catalogue, as DuckLake does when all rows of them are deleted.

    A DELETE statement would read them. The statements are those of DuckLake's specification, where
    a state that deletes files is one that ends them. The primary key of the states lets one of two
    writers through.
    """
    cursor.execute("BEGIN")
    try:
        tables = cursor.execute(
            f"SELECT DISTINCT table_id FROM {CATALOGUE}.ducklake_data_file "
            "WHERE data_file_id IN (SELECT unnest(?))",
            [data_file_ids],
        ).fetchall()
        found = cursor.execute(
            f"SELECT max(snapshot_id) + 1 FROM {CATALOGUE}.ducklake_snapshot"
        ).fetchone()
        assert found is not None
        for kind in ("data", "delete"):
            cursor.execute(
                f"UPDATE {CATALOGUE}.ducklake_{kind}_file SET end_snapshot = ? "
                "WHERE end_snapshot IS NULL AND data_file_id IN (SELECT unnest(?))",
                [found[0], data_file_ids],
            )
        cursor.execute(
            f"INSERT INTO {CATALOGUE}.ducklake_snapshot "
            "SELECT snapshot_id + 1, now(), schema_version, next_catalog_id, next_file_id "
            f"FROM {CATALOGUE}.ducklake_snapshot WHERE snapshot_id = ? - 1",
            [found[0]],
        )
        changes = ",".join(f"deleted_from_table:{table}" for (table,) in tables)
        cursor.execute(
            f"INSERT INTO {CATALOGUE}.ducklake_snapshot_changes (snapshot_id, changes_made) "
            "VALUES (?, ?)",
            [found[0], changes],
        )
        cursor.execute("COMMIT")
    except BaseException:
        cursor.execute("ROLLBACK")
        raise
