import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ingestion import lake
from ingestion.console import day, find_symbol
from ingestion.lake.days import rows_within
from ingestion.models import IngestionJob, Symbol
from ingestion.rollback import roll_back
from liqheat_project.lib.runs import ENDED_STATES


class Command(BaseCommand):
    help = (
        "Disable a symbol, cancel its jobs and remove its rows from all tables of the lake. With "
        "days only their rows go, and the symbol stays as enabled as it is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("symbol")
        parser.add_argument("--start-date", type=day, metavar="YYYY-MM-DD", help="first day, UTC")
        parser.add_argument("--end-date", type=day, metavar="YYYY-MM-DD", help="included")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        symbol = find_symbol(options["symbol"])
        days = lake.Days(options["start_date"], options["end_date"])
        if days.start >= days.until:
            raise CommandError(f"--end-date {days.last} comes before --start-date {days.first}.")
        self._print_what_goes(symbol, days)
        if not options["yes"]:
            self._ask(symbol)
        removed = sum(roll_back(symbol, days).rows.values())
        state = "enabled" if symbol.enabled else "disabled"
        self.stdout.write(
            f"{symbol} is {state} and {removed:,} rows are removed. Other symbols are untouched."
        )

    def _print_what_goes(self, symbol: Symbol, days: lake.Days) -> None:
        with lake.read.snapshot() as cursor:
            counts = rows_within(cursor, symbol.name, days)
        self.stdout.write(f"Rolling back {symbol} removes {sum(counts.values()):,} rows.")
        for table, rows in counts.items():
            self.stdout.write(f"  {table:<30} {rows:>15,}")
        jobs = IngestionJob.objects.filter(symbol=symbol).exclude(state__in=ENDED_STATES)
        for job in jobs:
            left = job.steps_total - job.steps_done
            self.stdout.write(f"It cancels job {job.pk} ({job}): {left:,} files not loaded yet.")

    def _ask(self, symbol: Symbol) -> None:
        if not sys.stdin.isatty():
            raise CommandError("Nothing was changed: without a terminal to ask on, give --yes.")
        if input(f"Type {symbol} to go on: ").strip() != symbol.name:
            raise CommandError("Nothing was changed.")
