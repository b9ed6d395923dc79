from argparse import ArgumentParser
from typing import Any

from ingestion import lake
from ingestion.console import find_symbol
from ingestion.symbols.rollback import set_enabled
from liqheat_project.kernel.commands import ProjectCommand


class Command(ProjectCommand):
    help = "Let the API and the page serve a symbol."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("symbol")

    def handle(self, *args: Any, **options: Any) -> None:
        symbol = find_symbol(options["symbol"])
        set_enabled(symbol, True)
        self.stdout.write(f"{symbol} is enabled: the API and the page serve it.")
        if not lake.rows_within(lake.reader().cursor(), symbol.name):
            self.stderr.write("Note: no data of it is loaded yet.", self.style.WARNING)
