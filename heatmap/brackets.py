"""Brackets come in as files, are checked, kept with their dates, and go to the engine."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
from django.db import transaction

from heatmap import models
from heatmap.engine import BracketTable, ModelParameters, model_fingerprint
from ingestion import audit
from ingestion.models import SymbolEvent
from liqheat_project.kernel.instants import milliseconds_of
from liqheat_project.kernel.symbol_names import is_symbol_name

MAX_FILE_BYTES = 20_000_000
UNREADABLE = (
    AttributeError,
    KeyError,
    TypeError,
    ValueError,
    ArithmeticError,  # a number of 400 digits
    RecursionError,
)
MOST = 1e20  # above every notional (USDT), and what stands for no limit
CSV_COLUMNS = ("symbol", "notional_floor", "notional_cap", "mmr", "max_leverage", "cum")


class BadBrackets(Exception):
    """A file or table that is no sound set of brackets; the message says where and why."""


Row = tuple[float, float, float, float, float]
"""Floor, cap, maintenance margin rate, max leverage, cum."""


@dataclass(frozen=True)
class DatedTable:
    """A symbol's table as a file gives it."""

    symbol: str
    valid_from: datetime
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Brackets:
    """What the engine computes a symbol with. `owner` is the symbol, or DEFAULT."""

    owner: str
    tables: tuple[BracketTable, ...]
    sources: tuple[str, ...]

    @cached_property
    def version(self) -> str:
        """Changes with the tables."""
        return model_fingerprint(ModelParameters(), self.tables)


def brackets_of(symbol: str) -> Brackets:
    """The tables of a symbol ordered by date, or those of DEFAULT where it has none."""
    for owner in (symbol, models.DEFAULT_SYMBOL):
        found = list(
            models.BracketTable.objects.filter(symbol=owner)
            .order_by("valid_from")
            .prefetch_related("brackets")
        )
        found = [table for table in found if table.brackets.all()]
        if found:
            tables = tuple(
                engine_table(table.valid_from, map(_row, table.brackets.all())) for table in found
            )
            return Brackets(owner, tables, tuple(table.source for table in found))
    raise BadBrackets(
        f"There are no brackets for {symbol} and none for {models.DEFAULT_SYMBOL}: "
        "import some with manage.py import_brackets FILE"
    )


