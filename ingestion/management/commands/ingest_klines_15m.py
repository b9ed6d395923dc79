from argparse import ArgumentParser
from typing import Any

from ingestion.console import LoadCommand
from ingestion.market.datasets import LOADED_INTERVALS


class Command(LoadCommand):
    help = "Load 15-minute candles of a symbol into the lake."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--interval",
            choices=LOADED_INTERVALS,
            default="15m",
            help="another one is loaded by ingest_klines, too",
        )

    def dataset(self, options: dict[str, Any]) -> str:
        return f"klines {options['interval']}"
