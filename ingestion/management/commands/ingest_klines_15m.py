from typing import Any

from ingestion.console import LoadCommand


class Command(LoadCommand):
    help = "Load 15-minute candles of a symbol into the lake."

    def dataset(self, options: dict[str, Any]) -> str:
        return "klines 15m"
