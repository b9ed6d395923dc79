"""Files of real liquidations, as arrays. Pure: bytes in, events out."""

import csv
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from heatmap.engine import LONG, SHORT
from heatmap.engine.market import FloatArray, IntArray
from liqheat_project.kernel.instants import instant_of, milliseconds_of
from validation.coinglass.names import base_coin

MAX_BYTES = 64 * 1024 * 1024
UNKNOWN = 0
SIDES = {"SELL": LONG, "BUY": SHORT}
"""The order that closed the position: a long is sold."""
RECORDED_SIDES = {"long": LONG, "short": SHORT}
SIDE_NOT_SAID = frozenset({"", "S", "B", "A"})
"""Letters that captures of Hyperliquid carry; see `_side`."""
SHOWN_CHARACTERS = 80
SUMS_HEADER = "day,symbol,long_usd,short_usd"
"""Of files that hold sums; `sums` reads them."""
EARLIEST, LATEST = (datetime(year, 1, 1, tzinfo=UTC) for year in (2000, 2100))
NUMBER = re.compile(r"\d+(\.\d*)?([eE][+-]?\d{1,3})?")


class UnreadableEvents(Exception):
    """A file that holds no liquidations in a form we know; the text says what to do."""


class BadRow(Exception):
    """Why a row is set aside."""


@dataclass(frozen=True)
class Events:
    """Liquidations in order of time, one element each.

    `time`: int64 ms UTC. `side`: LONG or SHORT, what was liquidated, UNKNOWN where it is not said.
    `price`: USDT, the average of the fills where it is known, else as the source has it. `usd`:
    its price times its quantity.
    """

    time: IntArray
    side: IntArray
    price: FloatArray
    usd: FloatArray

    def __len__(self) -> int:
        return len(self.time)


@dataclass
class Refused:
    """Rows set aside for one reason: how many, and the first of them."""

    rows: int
    line: int
    text: str


@dataclass(frozen=True)
class EventsFile:
    """The events of one symbol in a file, and the rows that gave none.

    `refused`: by reason. `duplicates`: rows that repeat another one entirely. `others`: rows of
    other symbols.
    """

    events: Events
    refused: dict[str, Refused] = field(default_factory=dict)
    duplicates: int = 0
    others: int = 0


@dataclass(frozen=True)
class _Form:
    """A kind of file, told by its header: how a row gives symbol, time, side, price and USD."""

    header: tuple[str, ...]
    symbol: Callable[[str], str]
    event: Callable[[list[str]], tuple[int, int, float, float]]
    symbol_column: int


Event = tuple[int, int, float, float]


def read_events(content: bytes, symbol: str) -> EventsFile:
    """The events of `symbol` (as Binance writes it) in a CSV file.

    Known are captures of Binance's forceOrder stream (Symbol, Side, Order Type, Time, Quantity,
    Price) and of Hyperliquid (timestamp, venue, coin, side, size_usd, price), by their headers.
    Raises UnreadableEvents for anything else; a row that can't be right is set aside.
    """
    if len(content) > MAX_BYTES:
        raise UnreadableEvents(f"The file has more than {MAX_BYTES:,} bytes; split it.")
    rows = lines_of(content)
    header = next(rows, (1, []))[1]
    form = next((one for one in FORMS if list(one.header) == header), None)
    if form is None:
        known = "; ".join(
            [*(",".join(one.header) for one in FORMS), "day,symbol,long_usd,short_usd"]
        )
        raise UnreadableEvents(f"The first line is not a header that is known. Known are: {known}.")
    found: dict[Event, None] = {}
    refused: dict[str, Refused] = {}
    duplicates = others = 0
    for line, row in rows:
        try:
            if len(row) != len(form.header):
                raise BadRow(f"not {len(form.header)} columns")
            if form.symbol(row[form.symbol_column]) != form.symbol(symbol):
                others += 1
                continue
            event = form.event(row)
        except BadRow as error:
            text = ",".join(row)[:SHOWN_CHARACTERS]
            refused.setdefault(str(error), Refused(0, line, text)).rows += 1
            continue
        duplicates += event in found
        found[event] = None
    return EventsFile(_events(sorted(found)), refused, duplicates, others)


def _events(rows: list[Event]) -> Events:
    columns = zip(*rows, strict=True) if rows else iter([()] * 4)
    time, side, price, usd = (np.array(column) for column in columns)
    return Events(
        time.astype(np.int64), side.astype(np.int64), price.astype(float), usd.astype(float)
    )


def recorded_events(arrays: Mapping[str, NDArray]) -> Events:
    """The events of the lake's arrays (`read.liquidations`)."""
    average = np.asarray(arrays["average_price"], dtype=float)
    price = np.where(average > 0, average, np.asarray(arrays["price"], dtype=float))
    side = np.array([RECORDED_SIDES[side] for side in arrays["side"]], dtype=np.int64)
    usd = price * np.asarray(arrays["quantity"], dtype=float)
    return Events(np.asarray(arrays["time"], dtype=np.int64), side, price, usd)


def lines_of(content: bytes) -> Iterator[tuple[int, list[str]]]:
    """Line numbers with their cells; blank lines are no rows. Bytes that are no text spoil only
    their own cell."""
    for number, line in enumerate(content.decode("utf-8-sig", "replace").splitlines(), 1):
        if not line.strip():
            continue
        try:
            yield number, [cell.strip() for cell in next(csv.reader([line], strict=True))]
        except csv.Error:
            yield number, [line]


def _binance(row: list[str]) -> Event:
    price = _positive(row[5], "price")
    return _milliseconds(row[3]), _side(row[1]), price, price * _positive(row[4], "quantity")


def _hyperliquid(row: list[str]) -> Event:
    price, usd = _positive(row[5], "price"), _positive(row[4], "size_usd")
    return instant(row[0]), _side(row[3]), price, usd


FORMS = (
    _Form(("Symbol", "Side", "Order Type", "Time", "Quantity", "Price"), str, _binance, 0),
    _Form(("timestamp", "venue", "coin", "side", "size_usd", "price"), base_coin, _hyperliquid, 2),
)


def _side(text: str) -> int:
    """What was liquidated. The letters of Hyperliquid's captures do not say it: in one of them
    every row is S, those after a rise and above the market as well as those after a fall."""
    if text.upper() in SIDES:
        return SIDES[text.upper()]
    if text.upper() in SIDE_NOT_SAID:
        return UNKNOWN
    raise BadRow("side is neither BUY nor SELL")


def _positive(text: str, name: str) -> float:
    number = float(text) if NUMBER.fullmatch(text) else math.nan
    if not 0 < number < math.inf:
        raise BadRow(f"{name} is no positive number")
    return number


def _milliseconds(text: str) -> int:
    if not re.fullmatch(r"\d{13}", text, re.ASCII):
        raise BadRow("time is no number of milliseconds")
    return _within_reason(instant_of(int(text)), int(text))


def instant(text: str) -> int:
    """ISO 8601 (naive: UTC) as ms since the epoch. Raises BadRow."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadRow("timestamp is no instant") from None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return _within_reason(found, milliseconds_of(found))


def _within_reason(instant: datetime, milliseconds: int) -> int:
    if not EARLIEST <= instant < LATEST:
        raise BadRow(f"time is not from {EARLIEST.year} to {LATEST.year - 1}")
    return milliseconds
