from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from ingestion import lake
from ingestion.console import confirm, day, find_symbol
from ingestion.errors import FileDamaged, IngestionError
from ingestion.models import Symbol
from ingestion.symbols import rollback
from liqheat_project.kernel.commands import ProjectCommand


class Command(ProjectCommand):
    help = (
        "Disable a symbol, cancel its jobs and remove its rows from all tables of the lake. With "
        "days only their rows go, and the symbol stays as enabled as it is. `undo_rollback` "
        "brings them back."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("symbol")
        parser.add_argument("--start-date", type=day, metavar="YYYY-MM-DD", help="first day, UTC")
        parser.add_argument("--end-date", type=day, metavar="YYYY-MM-DD", help="included")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        symbol = find_symbol(options["symbol"])
        try:
            days = rollback.days_between(options["start_date"], options["end_date"])
            self._print_what_goes(symbol, days)
            if not options["yes"]:
                confirm(symbol.name)
            made = rollback.roll_back(symbol, days)
        except IngestionError as error:
            raise CommandError(str(error)) from error
        state = "enabled" if symbol.enabled else "disabled"
        self.stdout.write(
            f"{symbol} is {state} and {made.total:,} rows are removed. Other symbols are untouched."
        )
        if made.note:
            self.stderr.write(f"Note: {made.note}", self.style.WARNING)
        self.stdout.write(
            f"Until {made.expires_at:%Y-%m-%d %H:%M} UTC `manage.py undo_rollback {made.pk}` "
            f"brings them back; {made.bytes_kept:,} bytes are kept for that."
        )

    def _print_what_goes(self, symbol: Symbol, days: lake.Days) -> None:
        try:
            with lake.read.snapshot() as cursor:
                counts = lake.rows_within(cursor, symbol.name, days)
        except FileDamaged as error:
            self.stderr.write(f"Its rows cannot be counted. {error}", self.style.WARNING)
            counts = {}
        self.stdout.write(f"Rolling back {symbol}, {days}, removes {sum(counts.values()):,} rows.")
        for table, rows in counts.items():
            self.stdout.write(f"  {table:<30} {rows:>15,}")
        if counts and symbol.is_approved(timezone.now()):
            self.stdout.write("Its approval is withdrawn; an undo brings it back.")
        for job in rollback.unfinished_jobs(symbol):
            left = job.steps_total - job.steps_done
            self.stdout.write(f"It cancels job {job.pk} ({job}): {left:,} files not loaded yet.")
