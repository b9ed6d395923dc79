import signal
import threading
from typing import Any

from django.conf import settings

from ingestion.collecting import open_interest
from ingestion.console import LoadCommand, find_symbol, require_broker

FILE_OPTIONS = (
    "start_date",
    "end_date",
    "data_dir",
    "dry_run",
    "throttle_ms",
    "monthly",
    "reload",
    "queue",
)
"""Options that only files have: whoever gives one means to load some, also without days."""


class Command(LoadCommand):
    help = (
        "Load open interest (metrics) of a symbol into the lake; without dates, collect it live "
        "until Ctrl-C, as the workers do for enabled symbols."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if any(options[name] for name in FILE_OPTIONS):
            super().handle(*args, **options)
        else:
            self._collect(find_symbol(options["symbol"]).name)

    def dataset(self, options: dict[str, Any]) -> str:
        return "metrics"

    def _collect(self, symbol: str) -> None:
        require_broker("The limits of the exchange are kept there, together with the workers.")
        self.stdout.write(
            f"Open interest of {symbol} every {settings.OPEN_INTEREST_SECONDS} s from "
            f"{settings.FUTURES_BASE_URL}, until Ctrl-C."
        )
        for line in open_interest.follow(symbol, _interrupted()):
            self.stdout.write(line)
            self.stdout.flush()
        self.stdout.write("Stopped.")


def _interrupted() -> threading.Event:
    """Set by Ctrl-C and SIGTERM: the round under way ends first, so no statement is cut in two."""
    event = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: event.set())
    return event
