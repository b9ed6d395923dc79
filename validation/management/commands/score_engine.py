from argparse import ArgumentParser
from typing import Any

import numpy as np
from django.core.management.base import BaseCommand, CommandError

from validation.synthetic.market import simulate_market
from validation.synthetic.parameters import INSTRUMENTS, MarketParameters
from validation.synthetic.prices import DAY
from validation.synthetic.score import SIDES, score_instants, score_market

START = 20_458 * DAY  # 2026-01-05


class Command(BaseCommand):
    help = "Score the engine and a one-sided model against the truth of synthetic markets."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--symbol", action="append", required=True, choices=[*INSTRUMENTS], dest="symbols"
        )
        parser.add_argument("--seeds", type=int, default=10, help="how many, from 1 on")
        parser.add_argument("--days", type=int, default=7)
        parser.add_argument("--trades-per-day", type=int, default=MarketParameters().trades_per_day)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["seeds"] < 1:
            raise CommandError("--seeds must be 1 or more")
        parameters = MarketParameters(trades_per_day=options["trades_per_day"])
        for symbol in options["symbols"]:
            self.stdout.write(
                f"{symbol}: rank correlation and earth mover's distance in % of price"
            )
            self._write_row("seed", [f"{m} {s}" for m in ("engine", "1-sided") for s in SIDES])
            rows = []
            for seed in range(1, options["seeds"] + 1):
                try:
                    market = simulate_market(symbol, START, options["days"], seed, parameters)
                except ValueError as error:
                    raise CommandError(str(error)) from error
                models = score_market(market, score_instants(market))
                scores = [models[m][side] for m in ("engine", "one-sided") for side in SIDES]
                rows.append([(s.rank_correlation, s.earth_movers_distance) for s in scores])
                self._write_row(str(seed), _cells(rows[-1]))
            self._write_row("median", _cells(np.nanmedian(rows, axis=0).tolist()))

    def _write_row(self, name: str, cells: list[str]) -> None:
        self.stdout.write(f"| {name:6} | " + " | ".join(f"{cell:13}" for cell in cells) + " |")


def _cells(pairs: Any) -> list[str]:
    return [f"{correlation:+.2f}  {distance:.2f} %" for correlation, distance in pairs]
