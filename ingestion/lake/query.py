"""SQL that a person wrote, run over the lake so that it can read the lake and do nothing else.

Two fences, because neither is enough alone. DuckDB is sealed: no file outside of the lake's data,
no other database, a locked configuration. But its extensions read files by themselves
(`sqlite_scan` opens any SQLite file of the machine even so), and a file could still be written
among the lake's data. So the statement itself is looked at too: a single SELECT, in any of its
forms, over tables of the lake and table functions of which none reaches outside.
"""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from ingestion.errors import BadQuery
from ingestion.lake.connection import Lake, reader

READING = "SELECT, WITH, FROM, VALUES, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN"
TABLE_FUNCTIONS = frozenset(
    {
        "duckdb_columns",
        "duckdb_functions",
        "duckdb_settings",
        "duckdb_tables",
        "ducklake_current_snapshot",
        "ducklake_list_files",
        "ducklake_snapshots",
        "ducklake_table_info",
        "generate_series",
        "pragma_table_info",
        "range",
        "unnest",
    }
)
SCHEMAS = frozenset({"", "lake", "main", "information_schema", "pg_catalog"})

_FETCH_ROWS = 1000
_EXPLAIN = re.compile(r"\s*EXPLAIN\s+(?:ANALYZE\s+)?", re.IGNORECASE)
_QUOTED_WORD = re.compile(r'"([A-Z0-9_]+)"')


@dataclass(frozen=True)
class Answer:
    """The columns of a query's result, and its rows, read once."""

    columns: list[str]
    rows: Iterator[tuple[Any, ...]]


def sealed_lake() -> Lake:
    """A read-only lake with a DuckDB of its own, for `run`."""
    lake = Lake(reader().config, read_only=True)
    lake.seal()
    return lake


def run(
    lake: Lake, sql: str, parameters: Sequence[str] = (), texts: Collection[str] = ()
) -> Answer:
    """Run one reading statement over a sealed lake; its tables need no prefix.

    `parameters` stand for the statement's `?`. A word of `texts` in double quotes is taken as text,
    which is what people mean by `symbol = "ETHUSDT"`; SQL takes it for a column's name. Raises
    BadQuery for anything else than one reading statement over the lake, and for DuckDB's errors.
    """
    cursor = lake.cursor()
    statement = _with_texts(sql, texts)
    try:
        _require_reading(cursor, statement)
        cursor.execute("USE lake")
        cursor.execute(statement, list(parameters))
    except duckdb.Error as error:
        raise BadQuery(_one_line(error)) from error
    columns = [column[0] for column in cursor.description or []]
    return Answer(columns, _rows(cursor))


def _rows(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    try:
        while rows := cursor.fetchmany(_FETCH_ROWS):
            yield from rows
    except duckdb.Error as error:
        raise BadQuery(_one_line(error)) from error


def _with_texts(sql: str, texts: Collection[str]) -> str:
    """Turn the words of `texts` in double quotes into text, where DuckDB reads an identifier."""
    for start, kind in reversed(duckdb.tokenize(sql)):
        word = _QUOTED_WORD.match(sql, start)
        if kind == duckdb.token_type.identifier and word and word[1] in texts:
            sql = f"{sql[:start]}'{word[1]}'{sql[word.end() :]}"
    return sql


def _require_reading(cursor: duckdb.DuckDBPyConnection, statement: str) -> None:
    """Raise BadQuery unless DuckDB's own parser finds a single SELECT over nothing but the lake."""
    explained = _EXPLAIN.match(statement)
    parsed = _parsed(cursor, statement[explained.end() :] if explained else statement)
    if parsed["error"]:
        if parsed["error_type"] == "not implemented":
            raise BadQuery(f"Only reading is allowed here: a statement must be {READING}.")
        raise BadQuery(f"Parser Error: {parsed['error_message']}")
    if len(parsed["statements"]) != 1:
        raise BadQuery(f"One statement at a time: there are {len(parsed['statements'])}.")
    for node in _nodes(parsed["statements"]):
        if node.get("type") == "TABLE_FUNCTION":
            _require_known_function(node["function"])
        elif node.get("type") in ("BASE_TABLE", "SHOW_REF"):
            _require_lake(node)


def _parsed(cursor: duckdb.DuckDBPyConnection, statement: str) -> dict[str, Any]:
    row = cursor.execute("SELECT json_serialize_sql(?)", [statement]).fetchone()
    assert row is not None
    return json.loads(row[0])


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for branch in tree:
            yield from _nodes(branch)


def _require_known_function(function: dict[str, Any]) -> None:
    name = str(function.get("function_name", "")).lower()
    if name not in TABLE_FUNCTIONS:
        raise BadQuery(f"The table function {name} is not allowed here: it may reach outside.")


def _require_lake(table: dict[str, Any]) -> None:
    for place in (table["catalog_name"], table["schema_name"]):
        if place.lower() not in SCHEMAS:
            raise BadQuery(f"{place} is not the lake: only the lake's tables can be read here.")


def _one_line(error: duckdb.Error) -> str:
    return " ".join(str(error).partition("\nLINE ")[0].split())
