from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from ingestion.models import Symbol
from liqheat_project.kernel.commands import ProjectCommand


class Command(ProjectCommand):
    help = "Register a symbol, disabled, so that its data can be loaded."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="as Binance writes it: ETHUSDT, 1000PEPEUSDT")
        parser.add_argument(
            "--tick-size", required=True, metavar="X", help="smallest step of the price: 0.01"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        symbol = Symbol(name=options["name"], tick_size=options["tick_size"])
        try:
            symbol.full_clean()
        except ValidationError as error:
            raise CommandError(
                "; ".join(
                    f"{field.replace('_', ' ')}: {' '.join(messages)}"
                    for field, messages in error.message_dict.items()
                )
            ) from error
        symbol.save()
        self.stdout.write(f"{symbol} is registered with tick size {symbol.tick_size:f}.")
