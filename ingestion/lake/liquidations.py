"""Liquidations that the stream brought, and the times in which it was heard.

Both are written in one transaction and can be written again without doubling: the exchange sends at
most one order per symbol and second, so a row that is there to the last field is the same event.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import duckdb

from ingestion.lake.connection import Lake, translated_errors, write_lock
from ingestion.lake.schema import LIQUIDATION_COVERAGE, LIQUIDATIONS, QUARANTINE
from ingestion.market.records import Liquidation

DATASET = "forceOrder"
SOURCE = "stream"
LONGEST_WAIT_SECONDS = 10.0  # for the write lock; the stream goes on meanwhile


@dataclass(frozen=True)
class Heard:
    """The stream was heard, and a symbol's liquidations were kept, in [start, end) (ms)."""

    symbol: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class BadMessage:
    """A message that was set aside: when it came (ms), why, and the beginning of its text."""

    time_ms: int
    reason: str
    raw: str


def add_liquidations(
    lake: Lake,
    events: Sequence[Liquidation],
    heard: Sequence[Heard],
    bad: Sequence[BadMessage],
    wanted: Callable[[], Collection[str]],
) -> int:
    """Write what is not there yet of the wanted symbols; the number of events that were new.

    `wanted` is asked under the lock: a symbol that was disabled to be rolled back must not come
    back. Raises LakeBusy, OutOfSpace or TemporaryError, and has written nothing or everything then.
    """
    if not (events or heard or bad):
        return 0
    with translated_errors(), write_lock(lake.config, LONGEST_WAIT_SECONDS):
        symbols = wanted()
        events = [event for event in events if event.symbol in symbols]
        heard = [span for span in heard if span.symbol in symbols]
        with lake.transaction() as cursor:
            written = _add_events(cursor, events) if events else 0
            if heard:
                _add_heard(cursor, heard)
            if bad:
                _set_aside(cursor, bad)
    return written


def events_since(cursor: duckdb.DuckDBPyConnection, since_ms: int) -> dict[str, int]:
    """By symbol, how many liquidations the lake holds from `since_ms` on."""
    return dict(
        cursor.execute(
            f"SELECT symbol, count(*) FROM {LIQUIDATIONS.name} "
            "WHERE timestamp >= make_timestamp_ms(?) GROUP BY symbol",
            [since_ms],
        ).fetchall()
    )


def heard_spans(
    cursor: duckdb.DuckDBPyConnection, start_ms: int, end_ms: int
) -> dict[str, list[tuple[int, int]]]:
    """By symbol, the spans within [start, end) in which its liquidations were recorded (ms)."""
    rows = cursor.execute(
        f"""
        SELECT symbol, greatest(epoch_ms(timestamp), $start), least(epoch_ms(until), $end)
        FROM {LIQUIDATION_COVERAGE.name}
        WHERE until > make_timestamp_ms($start) AND timestamp < make_timestamp_ms($end)
        ORDER BY symbol, timestamp
        """,
        {"start": start_ms, "end": end_ms},
    ).fetchall()
    spans: dict[str, list[tuple[int, int]]] = {}
    for symbol, start, end in rows:
        known = spans.setdefault(symbol, [])
        if known and start <= known[-1][1]:
            known[-1] = (known[-1][0], max(end, known[-1][1]))
        else:
            known.append((start, end))
    return spans


def heard_share(spans: Sequence[tuple[int, int]], start_ms: int, end_ms: int) -> float:
    """Share, 0 to 1, of [start, end) that lies in `spans`, which do not overlap each other."""
    within = sum(max(0, min(end, end_ms) - max(start, start_ms)) for start, end in spans)
    return within / (end_ms - start_ms)


def _add_events(cursor: duckdb.DuckDBPyConnection, events: Sequence[Liquidation]) -> int:
    times = [event.time_ms for event in events]
    row = cursor.execute(
        f"""
        INSERT INTO {LIQUIDATIONS.name}
        SELECT DISTINCT * FROM (
            SELECT unnest($symbols), make_timestamp_ms(unnest($times::BIGINT[])), unnest($sides),
                   unnest($prices::DOUBLE[]), unnest($average_prices::DOUBLE[]),
                   unnest($quantities::DOUBLE[]), '{SOURCE}'
        ) AS fresh(symbol, timestamp, side, price, average_price, quantity, source)
        WHERE NOT EXISTS (
            FROM {LIQUIDATIONS.name} AS known
            WHERE known.timestamp BETWEEN make_timestamp_ms($first) AND make_timestamp_ms($last)
              AND known.symbol = fresh.symbol AND known.timestamp = fresh.timestamp
              AND known.side = fresh.side AND known.price = fresh.price
              AND known.average_price = fresh.average_price AND known.quantity = fresh.quantity)
        """,
        {
            "symbols": [event.symbol for event in events],
            "times": times,
            "sides": [event.side for event in events],
            "prices": [event.price for event in events],
            "average_prices": [event.average_price for event in events],
            "quantities": [event.quantity for event in events],
            "first": min(times),
            "last": max(times),
        },
    ).fetchone()
    assert row is not None
    return int(row[0])


def _add_heard(cursor: duckdb.DuckDBPyConnection, heard: Sequence[Heard]) -> None:
    cursor.execute(
        f"""
        INSERT INTO {LIQUIDATION_COVERAGE.name}
        SELECT * FROM (
            SELECT unnest($symbols), make_timestamp_ms(unnest($starts::BIGINT[])),
                   make_timestamp_ms(unnest($ends::BIGINT[]))
        ) AS fresh(symbol, timestamp, until)
        WHERE NOT EXISTS (
            FROM {LIQUIDATION_COVERAGE.name} AS known
            WHERE known.timestamp >= make_timestamp_ms($first) AND known.symbol = fresh.symbol
              AND known.timestamp = fresh.timestamp AND known.until = fresh.until)
        """,
        {
            "symbols": [span.symbol for span in heard],
            "starts": [span.start_ms for span in heard],
            "ends": [span.end_ms for span in heard],
            "first": min(span.start_ms for span in heard),
        },
    )


def _set_aside(cursor: duckdb.DuckDBPyConnection, bad: Sequence[BadMessage]) -> None:
    cursor.execute(
        f"""
        INSERT INTO {QUARANTINE}
        SELECT '', '{DATASET}', '', make_timestamp_ms(unnest($times::BIGINT[])), '{SOURCE}', 0,
               unnest($reasons), unnest($raws)
        """,
        {
            "times": [message.time_ms for message in bad],
            "reasons": [message.reason for message in bad],
            "raws": [message.raw for message in bad],
        },
    )
