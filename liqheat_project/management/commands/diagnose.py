import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError

from ingestion.console import find_symbol
from liqheat_project.kernel.commands import ProjectCommand
from liqheat_project.ops.diagnosis import Outcome, diagnose


class Command(ProjectCommand):
    help = (
        "Walk through what can be wrong with a symbol and with what it needs, and say what to do. "
        "Exit status 1 if anything fails."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--symbol", required=True)
        parser.add_argument("--json", action="store_true", help="a list of objects")

    def handle(self, *args: Any, **options: Any) -> None:
        symbol = find_symbol(options["symbol"])
        found = diagnose(symbol)
        if options["json"]:
            rows = [{"check": subject} | asdict(one) for subject, one in found.items()]
            self.stdout.write(json.dumps(rows, indent=2))
        else:
            styles = {
                Outcome.OK: self.style.SUCCESS,
                Outcome.WARN: self.style.WARNING,
                Outcome.FAIL: self.style.ERROR,
            }
            for subject, one in found.items():
                self.stdout.write(
                    f"{styles[one.outcome](f'{one.outcome:<5}')} {subject}: {one.found}"
                )
                if one.advice:
                    self.stdout.write(f"      {one.advice}")
        failed = [subject for subject, one in found.items() if one.outcome == Outcome.FAIL]
        if failed:
            raise CommandError(f"{symbol}: {', '.join(failed)}.")
