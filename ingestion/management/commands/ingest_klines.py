from argparse import ArgumentParser
from typing import Any

from ingestion.console import LoadCommand
from ingestion.market.datasets import LOADED_INTERVALS


class Command(LoadCommand):
    help = "Load candles of a symbol into the lake."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--interval", required=True, choices=LOADED_INTERVALS)
        parser.add_argument(
            "--mark-price", action="store_true", help="the candles of the mark price"
        )

    def dataset(self, options: dict[str, Any]) -> str:
        name = "markPriceKlines" if options["mark_price"] else "klines"
        return f"{name} {options['interval']}"
