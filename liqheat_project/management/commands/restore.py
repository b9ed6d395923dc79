import fcntl
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connections

from ingestion.errors import IngestionError
from liqheat_project.kernel.commands import ProjectCommand
from liqheat_project.management.places import places
from liqheat_project.ops.backup import BackupError, restore


class Command(ProjectCommand):
    help = (
        "Put a backup in place of what VAR_DIR, DATABASE_URL, LAKE_CATALOG_URL and LAKE_DATA_PATH "
        "name, which may be other places than it was made of. Stop everything first."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--name", default="", help="of the backup; by default the newest")
        parser.add_argument("--replace", action="store_true", help="give up what is there")

    def handle(self, *args: Any, **options: Any) -> None:
        connections.close_all()
        settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
        try:
            with _nothing_runs():
                done = restore(options["folder"], places(), options["name"], options["replace"])
        except (BackupError, IngestionError, OSError) as error:
            raise CommandError(f"Nothing was restored. {error}") from error
        self.stdout.write(
            f"Restored {done.name} of version {done.version}: {len(done.files):,} files. "
            "`manage.py up` or `manage.py migrate` brings it to this version."
        )


@contextmanager
def _nothing_runs() -> Iterator[None]:
    with (settings.VAR_DIR / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackupError(
                f"`manage.py up` runs on {settings.VAR_DIR}; stop it first."
            ) from error
        yield
