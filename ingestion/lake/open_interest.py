"""Open interest judged beside its neighbours in the lake, whether a file or a collector brings it.

The newest figures may have to wait in the quarantine for those after them, and figures that were
believed may turn out to be false. So each judgement looks at what is there before and after the new
figures, and says what becomes of all of them (`ingestion/market/plausibility.py` has the rule).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import numpy as np

from ingestion.lake.schema import LEDGER, OPEN_INTEREST, QUARANTINE
from ingestion.market.plausibility import LOOK_BACK_MS, WAITS, judge_open_interest

Range = tuple[datetime, datetime]

_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Figure:
    """A row of open interest; `raw` is its text in the quarantine, blank outside of it."""

    time: datetime
    contracts: float
    value: float | None
    source: str
    raw: str = ""


@dataclass(frozen=True)
class Corrections:
    """What new figures say of a symbol's older ones: `false` rows of the lake, which go to the
    quarantine, and waiting figures, which are `true` or false after all, with the reasons."""

    symbol: str
    false: list[tuple[Figure, str]]
    true: list[Figure]

    @property
    def new_rows(self) -> int:
        return len(self.true)


def judge(
    cursor: duckdb.DuckDBPyConnection,
    symbol: str,
    fresh: Sequence[Figure],
    replaced: Sequence[Range] = (),
    look_back_ms: int = LOOK_BACK_MS,
) -> tuple[list[str], Corrections]:
    """For each fresh figure why it can't be true, or nothing, and what it says of older ones.

    `replaced` are the ranges, half-open, whose present rows the fresh figures replace.
    """
    if not fresh:
        return [], Corrections(symbol, [], [])
    span = timedelta(milliseconds=look_back_ms)
    since = min(figure.time for figure in fresh) - span
    until = max(figure.time for figure in fresh) + span
    waiting = _outside(_waiting(cursor, symbol, since, until), replaced)
    if waiting:
        since = min(since, min(figure.time for figure in waiting) - span)
    held = _outside(_held(cursor, symbol, since, until), replaced)
    figures = sorted([*held, *waiting, *fresh], key=lambda figure: figure.time)
    reasons = dict(zip(map(id, figures), _judged(figures), strict=True))
    false = [(one, reasons[id(one)]) for one in held if reasons[id(one)] not in ("", WAITS)]
    false += [(one, reasons[id(one)]) for one in waiting if reasons[id(one)] not in ("", WAITS)]
    true = [one for one in waiting if not reasons[id(one)]]
    return [reasons[id(one)] for one in fresh], Corrections(symbol, false, true)


def correct(cursor: duckdb.DuckDBPyConnection, corrections: Corrections) -> None:
    """Put corrections into the lake, in a transaction of the caller: a whole day, or several, may
    be false."""
    symbol = corrections.symbol
    held = [(figure, reason) for figure, reason in corrections.false if not figure.raw]
    waiting = [(figure, reason) for figure, reason in corrections.false if figure.raw]
    for reason in sorted({reason for _, reason in waiting}):
        raws = [figure.raw for figure, other in waiting if other == reason]
        cursor.execute(
            f"UPDATE {QUARANTINE} SET reason = $reason WHERE {_WAITING}",
            {"reason": reason, "symbol": symbol, "waits": WAITS, "raws": raws},
        )
    if held:
        _set_held_aside(cursor, symbol, held)
    if corrections.true:
        _let_in(cursor, symbol, corrections.true)
    moved = Counter(day_of(figure.time) for figure in corrections.true)
    moved.subtract(day_of(figure.time) for figure, _ in held)
    for day, rows in moved.items():
        cursor.execute(
            f"UPDATE {LEDGER} SET row_count = row_count + ?, quarantined = quarantined - ? "
            "WHERE symbol = ? AND dataset = 'metrics' AND range_start = ?",
            [rows, rows, symbol, day],
        )


def text_of(symbol: str, figure: Figure) -> str:
    """How the quarantine keeps a figure: the columns of the lake, with commas between them."""
    value = "" if figure.value is None else repr(figure.value)
    return f"{symbol},{figure.time},{figure.contracts!r},{value},{figure.source}"


def day_of(time: datetime) -> datetime:
    """Midnight before the day that a figure counts to: the figure at midnight closes its day."""
    return datetime.combine((time - timedelta(microseconds=1)).date(), datetime.min.time())


def _judged(figures: Sequence[Figure]) -> list[str]:
    epoch = datetime(1970, 1, 1)  # noqa: DTZ001 - the lake keeps naive UTC
    return judge_open_interest(
        np.array([(figure.time - epoch) // _MILLISECOND for figure in figures], dtype=np.int64),
        np.array([figure.contracts for figure in figures], dtype=np.float64),
        np.array(
            [np.nan if figure.value is None else figure.value for figure in figures],
            dtype=np.float64,
        ),
    )


def _held(
    cursor: duckdb.DuckDBPyConnection, symbol: str, since: datetime, until: datetime
) -> list[Figure]:
    rows = cursor.execute(
        "SELECT timestamp, open_interest_contracts, open_interest_value, source "
        f"FROM {OPEN_INTEREST.name} WHERE symbol = ? AND timestamp >= ? AND timestamp <= ?",
        [symbol, since, until],
    ).fetchall()
    return [Figure(*row) for row in rows]


def _waiting(
    cursor: duckdb.DuckDBPyConnection, symbol: str, since: datetime, until: datetime
) -> list[Figure]:
    rows = cursor.execute(
        f"SELECT raw FROM {QUARANTINE} WHERE symbol = ? AND dataset = 'metrics' AND reason = ? "
        "AND range_start >= ? AND range_start <= ?",
        [symbol, WAITS, day_of(since), until],
    ).fetchall()
    return [_from_text(raw) for (raw,) in rows]


def _from_text(raw: str) -> Figure:
    _, time, contracts, *value, source = raw.split(",")
    known = float(value[0]) if value and value[0] else None
    return Figure(datetime.fromisoformat(time), float(contracts), known, source, raw)


def _outside(figures: Sequence[Figure], ranges: Sequence[Range]) -> list[Figure]:
    return [
        figure
        for figure in figures
        if not any(start <= figure.time < until for start, until in ranges)
    ]


def _set_held_aside(
    cursor: duckdb.DuckDBPyConnection, symbol: str, held: Sequence[tuple[Figure, str]]
) -> None:
    """Move rows of the lake to the quarantine, under the file, or the collector, that the ledger
    names for their day."""
    times = [figure.time for figure, _ in held]
    cursor.execute(
        f"DELETE FROM {OPEN_INTEREST.name} WHERE symbol = $symbol "
        "AND timestamp BETWEEN $first AND $last AND timestamp IN (SELECT unnest($times))",
        {"symbol": symbol, "first": min(times), "last": max(times), "times": times},
    )
    cursor.execute(
        f"""
        INSERT INTO {QUARANTINE}
        SELECT $symbol, 'metrics', candle_interval, day, origin, NULL, why, text
        FROM (SELECT unnest($days) AS day, unnest($reasons) AS why, unnest($texts) AS text) aside
        JOIN (SELECT range_start, candle_interval, origin FROM {LEDGER}
              WHERE symbol = $symbol AND dataset = 'metrics'
              QUALIFY row_number() OVER (PARTITION BY range_start) = 1) line ON range_start = day
        """,
        {
            "symbol": symbol,
            "days": [day_of(time) for time in times],
            "reasons": [reason for _, reason in held],
            "texts": [text_of(symbol, figure) for figure, _ in held],
        },
    )


def _let_in(cursor: duckdb.DuckDBPyConnection, symbol: str, true: Sequence[Figure]) -> None:
    """Move waiting figures from the quarantine to the lake."""
    cursor.execute(
        f"DELETE FROM {QUARANTINE} WHERE {_WAITING}",
        {"symbol": symbol, "waits": WAITS, "raws": [figure.raw for figure in true]},
    )
    cursor.execute(
        f"INSERT INTO {OPEN_INTEREST.name} SELECT $symbol, unnest($times), unnest($contracts), "
        "unnest($values::DOUBLE[]), unnest($sources)",
        {
            "symbol": symbol,
            "times": [figure.time for figure in true],
            "contracts": [figure.contracts for figure in true],
            "values": [figure.value for figure in true],
            "sources": [figure.source for figure in true],
        },
    )


_WAITING = (
    "symbol = $symbol AND dataset = 'metrics' AND reason = $waits AND raw IN (SELECT unnest($raws))"
)
