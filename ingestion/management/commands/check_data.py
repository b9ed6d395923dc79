from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import pandas as pd
from django.core.management.base import BaseCommand, CommandError

from ingestion.check_data import ROWS_OF_A_DAY, DatasetReport, check_symbol
from ingestion.console import data_folder, day, days_text, find_symbol
from ingestion.errors import IngestionError
from ingestion.jobs import DATASET_CHOICES, parts_of
from ingestion.models import Symbol
from ingestion.sources.files import PERIODS
from ingestion.sources.folder import FolderSource

SHORT_DAYS_SHOWN = 10


class Command(BaseCommand):
    help = (
        "Say what is loaded of a symbol and what is missing. Exit status 1 when days are missing "
        "between the first and the last one (or between those given) of a dataset, when a file "
        "failed and has not been loaded since, or when nothing is loaded at all. Days with too few "
        "rows are named but do not count: the archive itself has some. With --data-dir it also "
        "lists the files found there, and nothing loaded is no failure then."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--symbol", required=True)
        parser.add_argument("--start-date", type=day, metavar="YYYY-MM-DD")
        parser.add_argument("--end-date", type=day, metavar="YYYY-MM-DD", help="included")
        parser.add_argument("--data-dir", metavar="DIR", help="local folder to look into")

    def handle(self, *args: Any, **options: Any) -> None:
        symbol = find_symbol(options["symbol"])
        first, last = options["start_date"], options["end_date"]
        if first and last and last < first:
            raise CommandError(f"--end-date {last} comes before --start-date {first}.")
        if options["data_dir"]:
            self._print_found(symbol, data_folder(options["data_dir"]))
        reports = check_symbol(symbol, first, last)
        if reports:
            self._print_table(reports)
            for report in reports:
                self._print_problems(report)
            missing = sum(len(report.missing_days) for report in reports)
            failed = sum(len(report.failed) for report in reports)
            if missing or failed:
                raise CommandError(f"{symbol}: {missing:,} days missing, {failed:,} files failed.")
            return
        text = f"Nothing of {symbol} is loaded" + (" for these days." if first or last else ".")
        if not options["data_dir"]:
            raise CommandError(text)
        self.stdout.write(text)

    def _print_found(self, symbol: Symbol, folder: Path) -> None:
        self.stdout.write(f"Files of {symbol} in {folder}:")
        rows = []
        source = FolderSource(folder)
        for name in DATASET_CHOICES:
            for period in PERIODS:
                if (name, period) == ("metrics", "monthly"):
                    continue
                try:
                    found = source.list_days(symbol.name, *parts_of(name), period)  # type: ignore[arg-type]
                except IngestionError as error:
                    raise CommandError(str(error)) from error
                if found:
                    rows.append([name, period, f"{len(found):,}", found[0], found[-1]])
        columns = ["dataset", "period", "files", "first", "last"]
        self.stdout.write(_table(rows, columns) if rows else "  none")
        self.stdout.write("")

    def _print_table(self, reports: list[DatasetReport]) -> None:
        columns = ["dataset", "first", "last", "days", "missing", "short", "rows"]
        columns += ["quarantined", "duplicates", "unverified", "failed"]
        rows = [
            [
                report.name,
                report.loaded_days[0] if report.loaded_days else "-",
                report.loaded_days[-1] if report.loaded_days else "-",
                *(
                    f"{count:,}"
                    for count in (
                        len(report.loaded_days),
                        len(report.missing_days),
                        len(report.short_days),
                        report.rows,
                        report.quarantined,
                        report.duplicates,
                        report.unverified,
                        len(report.failed),
                    )
                ),
            ]
            for report in reports
        ]
        self.stdout.write(_table(rows, columns))

    def _print_problems(self, report: DatasetReport) -> None:
        if report.missing_days:
            self.stdout.write(f"{report.name} misses {days_text(report.missing_days)}")
        dataset, interval = parts_of(report.name)
        whole = ROWS_OF_A_DAY.get(interval or dataset, 0)
        for date, rows in list(report.short_days.items())[:SHORT_DAYS_SHOWN]:
            self.stdout.write(f"{report.name} on {date}: {rows:,} of {whole:,} rows")
        if (more := len(report.short_days) - SHORT_DAYS_SHOWN) > 0:
            self.stdout.write(f"{report.name}: {more:,} more short days")
        for chunk in report.failed:
            self.stdout.write(f"{chunk.file.name} failed: {chunk.reason}")


def _table(rows: list[list[Any]], columns: list[str]) -> str:
    return pd.DataFrame(rows, columns=columns).to_string(index=False)
