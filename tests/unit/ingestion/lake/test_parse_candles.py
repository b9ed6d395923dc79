"""Candles as the archive has them, read by plain DuckDB."""

from datetime import datetime

import duckdb
import pytest

from tests.support.archive_files import klines_csv
from tests.unit.ingestion.lake.parsing import (
    CANDLES,
    MARK_PRICE,
    NOON,
    Parse,
    bad_rows,
    good_rows,
    text,
    with_cell,
)

CANDLE_TEXT = klines_csv(CANDLES)
BAD_CANDLE_CELLS = [
    (0, "", "blank"),
    (0, "-1", "outside"),
    (0, "9223372036854775807", "outside"),
    (0, "-9223372036854775808", "outside"),
    (0, str(NOON + 1), "grid"),
    (0, str(NOON), "twice"),
    (1, "", "blank"),
    (1, "nan", "contradict"),
    (2, "100", "contradict"),
    (2, "inf", "positive"),
    (3, "500", "contradict"),
    (3, "0", "positive"),
    (3, "-inf", "positive"),
    (4, "1000", "contradict"),
    (4, "expensive", "close"),
    (5, "", "blank"),
    (5, "-1", "volume"),
    (5, "nan", "volume"),
    (7, "inf", "volume"),
    (8, "-1", "count"),
    (8, "many", "count"),
    (9, "nan", "volume"),
    (10, "-3", "volume"),
]


@pytest.mark.parametrize(("column", "value", "reason"), BAD_CANDLE_CELLS)
def test_a_bad_cell_sends_its_candle_to_quarantine(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse, column: int, value: str, reason: str
) -> None:
    result = parsed(CANDLES, with_cell(CANDLE_TEXT, 200, column, value))
    assert (result.rows, result.quarantined, result.duplicates) == (287, 1, 0)
    assert reason in bad_rows(cursor)[0][1]


def test_of_the_prices_the_lowest_and_the_highest_of_good_candles_are_told(parsed: Parse) -> None:
    lines = [line.split(",") for line in CANDLE_TEXT.splitlines()[1:]]
    extremes = min(float(line[3]) for line in lines), max(float(line[2]) for line in lines)
    assert parsed(CANDLES, CANDLE_TEXT).prices == extremes
    assert parsed(CANDLES, with_cell(CANDLE_TEXT, 200, 3, "0.001")).prices == (0.001, extremes[1])
    assert parsed(CANDLES, with_cell(CANDLE_TEXT, 200, 3, "0")).prices == extremes


@pytest.mark.parametrize(("column", "value"), [(6, ""), (6, "1"), (11, "junk"), (9, "")])
def test_cells_that_no_table_needs_may_hold_anything(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse, column: int, value: str
) -> None:
    result = parsed(CANDLES, with_cell(CANDLE_TEXT, 200, column, value))
    assert (result.rows, result.quarantined) == (288, 0)
    closing = [row[7] for row in good_rows(cursor)]
    assert closing[0] == datetime(2024, 11, 1, 0, 4, 59, 999_000)
    assert closing[-1] == datetime(2024, 11, 1, 23, 59, 59, 999_000)


def test_candles_in_microseconds_are_the_same_candles(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse
) -> None:
    parsed(CANDLES, CANDLE_TEXT)
    expected = good_rows(cursor)
    lines = CANDLE_TEXT.splitlines()
    cells = [line.split(",") for line in lines[1:]]
    parsed(
        CANDLES,
        text([lines[0], *(",".join([c[0] + "000", *c[1:6], c[6] + "999", *c[7:]]) for c in cells)]),
    )
    assert good_rows(cursor) == expected


def test_the_placeholders_of_mark_price_candles_become_null(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse
) -> None:
    lines = CANDLE_TEXT.splitlines()
    cells = [line.split(",") for line in lines[1:]]
    content = [",".join([*c[:5], "0", c[6], "0", "60", "0", "0", "0"]) for c in cells]
    assert parsed(MARK_PRICE, text([lines[0], *content])).rows == 288
    first = good_rows(cursor)[0]
    assert first[2:6] == (100.0, 102.0, 98.0, 101.0)
    assert first[8:] == (None, None, None, None)
