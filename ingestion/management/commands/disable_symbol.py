from argparse import ArgumentParser
from typing import Any

from ingestion.console import find_symbol
from ingestion.symbols.rollback import set_enabled
from liqheat_project.kernel.commands import ProjectCommand


class Command(ProjectCommand):
    help = "Stop serving a symbol; its data stays."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("symbol")

    def handle(self, *args: Any, **options: Any) -> None:
        symbol = find_symbol(options["symbol"])
        set_enabled(symbol, False)
        self.stdout.write(f"{symbol} is disabled: it is served no more. Its data stays.")
