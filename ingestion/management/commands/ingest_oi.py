from typing import Any

from django.core.management.base import CommandError

from ingestion.console import LoadCommand


class Command(LoadCommand):
    help = "Load open interest (metrics) of a symbol into the lake."

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["start_date"] and not options["end_date"]:
            raise CommandError(
                "Give --start-date and --end-date: open interest is loaded day by day from the "
                "archive. This version cannot collect it live."
            )
        super().handle(*args, **options)

    def dataset(self, options: dict[str, Any]) -> str:
        return "metrics"
