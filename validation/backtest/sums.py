"""Files of liquidations summed per hour or day, as arrays. Pure: bytes in, sums out."""

import math
from dataclasses import dataclass, field

import numpy as np

from heatmap.engine.market import FloatArray, IntArray
from liqheat_project.kernel.instants import DAY_MS, HOUR_MS
from validation.backtest.events import (
    MAX_BYTES,
    NUMBER,
    SHOWN_CHARACTERS,
    BadRow,
    Refused,
    UnreadableEvents,
    instant,
    lines_of,
)
from validation.coinglass.names import base_coin

TIME_COLUMNS = ("hour", "day", "date", "timestamp")
SYMBOL_COLUMNS = ("symbol", "coin")
SIDE_COLUMNS = ("long_usd", "short_usd")


@dataclass(frozen=True)
class Sums:
    """USD liquidated [2, N], longs and shorts, in N hours or days that begin at `start` (ms)."""

    start: IntArray
    interval_ms: int
    usd: FloatArray

    def __len__(self) -> int:
        return len(self.start)

    @property
    def name(self) -> str:
        return "days" if self.interval_ms == DAY_MS else "hours"


@dataclass(frozen=True)
class SumsFile:
    """The sums of one symbol in a file, the rows set aside by reason, and those of `others`."""

    sums: Sums
    refused: dict[str, Refused] = field(default_factory=dict)
    others: int = 0


def has_sums(content: bytes) -> bool:
    """Whether the header is one of sums: a time column, a symbol column, long_usd, short_usd."""
    header = next(lines_of(content), (1, []))[1]
    return (
        set(SIDE_COLUMNS) <= set(header)
        and any(name in header for name in TIME_COLUMNS)
        and any(name in header for name in SYMBOL_COLUMNS)
    )


def read_sums(content: bytes, symbol: str) -> SumsFile:
    """The sums of `symbol` (as Binance writes it) in a CSV file for which `has_sums` holds.

    A row is the hour or the day that begins at its instant (ISO 8601, naive: UTC); without any hour
    that is not midnight, or with the column `day` or `date`, rows are days. Other columns are
    ignored. Raises UnreadableEvents for two rows of one time; a row that can't be right is set
    aside.
    """
    if len(content) > MAX_BYTES:
        raise UnreadableEvents(f"The file has more than {MAX_BYTES:,} bytes; split it.")
    rows = lines_of(content)
    header = next(rows)[1]
    time, name = (
        next(column for column in columns if column in header)
        for columns in (TIME_COLUMNS, SYMBOL_COLUMNS)
    )
    found: dict[int, tuple[float, float]] = {}
    refused: dict[str, Refused] = {}
    others = 0
    for line, row in rows:
        try:
            if len(row) != len(header):
                raise BadRow(f"not {len(header)} columns")
            cells = dict(zip(header, row, strict=True))
            if base_coin(cells[name]) != base_coin(symbol):
                others += 1
                continue
            at = _whole_hour(cells[time])
            long, short = (_amount(cells[side], side) for side in SIDE_COLUMNS)
        except BadRow as error:
            text = ",".join(row)[:SHOWN_CHARACTERS]
            refused.setdefault(str(error), Refused(0, line, text)).rows += 1
            continue
        if at in found:
            raise UnreadableEvents(f"Line {line} has the {time} of an earlier line again.")
        found[at] = long, short
    start = np.array(sorted(found), dtype=np.int64)
    daily = time in ("day", "date") or not (start % DAY_MS).any()
    usd = np.array([found[at] for at in start.tolist()]).reshape(-1, 2).T
    return SumsFile(Sums(start, DAY_MS if daily else HOUR_MS, usd), refused, others)


def _whole_hour(text: str) -> int:
    at = instant(text)
    if at % HOUR_MS:
        raise BadRow("time is no whole hour")
    return at


def _amount(text: str, name: str) -> float:
    number = float(text) if NUMBER.fullmatch(text) else math.nan
    if not 0 <= number < math.inf:
        raise BadRow(f"{name} is neither 0 nor a positive number")
    return number
