import csv
import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import date, datetime
from itertools import islice
from math import isfinite
from typing import Any

from django.core.management.base import CommandError

from ingestion.errors import BadQuery
from ingestion.lake import query
from ingestion.models import Symbol
from liqheat_project.kernel.commands import ProjectCommand
from liqheat_project.kernel.tables import table_text

TABLE_ROWS = 1000


class Command(ProjectCommand):
    help = (
        'Ask the lake in SQL, read-only: manage.py lake "SELECT count(*) FROM klines_15m_history '
        'WHERE symbol = \'ETHUSDT\'". Instants are UTC. "SHOW TABLES" lists the tables.'
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("sql", help=f"one statement: {query.READING}")
        parser.add_argument("parameters", nargs="*", help="values for the ? of the statement")
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--csv", action="store_true", help="all rows as CSV")
        form.add_argument("--json", action="store_true", help="all rows as a list of objects")

    def handle(self, *args: Any, **options: Any) -> None:
        symbols = set(Symbol.objects.values_list("name", flat=True))
        try:
            answer = query.run(query.sealed_lake(), options["sql"], options["parameters"], symbols)
            if options["csv"]:
                self._print_csv(answer)
            elif options["json"]:
                self._print_json(answer)
            else:
                self._print_table(answer)
            self.stdout.flush()
        except BadQuery as error:
            raise CommandError(str(error)) from error
        except BrokenPipeError:
            # The reader, such as `head`, has seen enough. Python would complain when it exits.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _print_table(self, answer: query.Answer) -> None:
        rows = list(islice(answer.rows, TABLE_ROWS))
        if answer.columns == ["explain_key", "explain_value"]:
            self.stdout.write("\n".join(text for _, text in rows))
            return
        texts = [[_readable(value) for value in row] for row in rows]
        self.stdout.write(table_text(answer.columns, texts) if rows else "No rows.")
        if next(answer.rows, None):
            self.stderr.write(f"Note: the first {TABLE_ROWS:,} rows; --csv gives all of them.")

    def _print_csv(self, answer: query.Answer) -> None:
        writer = csv.writer(self.stdout)
        writer.writerow(answer.columns)
        writer.writerows(answer.rows)

    def _print_json(self, answer: query.Answer) -> None:
        self.stdout.write("[", ending="")
        for line in _objects(answer):
            self.stdout.write(line, ending="")
        self.stdout.write("]")


def _objects(answer: query.Answer) -> Iterator[str]:
    separator = "\n"
    for row in answer.rows:
        values = [_plain(value) for value in row]
        yield separator + json.dumps(dict(zip(answer.columns, values, strict=True)), default=str)
        separator = ",\n"


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not isfinite(value):
        return None
    return value.isoformat() if isinstance(value, date | datetime) else value


def _readable(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return _number(value)
    return str(value)


def _number(value: float) -> str:
    if not isfinite(value) or 0 < abs(value) < 1e-8:
        return str(value)
    whole, _, decimals = f"{value:,.8f}".partition(".")
    return f"{whole}.{decimals.rstrip('0') or '0'}"
