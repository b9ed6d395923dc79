"""Keeping the lake fast and small. All of it takes the write lock."""

from ingestion.lake.connection import Lake, write_lock
from ingestion.lake.schema import TABLE_NAMES, TRADES

MERGED_TABLES = tuple(sorted(TABLE_NAMES - {TRADES.plain_name}))
"""Tables of many small files. aggTrades stay one file a day: a day is replaced by dropping it."""

SETTLED_FILE_BYTES = 2_000_000
"""Files from this size on are not merged any more. Otherwise every new row would have the whole
history of its symbol written again, a day of whose copies is kept."""

_WORTH_REWRITING = {TRADES.plain_name: 0.95}
"""Share of deleted rows from which a file is written anew without them; 0 means any. Until then
it cannot be merged, and every reader reads the list of its deletions too."""

STATES_KEPT_DAYS = 1
"""For those who still read a state that was replaced. Undoing a roll back needs none of them."""


def merge_small_files(lake: Lake) -> None:
    """Write the small files of all tables but aggTrades together, per symbol.

    A window read from one file a symbol takes a tenth of the time that one file a day takes; some
    files of a year each do no harm.
    """
    cursor = lake.cursor()
    with write_lock(lake.config):
        cursor.execute("CALL ducklake_flush_inlined_data('lake')")
        for table in sorted(TABLE_NAMES):
            cursor.execute(
                f"CALL ducklake_rewrite_data_files('lake', '{table}', "
                f"delete_threshold => {_WORTH_REWRITING.get(table, 0.0)})"
            )
        for table in MERGED_TABLES:
            cursor.execute(
                f"CALL ducklake_merge_adjacent_files('lake', '{table}', "
                f"max_file_size => {SETTLED_FILE_BYTES})"
            )


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
