import json
from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from ingestion.console import day, find_symbol
from ingestion.errors import FileDamaged, IngestionError
from ingestion.lake import read
from ingestion.models import Symbol
from ingestion.quality import damage
from ingestion.quality.report import FINE_STATES, DatasetQuality, Day, check
from liqheat_project.kernel.commands import ProjectCommand

DAYS_SHOWN = 60
GAPS_SHOWN = 20


class Command(ProjectCommand):
    help = (
        "Show the data quality of a symbol, day by day: how many days of each dataset are in each "
        "state, which days are not fine and why, and where rows are missing. Without days it looks "
        "at all days from the first to the last with anything loaded, collected or tried. Exit "
        "status 1 where nothing is known, or where a file of a day that is over (UTC) is not in "
        "the lake; days with too few or bad rows do not count, for the archive itself has some. "
        "With --verify every file of the lake, or of the symbol, is compared with its checksum "
        "first; exit status 1 names those that are damaged."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--symbol", help="needed but with --verify, which then takes all")
        parser.add_argument("--start-date", type=day, metavar="YYYY-MM-DD")
        parser.add_argument("--end-date", type=day, metavar="YYYY-MM-DD", help="included")
        parser.add_argument(
            "--verify", action="store_true", help="compare the lake's files with their checksums"
        )
        parser.add_argument(
            "--json", action="store_true", help="what GET /data/quality answers, with reasons"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verify"]:
            self._verify(options["symbol"])
        if options["symbol"]:
            self._report(find_symbol(options["symbol"]), options)
        elif not options["verify"]:
            raise CommandError("Give --symbol, or --verify for the files of all symbols.")

    def _verify(self, name: str | None) -> None:
        symbol = find_symbol(name) if name else None
        try:
            found = damage.verify(symbol.name if symbol else None)
        except IngestionError as error:
            raise CommandError(str(error)) from error
        for file in found.damaged:
            self.stderr.write(f"damaged: {file}: {file.reason}: {file.path}", self.style.ERROR)
        if found.damaged:
            raise CommandError(
                f"{len(found.damaged):,} of {found.files:,} files of the lake are damaged. "
                "`manage.py diagnose --symbol …` says how their days are loaded anew."
            )
        self.stdout.write(f"{found.files:,} files of the lake are what they were.")

    def _report(self, symbol: Symbol, options: dict[str, Any]) -> None:
        first, last = options["start_date"], options["end_date"]
        if first and last and last < first:
            raise CommandError(f"--end-date {last} comes before --start-date {first}.")
        try:
            found = self._look(symbol, first, last)
        except FileDamaged as error:
            self.stderr.write(str(error), self.style.WARNING)
            damage.verify(symbol.name)  # what is known to be damaged is not read
            found = self._look(symbol, first, last)
        if options["json"]:
            report = {
                "symbol": symbol.name,
                "datasets": [one.as_json(in_public=False) for one in found],
            }
            self.stdout.write(json.dumps(report, indent=2))
        else:
            for quality in found:
                self._print(quality)
        if problem := _problem(symbol, found):
            raise CommandError(problem)

    def _look(self, symbol: Symbol, first: date | None, last: date | None) -> list[DatasetQuality]:
        with read.snapshot() as cursor:
            return check(cursor, symbol.name, first, last)

    def _print(self, quality: DatasetQuality) -> None:
        counts = ", ".join(f"{count:,} {state.label}" for state, count in quality.counts.items())
        days = f"{quality.days[0].day} to {quality.days[-1].day}"
        self.stdout.write(self.style.MIGRATE_HEADING(f"{quality.dataset}, {days}: {counts}"))
        self.stdout.write(f"  {_totals(quality)}")
        lines = [_line(one) for one in quality.days if one.state not in FINE_STATES]
        self._print_lines(lines, DAYS_SHOWN, "days")
        gaps = [
            f"no rows from {gap.start:%Y-%m-%d %H:%M} to {gap.end:%Y-%m-%d %H:%M}"
            for gap in quality.gaps
        ]
        self._print_lines(gaps, GAPS_SHOWN, "gaps")

    def _print_lines(self, lines: list[str], shown: int, what: str) -> None:
        for line in lines[:shown]:
            self.stdout.write(f"  {line}")
        if len(lines) > shown:
            more = len(lines) - shown
            self.stdout.write(f"  and {more:,} more {what}: --json names all of them")


def _problem(symbol: Symbol, found: list[DatasetQuality]) -> str:
    """What makes the exit status 1, or nothing."""
    if not found:
        return f"Nothing of {symbol} is known on the days asked about."
    today = timezone.now().date()
    missing = [
        f"{len(days):,} of {one.dataset}" for one in found if (days := one.missing_days(today))
    ]
    return f"{symbol}: days not in the lake: {', '.join(missing)}." if missing else ""


def _totals(quality: DatasetQuality) -> str:
    totals = quality.totals
    return (
        f"{totals['rows']:,} rows; {totals['files']:,} files, {totals['unverified']:,} of them "
        f"unverified; {totals['quarantined']:,} rows quarantined, "
        f"{totals['duplicates']:,} duplicates left out"
    )


def _line(day: Day) -> str:
    return f"{day.day}  {day.state.label:<17} {day.remarks}".rstrip()
