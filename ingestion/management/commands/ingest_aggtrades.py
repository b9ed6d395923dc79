from typing import Any

from ingestion.console import LoadCommand


class Command(LoadCommand):
    help = "Load aggregated trades (aggTrades) of a symbol into the lake."

    def dataset(self, options: dict[str, Any]) -> str:
        return "aggTrades"
