"""Parsed files go into the lake: staged outside the lock, committed in one short transaction."""

import shutil
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb

from ingestion.errors import FarPrices, FewerRows, OutcomeUnknown
from ingestion.lake import checksums, open_interest, price_level
from ingestion.lake.connection import Lake, translated_errors, write_lock
from ingestion.lake.held import RowsByDay, compare, held_by_day, rows_by_day
from ingestion.lake.ledger import LedgerLine, add_lines, drop_replaced_lines, split_lines
from ingestion.lake.open_interest import Corrections, Figure
from ingestion.lake.parse import QUARANTINE_LIMIT_SHARE, ParsedFile, copy_to_parquet, set_aside
from ingestion.lake.schema import LEDGER, OPEN_INTEREST, QUARANTINE, TRADES, MarketTable
from ingestion.market.days import Days
from ingestion.market.formats import row_range
from liqheat_project.kernel.instants import naive

_SAME_FILES = "symbol = ? AND dataset = ? AND candle_interval = ?"


@dataclass(frozen=True)
class Load:
    """A parsed file with its provenance, as the ledger keeps it. `accept_fewer`: a person has said
    that it may replace more rows than it has; `accept_bad`: that its prices are believed."""

    parsed: ParsedFile
    origin: str
    sha256: str
    verified: bool
    chunk_id: int
    accept_fewer: bool = False
    accept_bad: bool = False


def replace_files(
    lake: Lake, loads: Sequence[Load], may_write: Callable[[], bool], now: datetime
) -> list[Load] | None:
    """Put the rows of `loads` in place of what the lake holds for the same ranges, all or nothing.

    All loads are of one symbol, dataset and interval. The ledger and the quarantine change in the
    same transaction, so what the ledger says is loaded is loaded. `may_write` is asked under the
    lock, right before writing. Returns the loads as they were written: without rows that the lake's
    own show to be false. Returns None, and writes nothing, when `may_write` says no. Raises
    NeedsDecision when files hold fewer rows than the lake or prices far from those beside them,
    OutOfSpace, LakeBusy or TemporaryError otherwise, and leaves no file behind then.
    """
    cursor = lake.cursor()
    table = loads[0].parsed.table
    staged = _staging_path(lake, loads[0])
    try:
        with translated_errors():
            loads, corrections, fresh = _judged(cursor, loads)
            _stage_rows(cursor, loads, table, staged)
            checksum = checksums.checksum_of(lake.config, staged)
            with write_lock(lake.config):
                if not may_write():
                    staged.unlink(missing_ok=True)
                    return None
                with lake.transaction():
                    kept_days = _require_all_rows(cursor, loads, fresh)
                    _delete_ranges(cursor, loads, table, kept_days)
                    if any(load.parsed.rows for load in loads):
                        cursor.execute(
                            f"CALL ducklake_add_data_files('lake', '{table.plain_name}', ?, "
                            "hive_partitioning => true, ignore_extra_columns => true)",
                            [str(staged)],
                        )
                        checksums.record(cursor, [checksum])
                    _record(cursor, loads, now, kept_days, fresh)
                    if corrections:
                        open_interest.correct(cursor, corrections)
    except OutcomeUnknown:
        raise  # the file may be part of the lake; if it is not, maintenance deletes it
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
    if not any(load.parsed.rows for load in loads):
        staged.unlink(missing_ok=True)
    return [_with_note(load, days) for load, days in zip(loads, kept_days, strict=True)]


def check_files(lake: Lake, loads: Sequence[Load]) -> list[Load]:
    """The loads as `replace_files` would write them now; nothing is written. Raises NeedsDecision
    where it would, FileDamaged, LakeBusy or TemporaryError."""
    cursor = lake.cursor()
    with translated_errors():
        loads, _, fresh = _judged(cursor, loads)
        kept_days = _require_all_rows(cursor, loads, fresh)
    return [_with_note(load, days) for load, days in zip(loads, kept_days, strict=True)]


def _judged(
    cursor: duckdb.DuckDBPyConnection, loads: Sequence[Load]
) -> tuple[list[Load], Corrections | None, list[RowsByDay]]:
    """The loads without false rows, what they say of the lake's own, and what they hold of each
    day. Raises FarPrices."""
    left, corrections = _set_false_rows_aside(cursor, loads)
    _require_near_prices(cursor, left)
    return left, corrections, rows_by_day(cursor, [load.parsed for load in left])


def _set_false_rows_aside(
    cursor: duckdb.DuckDBPyConnection, loads: Sequence[Load]
) -> tuple[list[Load], Corrections | None]:
    """The loads without rows that their neighbours, in the lake or in each other, show to be false,
    and what they say of the lake's own rows."""
    table = loads[0].parsed.table
    if table is TRADES:
        return [_without_known_trades(cursor, load) for load in loads], None
    if table is not OPEN_INTEREST:
        return list(loads), None
    figures = _figures(cursor, loads)
    symbol = loads[0].parsed.file.symbol
    ranges = [(naive(a), naive(b)) for a, b in (row_range(load.parsed.file) for load in loads)]
    together = [figure for of_load in figures for figure in of_load]
    reasons, corrections = open_interest.judge(cursor, symbol, together, ranges)
    left, why = [], iter(reasons)
    for load, of_load in zip(loads, figures, strict=True):
        false = {figure.time: reason for figure in of_load if (reason := next(why))}
        left.append(_without(cursor, load, false))
    return left, corrections


