"""A file's price level beside that of the days next to it: a file may be wrong as a whole."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import duckdb

from ingestion.lake.parse import ParsedFile
from ingestion.lake.schema import OPEN_INTEREST, TRADES, MarketTable
from ingestion.market.formats import row_range
from ingestion.market.plausibility import MAX_PRICE_FACTOR, is_near
from liqheat_project.kernel.instants import naive

_DAY = timedelta(days=1)
_MEDIAN = "approx_quantile({0}, 0.5)"

Range = tuple[datetime, datetime]
Extremes = tuple[float, float]


def contradictions(cursor: duckdb.DuckDBPyConnection, files: Sequence[ParsedFile]) -> list[str]:
    """For each file, all of one symbol and table, why its prices can't be, or nothing.

    Its median must be within MAX_PRICE_FACTOR of the median of the day before or of the day after,
    in the lake or in the other files. One other file alone is no witness: either may be wrong.
    """
    if files[0].table is OPEN_INTEREST:
        return [""] * len(files)
    ranges = [_naive(row_range(one.file)) for one in files]
    reasons = []
    for parsed, (start, until) in zip(files, ranges, strict=True):
        beside = [
            other
            for other, (first, last) in zip(files, ranges, strict=True)
            if other.rows and (until == first or last == start)
        ]
        days = [day for day in ((start - _DAY, start), (until, until + _DAY)) if day not in ranges]
        reasons.append(_contradiction(cursor, parsed, beside, days) if parsed.rows else "")
    return reasons


def _contradiction(
    cursor: duckdb.DuckDBPyConnection,
    parsed: ParsedFile,
    beside: Sequence[ParsedFile],
    days: Sequence[Range],
) -> str:
    # Where all prices of both are near each other, so are the medians. Finding a median takes
    # longer than all other checks together.
    if any(_are_near(parsed.prices, other.prices) for other in beside):
        return ""
    held = []
    for day in days:
        lowest, highest = _in_lake(cursor, parsed, day, "min({0}), max({0})")
        if lowest is not None:
            if _are_near(parsed.prices, (lowest, highest)):
                return ""
            held.append(day)
    if not held and len(beside) < 2:
        return ""
    own, *medians = (_median(cursor, one) for one in (parsed, *beside))
    medians = [*(_in_lake(cursor, parsed, day, _MEDIAN)[0] for day in held), *medians]
    if any(is_near(own, median) for median in medians):
        return ""
    return _reason(parsed, own, medians)


def _are_near(prices: Extremes | None, others: Extremes | None) -> bool:
    if prices is None or others is None:
        return False
    return is_near(min(prices[0], others[0]), max(prices[1], others[1]))


def _median(cursor: duckdb.DuckDBPyConnection, parsed: ParsedFile) -> float:
    (found,) = cursor.execute(
        f"SELECT {_MEDIAN.format(_price(parsed.table))} FROM read_parquet($path)",
        {"path": str(parsed.rows_path)},
    ).fetchone()  # type: ignore[misc]
    return float(found)


def _in_lake(
    cursor: duckdb.DuckDBPyConnection, parsed: ParsedFile, day: Range, figures: str
) -> Sequence[Any]:
    """Figures of the prices, {0}, that the lake holds of a day."""
    table = parsed.table
    found = cursor.execute(
        f"SELECT {figures.format(_price(table))} FROM {table.name} "
        f"WHERE symbol = ? AND {table.time} >= ? AND {table.time} < ?",
        [parsed.file.symbol, *day],
    ).fetchone()
    assert found is not None
    return found


def _price(table: MarketTable) -> str:
    return "price" if table is TRADES else "close"


def _reason(parsed: ParsedFile, own: float, beside: Sequence[float]) -> str:
    there = " and ".join(f"{median:g}" for median in beside)
    return (
        f"{parsed.file.name} has a median price of {own:g} USDT, more than {MAX_PRICE_FACTOR:g} "
        f"times, or less than a tenth of, the days beside it ({there}): nothing was replaced. If "
        "the price did move so far, accept it in the job's page, or load it with --accept-bad"
    )


def _naive(instants: Range) -> Range:
    start, until = map(naive, instants)
    return start, until
