"""Keeping the lake fast and small. All of it takes the write lock."""

from collections import Counter

from ingestion.lake.checksums import Damage, find_damage, record_new
from ingestion.lake.connection import Lake, write_lock
from ingestion.lake.files import LakeFile, list_files
from ingestion.lake.schema import CHECKSUMS, TABLE_NAMES, TRADES

FLUSHED_TABLES = tuple(sorted(TABLE_NAMES - {CHECKSUMS.removeprefix("lake.")}))

MERGED_TABLES = tuple(name for name in FLUSHED_TABLES if name != TRADES.plain_name)
"""Tables of many small files. aggTrades stay one file a day: a day is replaced by dropping it."""

SETTLED_FILE_BYTES = 2_000_000
"""Files from this size on are not merged any more. Otherwise every new row would have the whole
history of its symbol written again, a day of whose copies is kept."""

_WORTH_REWRITING = {TRADES.plain_name: 0.95}
"""Share of deleted rows from which a file is written anew without them; 0 means any. Until then
it cannot be merged, and every reader reads the list of its deletions too."""

STATES_KEPT_DAYS = 1
"""For those who still read a state that was replaced. Undoing a roll back needs none of them."""


def merge_small_files(lake: Lake) -> list[Damage]:
    """Write the small files of all tables but aggTrades together, per symbol.

    A window read from one file a symbol takes a tenth of the time that one file a day takes; some
    files of a year each do no harm. Of the files to be read the checksums are compared first: what
    is damaged would be copied, and have a good checksum from then on. Tables with such a file are
    left as they are. Returns the damaged files.
    """
    cursor = lake.cursor()
    with write_lock(lake.config):
        for table in FLUSHED_TABLES:
            cursor.execute(f"CALL ducklake_flush_inlined_data('lake', table_name => '{table}')")
        files = list_files(cursor)
        rewritten, merged = _with_deletions(files), _small_ones_beside_others(files)
        damages = find_damage(lake, {*rewritten, *merged})
        damaged = {damage.file.table for damage in damages}
        for table in sorted({file.table for file in rewritten} - damaged):
            cursor.execute(
                f"CALL ducklake_rewrite_data_files('lake', '{table}', "
                f"delete_threshold => {_WORTH_REWRITING.get(table, 0.0)})"
            )
        for table in sorted({file.table for file in merged} - damaged):
            cursor.execute(
                f"CALL ducklake_merge_adjacent_files('lake', '{table}', "
                f"max_file_size => {SETTLED_FILE_BYTES})"
            )
    record_new(lake)
    return damages


def _with_deletions(files: list[LakeFile]) -> list[LakeFile]:
    """Data files of which rows were deleted, and the lists of these rows."""
    ids = {file.data_file_id for file in files if file.deletes}
    return [file for file in files if file.data_file_id in ids]


def _small_ones_beside_others(files: list[LakeFile]) -> list[LakeFile]:
    small = [
        file
        for file in files
        if file.table in MERGED_TABLES and not file.deletes and file.bytes < SETTLED_FILE_BYTES
    ]
    beside = Counter((file.table, file.symbol) for file in small)
    return [file for file in small if beside[file.table, file.symbol] > 1]


def free_disk(lake: Lake, days: int = STATES_KEPT_DAYS) -> None:
    """Forget states that were replaced `days` ago, and delete the files that no state needs.

    Files younger than a day stay: one of them may be in flight, staged by a writer that has not
    committed yet.
    """
    cursor = lake.cursor()
    with write_lock(lake.config):
        # A state is as old as the one that followed it: what was replaced just now may have been
        # the newest for a year, and somebody may be reading it.
        outdated = cursor.execute(
            """
            SELECT list(snapshot_id) FROM (
                SELECT snapshot_id, lead(snapshot_time) OVER (ORDER BY snapshot_id) AS left_at
                FROM ducklake_snapshots('lake'))
            WHERE left_at < now() - to_days(?)
            """,
            [days],
        ).fetchone()
        if outdated and outdated[0]:
            cursor.execute(f"CALL ducklake_expire_snapshots('lake', versions => {outdated[0]})")
        for function in ("ducklake_cleanup_old_files", "ducklake_delete_orphaned_files"):
            cursor.execute(
                f"CALL {function}('lake', older_than => now()::TIMESTAMP - INTERVAL 1 DAY)"
            )
