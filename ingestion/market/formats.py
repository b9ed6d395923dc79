"""What the archive's CSV files look like inside, quirks included. Pure: no file, no clock, no SQL.

Source: binance/binance-public-data README at 5c7f319 and its issues 246, 278 and 491.

- aggTrades have no header up to 2022-08-10 and one from 2022-08-11, candles since 2022-05: the
  first line decides, never the date.
- Spot files carry an eighth column and `True` where futures have `true`: columns beyond the known
  ones are tolerated and named `extra_<position>`.
- Times are milliseconds, in newer spot files microseconds: the size of the number tells
  (`MICROSECONDS_FROM`).
- Mark price candles have zeros for volumes and a constant count: `PLACEHOLDER_COLUMNS` are to be
  stored as NULL.

**Labels of open interest.** A metrics row labelled T in a file of a day before 2026-06-25 is the
open interest at T; from the file of 2026-06-25 on it is the open interest at T + 5 minutes. The
files moved with the rule: before, a day's file runs from 00:05 to 00:00 of the next day; from then
on from 00:00 to 23:55. In instants of validity both are the same range, (day, day + 1]: every
instant belongs to exactly one file. The label 2026-06-25 00:00 stands in two files, and means
00:00 in the older and 00:05 in the newer. Therefore the shift hangs on the file, never on the
label, and `row_range(file)` is what the result must lie in. Some files before the change are
labelled by the start already (seen: 2026-06-12), so a file's own labels decide: one that has the
day's first midnight and not its last is labelled by the start, one that has the last and not the
first by the end. `open_interest_label_shift(file)`, the date's rule, is for files that have both or
neither.
"""

import csv
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ingestion.errors import BadFormat
from ingestion.market.datasets import Dataset
from ingestion.market.files import ArchiveFile

_CANDLE_COLUMNS = (
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "ignore",
)

COLUMNS: dict[Dataset, tuple[str, ...]] = {
    "aggTrades": (
        "agg_trade_id",
        "price",
        "quantity",
        "first_trade_id",
        "last_trade_id",
        "transact_time",
        "is_buyer_maker",
    ),
    "klines": _CANDLE_COLUMNS,
    "markPriceKlines": _CANDLE_COLUMNS,
    "metrics": (
        "create_time",
        "symbol",
        "sum_open_interest",
        "sum_open_interest_value",
        "count_toptrader_long_short_ratio",
        "sum_toptrader_long_short_ratio",
        "count_long_short_ratio",
        "sum_taker_long_short_vol_ratio",
    ),
}
"""The columns of each dataset in the order of a file without header."""

OPTIONAL_COLUMNS: dict[Dataset, frozenset[str]] = {
    "aggTrades": frozenset(),
    "klines": frozenset({"ignore"}),
    "markPriceKlines": frozenset({"ignore"}),
    "metrics": frozenset(COLUMNS["metrics"][4:]),
}
"""Columns that no table of the lake needs: a file without them is still whole."""

PLACEHOLDER_COLUMNS: dict[Dataset, frozenset[str]] = {
    "markPriceKlines": frozenset(
        {"volume", "quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume"}
    ),
}
"""Columns whose figures mean nothing in that dataset and become NULL."""

MICROSECONDS_FROM = 100_000_000_000_000
"""Epoch times of this size and above are microseconds (1973-03-03), below milliseconds (5138)."""

OPEN_INTEREST_LABEL_CHANGE = datetime(2026, 6, 25, tzinfo=UTC)
"""Files of days from this one on label open interest by the start of its five minutes."""

OPEN_INTEREST_STEP = timedelta(minutes=5)

_ONE_TICK = timedelta(microseconds=1)
_STARTS_LIKE_DATA = re.compile(r"[-+]?\.?[0-9]")
_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True)
class Layout:
    """Where the columns of one CSV file are.

    `names` holds one name for each position of the first line; those that the dataset does not
    know are called `extra_<position>`. `has_header` tells whether the first line holds names.
    """

    dataset: Dataset
    has_header: bool
    names: tuple[str, ...]


def read_layout(first_line: str, dataset: Dataset) -> Layout:
    """Tell from a file's first line whether it is a header and where each column stands.

    A byte order mark, CRLF, quotes and spaces around names are tolerated, and names match in any
    case. Raises BadFormat when a column that the dataset needs is missing or named twice.
    """
    line = first_line.removeprefix(_BYTE_ORDER_MARK).rstrip("\r\n")
    try:
        fields = [field.strip() for field in next(csv.reader([line], skipinitialspace=True), [])]
    except csv.Error as error:
        raise BadFormat(f"The {dataset} file's first line is no CSV: {error}") from error
    if not any(fields):
        raise BadFormat(f"The {dataset} file is empty: its first line holds nothing")
    lowered = [field.lower() for field in fields]
    has_header = _is_header(lowered, dataset)
    names = _header_names(lowered, dataset) if has_header else _positional_names(fields, dataset)
    missing = [
        name
        for name in COLUMNS[dataset]
        if name not in names and name not in OPTIONAL_COLUMNS[dataset]
    ]
    if missing:
        raise BadFormat(
            f"The {dataset} file has no column {', '.join(missing)}: "
            f"its first line is {line[:200]!r}"
        )
    return Layout(dataset, has_header, names)


def open_interest_label_shift(file: ArchiveFile) -> timedelta:
    """What to add to every `create_time` of a metrics file to get its instant of validity, where
    the file's own labels don't say.

    The module's docstring says when they do, and why the file decides and not the label.
    """
    return OPEN_INTEREST_STEP if file.start_instant >= OPEN_INTEREST_LABEL_CHANGE else timedelta()


def row_range(file: ArchiveFile) -> tuple[datetime, datetime]:
    """The half-open range [from, until) in which every row of a file must lie, aware, UTC.

    It speaks of the column that the lake keeps: `transact_time`, `open_time`, or for metrics the
    instant of validity. Of metrics it is (start, end], written as [start + 1 us, end + 1 us): a
    microsecond is the finest step of the lake, so one condition serves all datasets, and the ranges
    of consecutive files touch without overlap.
    """
    tick = _ONE_TICK if file.dataset == "metrics" else timedelta()
    return file.start_instant + tick, file.end_instant + tick


def _is_header(lowered: list[str], dataset: Dataset) -> bool:
    if any(field in COLUMNS[dataset] for field in lowered):
        return True
    return not any(_STARTS_LIKE_DATA.match(field) for field in lowered)


def _header_names(lowered: list[str], dataset: Dataset) -> tuple[str, ...]:
    for name in COLUMNS[dataset]:
        if lowered.count(name) > 1:
            raise BadFormat(f"The {dataset} file names its column {name} twice")
    return tuple(
        field if field in COLUMNS[dataset] else f"extra_{position}"
        for position, field in enumerate(lowered)
    )


def _positional_names(fields: list[str], dataset: Dataset) -> tuple[str, ...]:
    known = COLUMNS[dataset]
    extra = tuple(f"extra_{position}" for position in range(len(known), len(fields)))
    return known[: len(fields)] + extra
