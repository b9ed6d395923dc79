import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ingestion import lake
from ingestion.console import find_symbol
from ingestion.models import IngestionJob, Symbol
from ingestion.rollback import roll_back
from liqheat_project.lib.runs import ENDED_STATES


class Command(BaseCommand):
    help = "Disable a symbol, cancel its jobs and remove its rows from all tables of the lake."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("symbol")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        symbol = find_symbol(options["symbol"])
        self._print_what_goes(symbol)
        if not options["yes"]:
            self._ask(symbol)
        removed = sum(roll_back(symbol).values())
        self.stdout.write(
            f"{symbol} is disabled and {removed:,} rows are removed. Other symbols are untouched."
        )

    def _print_what_goes(self, symbol: Symbol) -> None:
        counts = lake.read.row_counts(lake.reader().cursor(), symbol.name)
        self.stdout.write(f"Rolling back {symbol} removes {sum(counts.values()):,} rows.")
        for table, rows in counts.items():
            if rows:
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