def _require_near_prices(cursor: duckdb.DuckDBPyConnection, loads: Sequence[Load]) -> None:
    """Raises FarPrices for files whose prices contradict the days beside them, in the lake or in
    each other."""
    found = price_level.contradictions(cursor, [load.parsed for load in loads])
    reasons = {
        load.chunk_id: reason
        for load, reason in zip(loads, found, strict=True)
        if reason and not load.accept_bad
    }
    if reasons:
        raise FarPrices("; ".join(reasons.values()), reasons)


def _figures(cursor: duckdb.DuckDBPyConnection, loads: Sequence[Load]) -> list[list[Figure]]:
    by_path: dict[str, list[Figure]] = {str(load.parsed.rows_path): [] for load in loads}
    rows = cursor.execute(
        "SELECT filename, timestamp, open_interest_contracts, open_interest_value, source "
        "FROM read_parquet($paths, filename => true)",
        {"paths": list(by_path)},
    ).fetchall()
    for path, *figure in rows:
        by_path[path].append(Figure(*figure))
    return list(by_path.values())


def _without_known_trades(cursor: duckdb.DuckDBPyConnection, load: Load) -> Load:
    """A trade that stands in two files is kept once, as one that stands twice in a file. Where the
    lake knows most of a file's numbers, it is the numbers that begin anew."""
    start, until = (naive(instant) for instant in row_range(load.parsed.file))
    path = {"path": str(load.parsed.rows_path)}
    # As numbers, not as a subquery, the bounds leave all files out that have no such trades.
    first, last = cursor.execute(
        "SELECT min(agg_trade_id), max(agg_trade_id) FROM read_parquet($path)", path
    ).fetchone()  # type: ignore[misc]
    found = cursor.execute(
        f"""
        SELECT agg_trade_id FROM read_parquet($path) SEMI JOIN (
            SELECT agg_trade_id FROM {TRADES.name}
            WHERE symbol = $symbol AND NOT (timestamp >= $start AND timestamp < $until)
              AND agg_trade_id >= $first AND agg_trade_id <= $last) known USING (agg_trade_id)
        """,
        path
        | {
            "symbol": load.parsed.file.symbol,
            "start": start,
            "until": until,
            "first": first,
            "last": last,
        },
    ).fetchall()
    if len(found) > QUARANTINE_LIMIT_SHARE * load.parsed.rows:
        return load
    why = "agg_trade_id stands in another file's time with different content"
    return _without(cursor, load, {number: why for (number,) in found})


def _without(cursor: duckdb.DuckDBPyConnection, load: Load, false: Mapping[Any, str]) -> Load:
    if not false:
        return load
    parsed = set_aside(cursor, load.parsed, list(false), list(false.values()))
    return replace(load, parsed=parsed)


def _require_all_rows(
    cursor: duckdb.DuckDBPyConnection, loads: Sequence[Load], fresh: Sequence[RowsByDay]
) -> list[tuple[date, ...]]:
    """The days of each load that stay as they are. Raises FewerRows."""
    held = held_by_day(cursor, loads[0].parsed.table, [load.parsed.file for load in loads])
    found = [
        compare(cursor, load.parsed.file, held, rows, load.sha256)
        for load, rows in zip(loads, fresh, strict=True)
    ]
    reasons = {
        load.chunk_id: one.fewer
        for load, one in zip(loads, found, strict=True)
        if one.fewer and not load.accept_fewer
    }
    if reasons:
        raise FewerRows("; ".join(reasons.values()), reasons)
    return [one.kept_days for one in found]


def _with_note(load: Load, kept_days: tuple[date, ...]) -> Load:
    if not kept_days:
        return load
    days = ", ".join(map(str, kept_days[:5])) + (" and more" if len(kept_days) > 5 else "")
    note = f"it lacks {len(kept_days)} of the days that are loaded, which stay: {days}"
    return replace(load, parsed=replace(load.parsed, note=note))


def _ranges_without(
    start: datetime, until: datetime, kept_days: Iterable[date]
) -> list[tuple[datetime, datetime]]:
    """[start, until) without the kept days; both begin with a day, give or take the same tick."""
    ranges, tick = [], start - datetime.combine(start.date(), time())
    for day in sorted(kept_days):
        midnight = datetime.combine(day, time()) + tick
        if start < midnight:
            ranges.append((start, midnight))
        start = midnight + timedelta(days=1)
    return [*ranges, (start, until)] if start < until else ranges


