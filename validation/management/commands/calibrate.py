from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from ingestion.models import Symbol
from liqheat_project.kernel.commands import ProjectCommand
from validation.calibration.fit import NotFitted
from validation.calibration.run import calibrate


class Command(ProjectCommand):
    help = (
        "Fit USD liquidated = scale x swept^power per side on a symbol's recorded liquidations, "
        "and use it from then on. Changes nothing and exits with 1 where the data say too little."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--symbol", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        symbol = Symbol.objects.filter(name=options["symbol"]).first()
        if symbol is None:
            raise CommandError(f"--symbol: {options['symbol']} is not registered.")
        try:
            found = calibrate(symbol)
        except NotFitted as error:
            raise CommandError(f"{symbol} stays as it is: {error}.") from error
        self.stdout.write(
            f"{found}: longs {found.long_scale:.3g} x swept^{found.long_power:.2f}, shorts "
            f"{found.short_scale:.3g} x swept^{found.short_power:.2f}, turnover "
            f"{found.turnover:g}; gain {found.gain:.2f} ({found.gain_low:.2f} to "
            f"{found.gain_high:.2f}) over {found.days} days"
        )
