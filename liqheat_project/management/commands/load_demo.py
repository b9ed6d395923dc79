from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management import call_command

from liqheat_project.kernel.commands import ProjectCommand

SYMBOLS = ("BTCUSDT", "ETHUSDT")
USUAL_DAYS = 7


class Command(ProjectCommand):
    help = "Load a small made-up market, by the same commands as a real one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=int, default=USUAL_DAYS)

    def handle(self, *args: Any, days: int, **options: Any) -> None:
        start = datetime.now(UTC).date() - timedelta(days=days)  # up to the last midnight
        folder = settings.VAR_DIR / "demo"
        market = ["--start-date", str(start), "--days", str(days), "--directory", str(folder)]
        symbols = [option for symbol in SYMBOLS for option in ("--symbol", symbol)]
        call_command("synthetic_market", *symbols, *market)
        end = start + timedelta(days=days - 1)
        for symbol in SYMBOLS:
            source = ["--symbol", symbol, "--start-date", str(start), "--end-date", str(end)]
            source += ["--data-dir", str(folder)]
            call_command("ingest_aggtrades", *source)
            call_command("ingest_oi", *source)
            call_command("ingest_klines", "--interval", "1m", *source)
            call_command("ingest_klines", "--interval", "5m", *source)
            call_command("ingest_klines_15m", *source)
            call_command("enable_symbol", symbol)
