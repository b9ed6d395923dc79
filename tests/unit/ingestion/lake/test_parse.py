"""Every quirk of the archive's files, read by plain DuckDB, and what becomes of bad rows."""

import csv
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

from ingestion.errors import BadFormat
from ingestion.lake.parse import ParsedFile, _require_every_line, drop, parse
from ingestion.sources.files import ArchiveFile
from tests.archive_files import agg_trades_csv, klines_csv, metrics_csv

DAY = date(2024, 11, 1)
TRADES = ArchiveFile("ETHUSDT", "aggTrades", None, DAY)
CANDLES = ArchiveFile("ETHUSDT", "klines", "5m", DAY)
MARK_PRICE = ArchiveFile("ETHUSDT", "markPriceKlines", "5m", DAY)
METRICS = ArchiveFile("ETHUSDT", "metrics", None, DAY)
NOON = 1_730_462_400_000  # 2024-11-01 12:00 UTC, in ms

Parse = Callable[..., ParsedFile]


@pytest.fixture
def cursor() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


@pytest.fixture
def parsed(cursor: duckdb.DuckDBPyConnection, tmp_path: Path) -> Parse:
    def parse_text(file: ArchiveFile, content: str | bytes) -> ParsedFile:
        path = tmp_path / "file.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return shown(cursor, parse(cursor, path, file, "rows"))

    return parse_text


def shown(cursor: duckdb.DuckDBPyConnection, parsed: ParsedFile) -> ParsedFile:
    """Make the rows of a parsed file, and the bad ones, readable as `good` and `rows_bad`."""
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE good AS FROM '{parsed.rows_path}'")
    cursor.execute(
        "CREATE TEMP TABLE IF NOT EXISTS rows_bad (line BIGINT, reason VARCHAR, raw VARCHAR)"
    )
    return parsed


def good_rows(cursor: duckdb.DuckDBPyConnection) -> list[tuple]:
    return cursor.execute("SELECT * EXCLUDE (reason, raw) FROM good ORDER BY 2, 3").fetchall()


def bad_rows(cursor: duckdb.DuckDBPyConnection) -> list[tuple]:
    return cursor.execute("SELECT line, reason, raw FROM temp.rows_bad ORDER BY line").fetchall()


def text(lines: list[str], end: str = "\n") -> str:
    return "".join(line + end for line in lines)


def with_cell(content: str, line: int, column: int, value: str) -> str:
    lines = content.splitlines()
    cells = lines[line].split(",")
    cells[column] = value
    lines[line] = ",".join(cells)
    return text(lines)


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


def expected_trade(cells: list[str], symbol: str = "ETHUSDT") -> tuple:
    return (
        symbol,
        int(cells[0]),
        naive(int(cells[5])),
        float(Decimal(cells[1])),
        float(Decimal(cells[2])),
        int(cells[3]),
        int(cells[4]),
        cells[6].lower() == "true",
    )


def naive(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None)


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


