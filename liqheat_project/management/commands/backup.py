from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from ingestion.errors import IngestionError
from liqheat_project.kernel.commands import ProjectCommand
from liqheat_project.management.places import places
from liqheat_project.ops.backup import BackupError, back_up


class Command(ProjectCommand):
    help = (
        "Add a backup to a folder, while everything runs: Django's database, the lake's catalogue, "
        "and those of the lake's files that the folder lacks."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--keep", type=int, default=7, help="how many backups stay (7)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["keep"] < 1:
            raise CommandError("--keep must be 1 or more.")
        version = str(settings.SPECTACULAR_SETTINGS["VERSION"])
        try:
            made, copied = back_up(options["folder"], places(), version, options["keep"])
        except (BackupError, IngestionError, OSError) as error:
            raise CommandError(f"No backup was made. {error}") from error
        self.stdout.write(f"Backup {made.name}: {len(made.files):,} files, {copied:,} of them new.")
