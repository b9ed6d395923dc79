from argparse import ArgumentParser
from typing import Any

import pandas as pd
from django.core.management.base import BaseCommand
from django.utils import timezone

from ingestion.symbols.supported_pairs import HEADINGS, markdown, supported_pairs


class Command(BaseCommand):
    help = "The registered symbols: status, validation, and what is loaded."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--markdown", action="store_true", help="as a table for a README")

    def handle(self, *args: Any, **options: Any) -> None:
        pairs = supported_pairs(timezone.now())
        if options["markdown"]:
            self.stdout.write(markdown(pairs))
            return
        table = pd.DataFrame([pair.cells for pair in pairs], columns=HEADINGS)
        self.stdout.write(table.to_string(index=False, justify="left"))
