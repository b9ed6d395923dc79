from argparse import ArgumentParser
from typing import Any

from django.utils import timezone

from ingestion.symbols.supported_pairs import HEADINGS, markdown, supported_pairs
from liqheat_project.kernel.commands import ProjectCommand
from liqheat_project.kernel.tables import table_text


class Command(ProjectCommand):
    help = "The registered symbols: status, validation, and what is loaded."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--markdown", action="store_true", help="as a table for a README")

    def handle(self, *args: Any, **options: Any) -> None:
        pairs = supported_pairs(timezone.now())
        if options["markdown"]:
            self.stdout.write(markdown(pairs))
            return
        self.stdout.write(table_text(HEADINGS, [pair.cells for pair in pairs], justify="left"))