def read_file(content: bytes, valid_from: datetime) -> tuple[list[DatedTable], list[str]]:
    """The tables of a CSV or JSON file, and remarks on what was left out.

    CSV: columns symbol, notional_floor, notional_cap, mmr, max_leverage, cum, and first_seen where
    the file has several dates. JSON: the answer of GET /fapi/v1/leverageBracket, with its
    notionalCoef. Tables without a date of their own are valid from `valid_from`. Where a file
    gives a symbol several tables for a date (some write delivery contracts under the name of the
    perpetual), the first one counts; symbols that can't be named here are left out.
    Raises BadBrackets.
    """
    if len(content) > MAX_FILE_BYTES:
        raise BadBrackets(f"The file is larger than {MAX_FILE_BYTES // 1_000_000} MB.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadBrackets(f"The file is no UTF-8 text: {error}.") from error
    try:
        lines = list(_from_json(text) if text.lstrip()[:1] in ("[", "{") else _from_csv(text))
    except csv.Error as error:
        raise BadBrackets(f"The file is no CSV: {error}.") from error
    tables: dict[tuple[str, datetime], list[list[Row]]] = {}
    for symbol, date, row in lines:
        if not all(0 <= figure < MOST for figure in row):
            raise BadBrackets(f"{symbol}: {row} holds what is no figure of a bracket.")
        runs = tables.setdefault((symbol, date or valid_from), [])
        if not runs or row[0] == 0:
            runs.append([])
        runs[-1].append(row)
    if not tables:
        raise BadBrackets("The file holds no brackets.")
    found, remarks = [], []
    for (symbol, date), runs in tables.items():
        if not is_symbol_name(symbol):
            remarks.append(f"{symbol}: left out, not 2 to 30 capital letters, digits, underscores.")
            continue
        if len(runs) > 1:
            remarks.append(
                f"{symbol}: {len(runs)} tables for {date:%Y-%m-%d}, the first one taken."
            )
        found.append(DatedTable(symbol, date, tuple(runs[0])))
    return found, remarks


@transaction.atomic
def store(tables: Sequence[DatedTable], source: str, by: Any = None) -> int:
    """Keep the tables, in place of any of the same symbol and date; returns how many.

    All or nothing: raises BadBrackets when one of them is unsound. The audit log says what came and
    how many tables it replaced; `by` is a user, or None for the shell.
    """
    for table in tables:
        check(f"{table.symbol} from {table.valid_from:%Y-%m-%d}", table.valid_from, table.rows)
    replaced = 0
    for table in tables:
        known = models.BracketTable.objects.filter(symbol=table.symbol, valid_from=table.valid_from)
        replaced += known.count()
        known.delete()
    parents = models.BracketTable.objects.bulk_create(
        models.BracketTable(symbol=table.symbol, valid_from=table.valid_from, source=source)
        for table in tables
    )
    models.Bracket.objects.bulk_create(
        (
            models.Bracket(
                table=parent,
                notional_floor=floor,
                notional_cap=cap,
                maintenance_margin_rate=rate,
                max_leverage=leverage,
                cum=cum,
            )
            for parent, table in zip(parents, tables, strict=True)
            for floor, cap, rate, leverage, cum in table.rows
        ),
        batch_size=1000,
    )
    symbols = {table.symbol for table in tables}
    audit.record(
        SymbolEvent.Act.BRACKETS_CHANGED,
        symbols.pop() if len(symbols) == 1 else "",
        f"imported from {source}",
        by,
        {"tables": len(tables), "replaced": replaced},
    )
    return len(tables)


def record_change(table: models.BracketTable, what: str, by: Any) -> None:
    """Write into the audit log what a person did to a table by hand."""
    text = f"table from {table.valid_from:%Y-%m-%d} {what}"
    audit.record(SymbolEvent.Act.BRACKETS_CHANGED, table.symbol, text, by)


def check(name: str, valid_from: datetime, rows: Iterable[Row]) -> None:
    """Raises BadBrackets, with the bracket, where the maintenance margin would jump."""
    rows = list(rows)
    try:
        table = engine_table(valid_from, rows)
    except ValueError as error:
        raise BadBrackets(f"{name}: {error}.") from error
    for position in table.continuity_errors():
        floor, _, rate, _, cum = rows[position]
        if position == 0:
            raise BadBrackets(f"{name}, bracket 1: floor and cum must be 0.")
        _, cap_before, rate_before, _, cum_before = rows[position - 1]
        expected = cum_before + floor * (rate - rate_before)
        raise BadBrackets(
            f"{name}, bracket {position + 1}: the floor is {floor:,.10g} after a cap of "
            f"{cap_before:,.10g}, the cum {cum:,.10g} where {expected:,.10g} continues the "
            "bracket before."
        )


def engine_table(valid_from: datetime, rows: Iterable[Row]) -> BracketTable:
    """The engine's table of rows (floor, cap, rate, max leverage, cum)."""
    floors, caps, rates, leverages, cums = np.array(list(rows), dtype=np.float64).T
    return BracketTable(milliseconds_of(valid_from), floors, caps, rates, cums, leverages)


def _row(bracket: models.Bracket) -> Row:
    return (
        bracket.notional_floor,
        bracket.notional_cap,
        bracket.maintenance_margin_rate,
        bracket.max_leverage,
        bracket.cum,
    )


def _from_csv(text: str) -> Iterator[tuple[str, datetime | None, Row]]:
    reader = csv.DictReader(io.StringIO(text))
    missing = [name for name in CSV_COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise BadBrackets(f"The file lacks the columns {', '.join(missing)}.")
    for number, line in enumerate(reader, start=2):
        try:
            floor, cap, rate, leverage, cum = (float(line[name]) for name in CSV_COLUMNS[1:])
            date = line.get("first_seen")
            seen = datetime.fromisoformat(date).replace(tzinfo=UTC) if date else None
        except (TypeError, ValueError) as error:
            raise BadBrackets(f"Line {number}: {error}.") from error
        yield line["symbol"] or "", seen, (floor, cap, rate, leverage, cum)


def _from_json(text: str) -> Iterator[tuple[str, datetime | None, Row]]:
    try:
        entries = json.loads(text)
        for entry in entries if isinstance(entries, list) else [entries]:
            scale = float(entry.get("notionalCoef", 1))
            for one in entry["brackets"]:
                floor, cap, cum = (
                    float(one[name]) * scale for name in ("notionalFloor", "notionalCap", "cum")
                )
                row = floor, cap, float(one["maintMarginRatio"]), float(one["initialLeverage"]), cum
                yield str(entry["symbol"]), None, row
    except (
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
        ArithmeticError,
        RecursionError,
    ) as error:
        raise BadBrackets(
            f"The file is not an answer of GET /fapi/v1/leverageBracket: {error!r}."
        ) from error
