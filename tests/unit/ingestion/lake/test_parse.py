"""Every quirk of files of trades, read by plain DuckDB, and what becomes of bad rows."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from ingestion.errors import BadFormat, TooManyBadRows
from ingestion.lake.parse import _require_every_line, drop
from ingestion.market.files import ArchiveFile
from tests.support.archive_files import agg_trades_csv, metrics_csv
from tests.unit.ingestion.lake.parsing import (
    METRICS,
    TRADES,
    Parse,
    bad_rows,
    expected_trade,
    good_rows,
    text,
    with_cell,
)

TRADE_LINES = agg_trades_csv(TRADES).splitlines()
SAME_CONTENT = {
    "with a header": text(TRADE_LINES),
    "without a header": text(TRADE_LINES[1:]),
    "no line end at the end": text(TRADE_LINES).removesuffix("\n"),
    "byte order mark": "\ufeff" + text(TRADE_LINES),
    "byte order mark, no header": "\ufeff" + text(TRADE_LINES[1:]),
    "CRLF": text(TRADE_LINES, "\r\n"),
    "CRLF, no header": text(TRADE_LINES[1:], "\r\n"),
    "True and False": text(TRADE_LINES).replace("true", "True").replace("false", "False"),
    "an eighth column": text([line + ",True" for line in TRADE_LINES[1:]]),
    "an eighth column with a name": text(
        [TRADE_LINES[0] + ",is_best_match", *(line + ",True" for line in TRADE_LINES[1:])]
    ),
    "microseconds": text(
        [
            ",".join([*cells[:5], cells[5] + "000", cells[6]])
            for cells in (line.split(",") for line in TRADE_LINES[1:])
        ]
    ),
    "reversed": text([TRADE_LINES[0], *reversed(TRADE_LINES[1:])]),
    "blank lines": text([*TRADE_LINES[:50], "", *TRADE_LINES[50:], "", ""]),
    "all quoted": text([",".join(f'"{cell}"' for cell in line.split(",")) for line in TRADE_LINES]),
    "columns in another order": text([",".join(reversed(line.split(","))) for line in TRADE_LINES]),
}


@pytest.mark.parametrize("content", SAME_CONTENT.values(), ids=SAME_CONTENT.keys())
def test_the_same_trades_in_another_guise_are_the_same_rows(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse, content: str
) -> None:
    result = parsed(TRADES, content)
    assert (result.rows, result.quarantined, result.duplicates) == (100, 0, 0)
    assert good_rows(cursor) == [expected_trade(line.split(",")) for line in TRADE_LINES[1:]]


def test_exact_repetitions_are_removed_and_counted(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse
) -> None:
    doubled = [TRADE_LINES[0], *(line for line in TRADE_LINES[1:] for _ in range(2))]
    result = parsed(TRADES, text(doubled))
    assert (result.rows, result.quarantined, result.duplicates) == (100, 0, 100)
    assert len(good_rows(cursor)) == 100


def test_every_metrics_row_twice_as_on_2020_09_01(parsed: Parse) -> None:
    lines = metrics_csv(METRICS).splitlines()
    result = parsed(METRICS, text([lines[0], *lines[1:], *lines[1:]]))
    assert (result.rows, result.quarantined, result.duplicates) == (288, 0, 288)


def test_of_two_rows_with_one_id_and_different_content_the_second_is_quarantined(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse
) -> None:
    content = text(TRADE_LINES)
    other = with_cell(content, 50, 1, "5.5").splitlines()[50]
    result = parsed(TRADES, content + text([other, other, TRADE_LINES[50]]))
    assert (result.rows, result.quarantined, result.duplicates) == (100, 1, 2)
    assert good_rows(cursor)[49][3] == float(TRADE_LINES[50].split(",")[1])
    ((_, reason, raw),) = bad_rows(cursor)
    assert "twice with different content" in reason
    assert "5.5" in raw


BAD_TRADE_CELLS = [
    (0, "", "blank"),
    (0, "abc", "agg_trade_id"),
    (0, "9223372036854775808", "agg_trade_id"),
    (1, "", "blank"),
    (1, "cheap", "price"),
    (1, "0", "price is not a positive"),
    (1, "-1", "price is not a positive"),
    (1, "nan", "price is not a positive"),
    (1, "inf", "price is not a positive"),
    (1, "-inf", "price is not a positive"),
    (1, "1e400", "price is not a positive"),
    (1, '"100', "price"),
    (1, "\0", "price"),
    (2, "", "blank"),
    (2, "-0.5", "quantity is not a positive"),
    (2, "nan", "quantity is not a positive"),
    (5, "", "blank"),
    (5, "0", "outside"),
    (5, "-1", "outside"),
    (5, "1730419199999", "outside"),
    (5, "1730505600000", "outside"),
    (5, "1730505600000000", "outside"),
    (5, "99999999999999", "outside"),
    (5, "9223372036854775807", "outside"),
    (5, "-9223372036854775808", "outside"),
    (5, "2024-11-01", "transact_time"),
    (6, "", "blank"),
    (6, "maybe", "is_buyer_maker"),
]


@pytest.mark.parametrize(("column", "value", "reason"), BAD_TRADE_CELLS)
def test_a_bad_cell_sends_its_trade_to_quarantine_and_no_other(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse, column: int, value: str, reason: str
) -> None:
    result = parsed(TRADES, with_cell(text(TRADE_LINES), 50, column, value))
    assert (result.rows, result.quarantined, result.duplicates) == (99, 1, 0)
    assert [row[1] for row in good_rows(cursor)] == [*range(1, 50), *range(51, 101)]
    assert reason in bad_rows(cursor)[0][1]


@pytest.mark.parametrize("header", [True, False])
def test_the_first_and_last_instant_of_the_day_belong_to_it(parsed: Parse, header: bool) -> None:
    content = with_cell(text(TRADE_LINES), 100, 5, "1730505599999")
    assert parsed(TRADES, content if header else content.partition("\n")[2]).rows == 100


@pytest.mark.parametrize("change", [lambda line: line[:20], lambda line: line + ",x,y"])
def test_a_line_with_too_few_or_too_many_fields_is_quarantined(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse, change: Callable[[str], str]
) -> None:
    bad = change(TRADE_LINES[50])
    result = parsed(TRADES, text([*TRADE_LINES[:50], bad, *TRADE_LINES[51:]]))
    assert (result.rows, result.quarantined) == (99, 1)
    ((line, reason, raw),) = bad_rows(cursor)
    assert (line, raw) == (51, bad)
    assert "Number of Columns" in reason


def test_a_stray_quote_swallows_no_other_line(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse
) -> None:
    lines = [*TRADE_LINES]
    lines[20], lines[70] = '"' + lines[20], lines[70].replace(",", ',"', 1)
    result = parsed(TRADES, text(lines))
    assert (result.rows, result.quarantined) == (98, 2)
    assert [line for line, _, _ in bad_rows(cursor)] == [21, 71]


def test_a_stray_quote_in_a_quoted_file_refuses_it_whole(parsed: Parse) -> None:
    """Which lines it swallowed cannot be told; half a file is not loaded in silence."""
    lines = SAME_CONTENT["all quoted"].splitlines()
    lines[50] = lines[50].removesuffix('"')
    with pytest.raises(BadFormat, match="101 lines, of which 100"):
        parsed(TRADES, text(lines))


def test_bytes_that_are_no_utf8_spoil_their_own_line_only(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse
) -> None:
    content = text(TRADE_LINES).encode().replace(b"\n50,", b"\n\xff\xfe50,")
    result = parsed(TRADES, content)
    assert (result.rows, result.quarantined) == (99, 1)
    assert bad_rows(cursor)[0][0] == 51


def test_a_line_of_megabytes_is_quarantined(parsed: Parse) -> None:
    content = text([*TRADE_LINES[:50], TRADE_LINES[50] + "9" * 5_000_000, *TRADE_LINES[51:]])
    result = parsed(TRADES, content)
    assert (result.rows, result.quarantined) == (99, 1)


@pytest.mark.parametrize("length", [3_900_000, 4_100_000, 50_000_000])
def test_a_line_longer_than_the_buffer_is_quarantined(parsed: Parse, length: int) -> None:
    content = text([*TRADE_LINES[:50], "9" * length, *TRADE_LINES[51:]])
    result = parsed(TRADES, content)
    assert (result.rows, result.quarantined) == (99, 1)


def test_a_line_that_was_neither_read_nor_set_aside_refuses_the_file(tmp_path: Path) -> None:
    csv_path = tmp_path / "day.csv"
    csv_path.write_text(text(TRADE_LINES))
    _require_every_line(csv_path, 101, TRADES)
    with pytest.raises(BadFormat, match="101 lines, of which 100"):
        _require_every_line(csv_path, 100, TRADES)


def test_two_kinds_of_line_ends_lose_nothing_in_silence(parsed: Parse) -> None:
    content = text(TRADE_LINES[:50]) + text(TRADE_LINES[50:], "\r\n")
    with pytest.raises(BadFormat, match="cannot be read as CSV"):
        parsed(TRADES, content)


def test_a_truncated_day_is_loaded_as_far_as_it_goes(parsed: Parse) -> None:
    cut = text(TRADE_LINES[:60]) + TRADE_LINES[60][:15]
    result = parsed(TRADES, cut)
    assert (result.rows, result.quarantined) == (59, 1)


MANY_TRADES = [line.split(",") for line in agg_trades_csv(TRADES, 800).splitlines()[1:]]
REFUSED = {
    "an empty line": ("\n", "empty"),
    "a missing column": (text([line.rpartition(",")[0] for line in TRADE_LINES]), "no column"),
    "a header without prices": (text(TRADE_LINES).replace("price", "cost", 1), "no column price"),
    "HTML": ("<!DOCTYPE html><html><body>Sign in</body></html>\n", "no column"),
    "another day": (agg_trades_csv(ArchiveFile("ETHUSDT", "aggTrades", None, date(2024, 11, 2))),
                    "100 of 100 rows"),
    "times rounded by a spreadsheet": (
        text([",".join([*cells[:5], f"{float(cells[5]):.5E}", cells[6]]) for cells in MANY_TRADES]),
        r"rounded: its 800 trades lie on 9 instant\(s\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("content", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_trusted_is_refused_whole_and_leaves_nothing(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse, tmp_path: Path, content: str, reason: str
) -> None:
    with pytest.raises(BadFormat, match=reason):
        parsed(TRADES, content)
    assert cursor.execute("SELECT table_name FROM duckdb_tables()").fetchall() == []
    assert not list(tmp_path.glob("*.parquet"))


def test_a_file_of_many_bad_rows_waits_for_a_person_who_may_take_the_good_ones(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse
) -> None:
    bad = text([*TRADE_LINES[:80], *(line.replace(".", "x", 1) for line in TRADE_LINES[80:])])
    with pytest.raises(TooManyBadRows, match="21 of 100 rows"):
        parsed(TRADES, bad)
    assert cursor.execute("SELECT table_name FROM duckdb_tables()").fetchall() == []
    result = parsed(TRADES, bad, accept_bad=True)
    assert (result.rows, result.quarantined) == (79, 21)


@pytest.mark.parametrize("content", ["", TRADE_LINES[0] + "\n"], ids=["empty", "header only"])
def test_a_day_without_trades_has_no_rows_and_a_note(parsed: Parse, content: str) -> None:
    result = parsed(TRADES, content)
    assert (result.rows, result.quarantined) == (0, 0)
    assert "no trades" in result.note


def test_a_trade_far_from_the_median_price_is_set_aside_and_a_crash_is_not(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse
) -> None:
    result = parsed(TRADES, with_cell(text(TRADE_LINES), 50, 1, "1e9"))
    assert (result.rows, result.quarantined) == (99, 1)
    assert "median" in bad_rows(cursor)[0][1]
    crashed = [line.replace(",100.", ",1.", 1) for line in TRADE_LINES[60:]]
    assert parsed(TRADES, text([*TRADE_LINES[:60], *crashed])).rows == 100


def test_a_trade_from_the_future_is_set_aside(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse
) -> None:
    result = parsed(TRADES, text(TRADE_LINES), now=datetime(2024, 11, 1, 21, 59, tzinfo=UTC))
    assert (result.rows, result.quarantined) == (92, 8)
    assert "future" in bad_rows(cursor)[0][1]


def test_a_fifth_of_bad_rows_is_still_accepted(parsed: Parse) -> None:
    content = text([*TRADE_LINES[:81], *(line.replace(".", "x", 1) for line in TRADE_LINES[81:])])
    result = parsed(TRADES, content)
    assert (result.rows, result.quarantined) == (80, 20)


def test_the_tables_of_an_earlier_attempt_are_no_obstacle(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse
) -> None:
    parsed(TRADES, with_cell(text(TRADE_LINES), 50, 1, "cheap"))
    result = parsed(TRADES, text(TRADE_LINES))
    assert (result.rows, result.quarantined) == (100, 0)
    drop(cursor, result)
    assert cursor.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("good",)]
