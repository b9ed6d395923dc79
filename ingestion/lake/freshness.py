"""How new the lake's rows are, and how large it is: cheap enough to be asked every few seconds."""

from dataclasses import dataclass, field

import duckdb

from ingestion.lake.read import loaded_series, version
from ingestion.lake.schema import CANDLES, LIQUIDATIONS, OPEN_INTEREST
from ingestion.market.datasets import INTERVALS
from liqheat_project.kernel.instants import DAY_MS, HOUR_MS, milliseconds_of

LOOK_BACK_MS = 2 * DAY_MS  # what is older is known from the ledger, to the day

KINDS = ("candles", "open_interest", "liquidations")
_KIND_OF_DATASET = {"klines": "candles", "metrics": "open_interest"}


@dataclass
class Freshness:
    """By kind (`KINDS`) the instant (ms) up to which a symbol's newest row reaches, and how many
    rows lie within the last hour."""

    newest_ms: dict[str, int] = field(default_factory=dict)
    rows_last_hour: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class LakeSize:
    """The newest state's number, how many states are kept, and the Parquet files of the newest."""

    version: int
    versions: int
    files: int
    bytes: int


def freshness(cursor: duckdb.DuckDBPyConnection, now_ms: int) -> dict[str, Freshness]:
    """By symbol; symbols without rows are left out."""
    found: dict[str, Freshness] = {}
    for symbol, series in loaded_series(cursor).items():
        for one in series:
            if one.dataset in _KIND_OF_DATASET:
                end_ms = milliseconds_of(one.range_end)
                _note(found, symbol, _KIND_OF_DATASET[one.dataset], min(end_ms, now_ms), 0)
    for symbol, kind, newest_ms, rows in cursor.execute(
        _RECENT, {"since": now_ms - LOOK_BACK_MS, "hour_ago": now_ms - HOUR_MS}
    ).fetchall():
        _note(found, symbol, kind, newest_ms, rows)
    return found


def size(cursor: duckdb.DuckDBPyConnection) -> LakeSize:
    """What the lake takes; files of states that are kept for an undo are not counted."""
    row = cursor.execute(
        "SELECT sum(file_count + delete_file_count)::BIGINT, "
        "sum(file_size_bytes + delete_file_size_bytes)::BIGINT FROM ducklake_table_info('lake')"
    ).fetchone()
    kept = cursor.execute("SELECT count(*) FROM ducklake_snapshots('lake')").fetchone()
    assert row is not None and kept is not None
    return LakeSize(version(cursor), int(kept[0]), int(row[0] or 0), int(row[1] or 0))


def _note(found: dict[str, Freshness], symbol: str, kind: str, newest_ms: int, rows: int) -> None:
    known = found.setdefault(symbol, Freshness())
    known.newest_ms[kind] = max(newest_ms, known.newest_ms.get(kind, 0))
    known.rows_last_hour[kind] = known.rows_last_hour.get(kind, 0) + rows


def _select_recent(kind: str, table: str, time: str, length_ms: int = 0) -> str:
    end = f"epoch_ms({time}) + {length_ms}"
    return (
        f"SELECT symbol, '{kind}' AS kind, max({end}), count(*) FILTER ({end} > $hour_ago) "
        f"FROM {table} WHERE {time} >= make_timestamp_ms($since) GROUP BY symbol"
    )


_RECENT = " UNION ALL ".join(
    [
        _select_recent("open_interest", OPEN_INTEREST.name, OPEN_INTEREST.time),
        _select_recent("liquidations", LIQUIDATIONS.name, LIQUIDATIONS.time),
        *(
            _select_recent("candles", table.name, table.time, INTERVALS[interval])
            for interval, table in CANDLES.items()
        ),
    ]
)