def _staging_path(lake: Lake, load: Load) -> Path:
    table, symbol = load.parsed.table.plain_name, load.parsed.file.symbol
    folder = lake.config.data_path / "main" / table / f"symbol={symbol}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"load-{uuid.uuid4().hex}.parquet"


def _stage_rows(
    cursor: duckdb.DuckDBPyConnection, loads: Sequence[Load], table: MarketTable, staged: Path
) -> None:
    if len(loads) == 1:
        shutil.move(loads[0].parsed.rows_path, staged)
        return
    paths = [str(load.parsed.rows_path) for load in loads]
    query = f"SELECT * FROM read_parquet($paths) ORDER BY {table.key}"
    copy_to_parquet(cursor, query, staged, {"paths": paths})


def _delete_ranges(
    cursor: duckdb.DuckDBPyConnection,
    loads: Sequence[Load],
    table: MarketTable,
    kept_days: Sequence[tuple[date, ...]],
) -> None:
    symbol = loads[0].parsed.file.symbol
    ranges = [row_range(load.parsed.file) for load in loads]
    for start, until in _joined(ranges, kept_days):
        cursor.execute(
            f"DELETE FROM {table.name} WHERE symbol = ? AND {table.time} >= ? AND {table.time} < ?",
            [symbol, start, until],
        )


def _joined(
    ranges: Sequence[tuple[datetime, datetime]], kept_days: Sequence[tuple[date, ...]]
) -> list[tuple[datetime, datetime]]:
    """The ranges in naive UTC, as the lake keeps instants, without the days that stay; touching
    ones are made one."""
    replaced = [
        part
        for (start, until), days in zip(ranges, kept_days, strict=True)
        for part in _ranges_without(naive(start), naive(until), days)
    ]
    joined: list[tuple[datetime, datetime]] = []
    for start, until in sorted(replaced):
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], until)
        else:
            joined.append((start, until))
    return joined


def _record(
    cursor: duckdb.DuckDBPyConnection,
    loads: Sequence[Load],
    now: datetime,
    kept_days: Sequence[tuple[date, ...]],
    fresh: Sequence[RowsByDay],
) -> None:
    """Ledger and quarantine: what these files say replaces what lay within their ranges."""
    files = [load.parsed.file for load in loads]
    key = [files[0].symbol, files[0].dataset, files[0].interval or ""]
    for day in {day for days in kept_days for day in days}:
        split_lines(cursor, key[0], Days(day, day), (key[1], key[2]))
        drop_replaced_lines(cursor, key[0], Days(day, day), (key[1], key[2]))
    ranges = [(file.start_instant, file.end_instant) for file in files]
    for start, until in _joined(ranges, kept_days):
        cursor.execute(
            f"DELETE FROM {LEDGER} WHERE {_SAME_FILES} AND range_start >= ? AND range_end <= ?",
            [*key, start, until],
        )
        within = f"{_SAME_FILES} AND range_start >= ? AND range_start < ?"
        set_aside = cursor.execute(
            f"SELECT 1 FROM {QUARANTINE} WHERE {within} LIMIT 1", [*key, start, until]
        ).fetchone()
        if set_aside:  # seldom; and a deletion that finds nothing costs as much as one that does
            # A month that these days replace in part keeps its line, and what it had set aside.
            cursor.execute(
                f"DELETE FROM {QUARANTINE} WHERE {within} AND origin NOT IN (SELECT origin "
                f"FROM {LEDGER} WHERE {_SAME_FILES} AND sha256 <> '')",
                [*key, start, until, *key],
            )
    for load in loads:
        if load.parsed.quarantined:
            cursor.execute(
                f"INSERT INTO {QUARANTINE} SELECT ?, ?, ?, ?, ?, line, reason, raw "
                f"FROM temp.{load.parsed.bad_rows_table}",
                [*key, naive(load.parsed.file.start_instant), load.origin],
            )
    lines = [
        line
        for load, days, rows in zip(loads, kept_days, fresh, strict=True)
        for line in _lines(load, now, days, rows)
    ]
    add_lines(cursor, lines)


def _lines(
    load: Load, now: datetime, kept_days: Sequence[date], fresh: RowsByDay
) -> list[LedgerLine]:
    """The lines of a file: one, or its parts around the days that it left as they are."""
    parsed, file = load.parsed, load.parsed.file
    bounds = (naive(file.start_instant), naive(file.end_instant))
    parts = _ranges_without(*bounds, kept_days) if kept_days else [bounds]
    lines: list[LedgerLine] = []
    for start, until in parts:
        rows = parsed.rows
        if kept_days:
            rows = sum(count for day, count in fresh.items() if start.date() <= day < until.date())
        lines.append(
            LedgerLine(
                file.symbol,
                file.dataset,
                file.interval or "",
                start,
                until,
                load.origin,
                load.sha256,
                load.verified,
                rows,
                *((0, 0) if lines else (parsed.quarantined, parsed.duplicates)),
                load.chunk_id,
                naive(now),
            )
        )
    return lines
