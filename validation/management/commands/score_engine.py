from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

import numpy as np
from django.core.management.base import CommandError

from heatmap.build import MODELS
from liqheat_project.kernel.commands import ProjectCommand
from liqheat_project.kernel.instants import DAY_MS
from validation.synthetic.market import simulate_market
from validation.synthetic.parameters import INSTRUMENTS, MarketParameters
from validation.synthetic.score import ONE_SIDED, SIDES, score_instants, score_market

START = 20_458 * DAY_MS  # 2026-01-05


class Command(ProjectCommand):
    help = "Score the models, and a simpler one-sided one, against the truth of synthetic markets."

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
        models = (*MODELS, ONE_SIDED)
        for symbol in options["symbols"]:
            self.stdout.write(
                f"{symbol}: rank correlation and earth mover's distance in % of the price, both "
                "sides together"
            )
            self._write_row("seed", models)
            found = []
            for seed in range(1, options["seeds"] + 1):
                try:
                    market = simulate_market(symbol, START, options["days"], seed, parameters)
                except ValueError as error:
                    raise CommandError(str(error)) from error
                scores = score_market(market, score_instants(market))
                found.append([[scores[model][side] for model in models] for side in SIDES])
                self._write_row(str(seed), _cells(found[-1][SIDES.index("both")]))
            for side, medians in zip(SIDES, np.nanmedian(found, axis=0), strict=True):
                self._write_row(f"median, {side}", _cells(medians))

    def _write_row(self, name: str, cells: Iterable[str]) -> None:
        self.stdout.write(f"| {name:13} | " + " | ".join(f"{cell:17}" for cell in cells) + " |")


def _cells(scores: Iterable[tuple[float, float]]) -> list[str]:
    return [f"{correlation:+.2f}, {distance:.2f} %" for correlation, distance in scores]
