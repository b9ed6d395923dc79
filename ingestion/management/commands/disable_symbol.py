from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from ingestion.console import find_symbol
from ingestion.symbols.rollback import set_enabled


class Command(BaseCommand):
    help = "Stop serving a symbol; its data stays."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("symbol")

    def handle(self, *args: Any, **options: Any) -> None:
        symbol = find_symbol(options["symbol"])
        set_enabled(symbol, False)
        self.stdout.write(f"{symbol} is disabled: it is served no more. Its data stays.")
