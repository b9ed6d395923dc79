"""A file's price level beside that of the days next to it: a file may be wrong as a whole."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import duckdb

from ingestion.lake.parse import ParsedFile
from ingestion.lake.schema import OPEN_INTEREST, TRADES, MarketTable
from ingestion.market.formats import row_range
from ingestion.market.plausibility import MAX_PRICE_FACTOR, is_near

_DAY = timedelta(days=1)

Range = tuple[datetime, datetime]


def contradictions(cursor: duckdb.DuckDBPyConnection, files: Sequence[ParsedFile]) -> list[str]:
    """For each file, all of one symbol and table, why its prices can't be, or nothing.

    Its median must be within MAX_PRICE_FACTOR of the median of the day before or of the day after,
    in the lake or in the other files. One other file alone is no witness: either may be wrong.
    """
    table = files[0].table
    if table is OPEN_INTEREST:
        return [""] * len(files)
    ranges = [_naive(row_range(one.file)) for one in files]
    medians = _medians(cursor, files)
    reasons = []
    for parsed, (start, until) in zip(files, ranges, strict=True):
        own = medians.get(str(parsed.rows_path))
        beside = [
            median
            for other, (first, last) in zip(files, ranges, strict=True)
            if (until == first or last == start) and (median := medians.get(str(other.rows_path)))
        ]
        known = [
            median
            for span in ((start - _DAY, start), (until, until + _DAY))
            if span not in ranges and (median := _median_in_lake(cursor, parsed, span))
        ]
        others = [*known, *beside]
        is_judged = bool(known) or len(beside) > 1
        if own is None or not is_judged or any(is_near(own, other) for other in others):
            reasons.append("")
        else:
            reasons.append(_reason(parsed, own, others))
    return reasons


def _medians(cursor: duckdb.DuckDBPyConnection, files: Sequence[ParsedFile]) -> dict[str, float]:
    paths = [str(one.rows_path) for one in files if one.rows]
    if not paths:
        return {}
    found = cursor.execute(
        f"SELECT filename, approx_quantile({_price(files[0].table)}, 0.5) "
        "FROM read_parquet($paths, filename => true) GROUP BY filename",
        {"paths": paths},
    ).fetchall()
    return dict(found)


def _median_in_lake(
    cursor: duckdb.DuckDBPyConnection, parsed: ParsedFile, span: Range
) -> float | None:
    table = parsed.table
    found = cursor.execute(
        f"SELECT approx_quantile({_price(table)}, 0.5) FROM {table.name} "
        f"WHERE symbol = ? AND {table.time} >= ? AND {table.time} < ?",
        [parsed.file.symbol, *span],
    ).fetchone()
    return found[0] if found else None


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
    start, until = (instant.astimezone(UTC).replace(tzinfo=None) for instant in instants)
    return start, until
