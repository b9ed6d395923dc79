from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from liqheat_project.kernel.commands import ProjectCommand
from liqheat_project.kernel.instants import milliseconds_of
from validation.synthetic.archive import write_archive
from validation.synthetic.market import simulate_market
from validation.synthetic.parameters import INSTRUMENTS, MarketParameters


class Command(ProjectCommand):
    help = "Write a market with known truth as files of Binance's public archive."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--symbol", action="append", required=True, choices=[*INSTRUMENTS], dest="symbols"
        )
        parser.add_argument("--start-date", required=True, type=_midnight, metavar="YYYY-MM-DD")
        parser.add_argument("--days", type=int, default=7)
        parser.add_argument("--seed", type=int, default=7)
        parser.add_argument("--directory", required=True, type=Path)
        parser.add_argument("--trades-per-day", type=int, default=MarketParameters().trades_per_day)

    def handle(self, *args: Any, **options: Any) -> None:
        parameters = MarketParameters(trades_per_day=options["trades_per_day"])
        for symbol in options["symbols"]:
            try:
                market = simulate_market(
                    symbol, options["start_date"], options["days"], options["seed"], parameters
                )
            except ValueError as error:
                raise CommandError(str(error)) from error
            paths = write_archive(market, options["directory"])
            size = sum(path.stat().st_size for path in paths) / 1e6
            self.stdout.write(
                f"{symbol}: {len(paths)} files, {size:.1f} MB, {market.trades.time.size} trades, "
                f"{market.liquidations().side.size} liquidations below {options['directory']}"
            )


def _midnight(text: str) -> int:
    try:
        midnight = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no date like 2026-01-05") from error
    return milliseconds_of(midnight)
