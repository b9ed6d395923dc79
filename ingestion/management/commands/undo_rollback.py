from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from ingestion import lake
from ingestion.console import confirm
from ingestion.errors import IngestionError
from ingestion.models import RollBack
from ingestion.symbols import rollback
from liqheat_project.kernel.commands import ProjectCommand


class Command(ProjectCommand):
    help = (
        "Bring back what a roll back removed. Without a number the roll backs are listed that can "
        "be undone."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("number", type=int, nargs="?", help="of the roll back")
        parser.add_argument(
            "--give-up", action="store_true", help="never undo it: free the disk that it takes"
        )
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["number"] is None:
            self._print_list()
            return
        made = RollBack.objects.filter(pk=options["number"]).first()
        if made is None:
            raise CommandError(
                f"There is no roll back {options['number']}; `manage.py undo_rollback` lists them."
            )
        try:
            if options["give_up"]:
                self._give_up(made, options["yes"])
            else:
                self._undo(made, options["yes"])
        except IngestionError as error:
            raise CommandError(f"{error}.") from error

    def _print_list(self) -> None:
        found = RollBack.objects.filter(undone_at=None, given_up_at=None)
        for made in found:
            self.stdout.write(
                f"{made.pk:>6}  {made}: {made.total:,} rows removed at {made.at:%Y-%m-%d %H:%M}, "
                f"{made.bytes_kept:,} bytes kept until {made.expires_at:%Y-%m-%d %H:%M} UTC"
            )
        if not found:
            self.stdout.write("No roll back can be undone.")

    def _undo(self, made: RollBack, yes: bool) -> None:
        if made.can_be_undone:
            kept = lake.find_kept(lake.reader().config, made.kept_as.hex)
            self.stdout.write(f"Undoing roll back {made.pk} brings back, of {made}:")
            for table, rows in kept.rows.items():
                self.stdout.write(f"  {table:<30} {rows:>15,}")
            if not yes:
                confirm(made.symbol)
        rollback.undo(made)
        self.stdout.write(f"{made.total:,} rows of {made.symbol} are back.")

    def _give_up(self, made: RollBack, yes: bool) -> None:
        self.stdout.write(f"What roll back {made.pk} removed ({made}) can't be brought back then.")
        if not yes:
            confirm(made.symbol)
        self.stdout.write(f"{rollback.give_up(made):,} bytes are freed.")