REFUSED = {
    "empty": ("", "empty"),
    "an empty line": ("\n", "empty"),
    "header only": (TRADE_LINES[0] + "\n", "no rows"),
    "a missing column": (text([line.rpartition(",")[0] for line in TRADE_LINES]), "no column"),
    "a header without prices": (text(TRADE_LINES).replace("price", "cost", 1), "no column price"),
    "HTML": ("<!DOCTYPE html><html><body>Sign in</body></html>\n", "no column"),
    "another day": (agg_trades_csv(ArchiveFile("ETHUSDT", "aggTrades", None, date(2024, 11, 2))),
                    "100 of 100 rows"),
    "too many bad rows": (
        text([*TRADE_LINES[:80], *(line.replace(".", "x", 1) for line in TRADE_LINES[80:])]),
        "21 of 100 rows",
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


METRICS_TEXT = metrics_csv(METRICS)
BAD_METRICS_CELLS = [
    (0, "", "blank"),
    (0, "yesterday", "cannot be read"),
    (0, "1730462400000", "cannot be read"),
    (0, "infinity", "outside"),
    (0, "294247-01-10 04:00:54.775806", "outside"),
    (0, "2024-11-01 00:00:00", "outside"),
    (0, "2024-11-02 00:05:00", "outside"),
    (1, "BTCUSDT", "another symbol"),
    (2, "", "blank"),
    (2, "-1", "open interest"),
    (2, "nan", "open interest"),
    (2, "much", "sum_open_interest"),
    (3, "inf", "value"),
    (3, "-1", "value"),
]


@pytest.mark.parametrize(("column", "value", "reason"), BAD_METRICS_CELLS)
def test_a_bad_cell_sends_its_open_interest_to_quarantine(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse, column: int, value: str, reason: str
) -> None:
    result = parsed(METRICS, with_cell(METRICS_TEXT, 100, column, value))
    assert (result.rows, result.quarantined, result.duplicates) == (287, 1, 0)
    assert reason in bad_rows(cursor)[0][1]


@pytest.mark.parametrize("value", ["", "1.5", "nonsense"])
def test_the_ratios_of_metrics_may_be_blank_or_anything(parsed: Parse, value: str) -> None:
    content = text([line.rstrip(",") + f",{value}" * 4 for line in METRICS_TEXT.splitlines()[1:]])
    assert parsed(METRICS, content).rows == 288


def test_a_blank_value_of_open_interest_is_null(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse
) -> None:
    assert parsed(METRICS, with_cell(METRICS_TEXT, 1, 3, "")).quarantined == 0
    assert good_rows(cursor)[0][2:] == (1000.0, None, "archive")


def test_open_interest_is_out_of_order_as_on_2024_08_08(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse
) -> None:
    parsed(METRICS, METRICS_TEXT)
    expected = good_rows(cursor)
    lines = METRICS_TEXT.splitlines()
    assert parsed(METRICS, text([lines[0], *lines[150:], *lines[1:150]])).rows == 288
    assert good_rows(cursor) == expected


def instants_and_figures(cursor: duckdb.DuckDBPyConnection) -> list[tuple]:
    return [(row[1], row[2]) for row in good_rows(cursor)]


def test_the_label_change_of_metrics_gives_every_instant_to_exactly_one_file(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse
) -> None:
    """The label 2026-06-25 00:00 stands in two files: 00:00 in the older, 00:05 in the newer."""
    before = ArchiveFile("ETHUSDT", "metrics", None, date(2026, 6, 24))
    after = ArchiveFile("ETHUSDT", "metrics", None, date(2026, 6, 25))
    older, newer = metrics_csv(before, 1000.0), metrics_csv(after, 5000.0)
    assert older.splitlines()[-1].startswith("2026-06-25 00:00:00")
    assert newer.splitlines()[1].startswith("2026-06-25 00:00:00")

    assert parsed(before, older).rows == 288
    first = instants_and_figures(cursor)
    assert parsed(after, newer).rows == 288
    second = instants_and_figures(cursor)

    assert first[0] == (datetime(2026, 6, 24, 0, 5), 1000.0)
    assert first[-1] == (datetime(2026, 6, 25), 1287.0)
    assert second[0] == (datetime(2026, 6, 25, 0, 5), 5000.0)
    assert second[-1] == (datetime(2026, 6, 26), 5287.0)
    instants = [instant for instant, _ in first + second]
    assert len(set(instants)) == 576
    assert {(b - a).seconds for a, b in pairwise(instants)} == {300}


def test_labels_of_the_other_rule_fall_out_of_the_day(
    cursor: duckdb.DuckDBPyConnection, parsed: Parse
) -> None:
    """An old-style row labelled 00:00 of the next day has no place in a file of the new rule."""
    after = ArchiveFile("ETHUSDT", "metrics", None, date(2026, 6, 25))
    result = parsed(after, metrics_csv(after) + "2026-06-26 00:00:00,ETHUSDT,1,100,,,,\n")
    assert (result.rows, result.quarantined) == (288, 1)
    assert "outside" in bad_rows(cursor)[0][1]


def unzipped(archive: Path, folder: Path) -> Path:
    with zipfile.ZipFile(archive) as packed:
        return Path(packed.extract(packed.namelist()[0], folder))


def slowly_read(path: Path) -> list[list[str]]:
    with path.open(newline="") as stream:
        rows = list(csv.reader(stream))
    return rows if rows[0][0][:1].isdigit() else rows[1:]


@pytest.mark.real_data
def test_a_real_day_of_trades_equals_a_slow_reading(
    cursor: duckdb.DuckDBPyConnection, real_data: Path, tmp_path: Path
) -> None:
    file = ArchiveFile("APEUSDT", "aggTrades", None, date(2024, 10, 18))
    path = unzipped(real_data / "archive" / file.archive_path, tmp_path)
    result = shown(cursor, parse(cursor, path, file, "rows"))
    expected = sorted(expected_trade(cells, "APEUSDT") for cells in slowly_read(path))
    assert (result.quarantined, result.duplicates, result.rows) == (0, 0, len(expected))
    assert good_rows(cursor) == expected


@pytest.mark.real_data
def test_a_real_spot_file_without_header_equals_a_slow_reading(
    cursor: duckdb.DuckDBPyConnection, real_data: Path, tmp_path: Path
) -> None:
    file = ArchiveFile("PEPEUSDT", "aggTrades", None, date(2024, 10, 27))
    archive = "archive/data/spot/daily/aggTrades/PEPEUSDT/PEPEUSDT-aggTrades-2024-10-27.zip"
    path = unzipped(real_data / archive, tmp_path)
    result = shown(cursor, parse(cursor, path, file, "rows"))
    expected = sorted(expected_trade(cells, "PEPEUSDT") for cells in slowly_read(path))
    assert (result.quarantined, result.rows) == (0, len(expected))
    assert good_rows(cursor) == expected


@pytest.mark.real_data
@pytest.mark.parametrize(
    "file",
    [
        ArchiveFile("AVAXUSDT", "metrics", None, date(2026, 2, 11)),
        ArchiveFile("BTCUSDT", "metrics", None, date(2025, 12, 1)),
    ],
    ids=str,
)
def test_a_real_day_of_open_interest_equals_a_slow_reading(
    cursor: duckdb.DuckDBPyConnection, real_data: Path, tmp_path: Path, file: ArchiveFile
) -> None:
    path = unzipped(real_data / "archive" / file.archive_path, tmp_path)
    result = shown(cursor, parse(cursor, path, file, "rows"))
    expected = sorted(
        (
            file.symbol,
            datetime.fromisoformat(cells[0]),
            float(Decimal(cells[2])),
            float(Decimal(cells[3])),
            "archive",
        )
        for cells in slowly_read(path)
    )
    assert (result.quarantined, result.duplicates, result.rows) == (0, 0, len(expected))
    assert good_rows(cursor) == expected


@pytest.mark.real_data
def test_a_real_month_of_candles_equals_a_slow_reading(
    cursor: duckdb.DuckDBPyConnection, real_data: Path, tmp_path: Path
) -> None:
    file = ArchiveFile("AVAXUSDT", "klines", "1m", date(2026, 2, 1), "monthly")
    path = unzipped(real_data / "archive" / file.archive_path, tmp_path)
    result = shown(cursor, parse(cursor, path, file, "rows"))
    expected = sorted(
        (
            "AVAXUSDT",
            naive(int(cells[0])),
            *(float(Decimal(cell)) for cell in cells[1:6]),
            naive(int(cells[6])),
            float(Decimal(cells[7])),
            int(cells[8]),
            float(Decimal(cells[9])),
            float(Decimal(cells[10])),
        )
        for cells in slowly_read(path)
    )
    assert (result.quarantined, result.duplicates, result.rows) == (0, 0, 28 * 1440)
    assert good_rows(cursor) == expected
