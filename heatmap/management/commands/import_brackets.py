from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from heatmap import brackets
from liqheat_project.kernel.commands import ProjectCommand


class Command(ProjectCommand):
    help = (
        "Import maintenance margin brackets: a CSV with the columns symbol, notional_floor, "
        "notional_cap, mmr, max_leverage, cum (and first_seen), or the JSON of "
        "GET /fapi/v1/leverageBracket. All or nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--valid-from",
            metavar="YYYY-MM-DD",
            help="UTC day from which tables without a date of their own hold (default: today)",
        )
        parser.add_argument("--source", help="where the figures come from (default: file name)")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            content = path.read_bytes()
            tables, remarks = brackets.read_file(content, _day(options["valid_from"]))
            count = brackets.store(tables, source=(options["source"] or path.name)[:200])
        except OSError as error:
            raise CommandError(f"{path} can't be read: {error.strerror}") from error
        except brackets.BadBrackets as error:
            raise CommandError(f"{path}: {error} Nothing was imported.") from error
        for remark in remarks:
            self.stderr.write(remark)
        symbols = len({table.symbol for table in tables})
        self.stdout.write(f"{count} bracket tables of {symbols} symbols imported.")


def _day(text: str | None) -> datetime:
    if text is None:
        return timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise CommandError(f"--valid-from {text!r} is no date like 2026-05-01") from error
