"""The watched folder: an automation drops references there, each is picked up once.

The name says whose a file is (`ETHUSDT_model1_24h_2025-10-28T1200.png`). What is nobody's or too
large goes to the folder's `refused`, with a failed run that says why.
"""

import logging
import os
import stat
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from django.conf import settings

from liqheat_project.kernel.leftovers import private_name
from validation import references, runs
from validation.coinglass import Unreadable
from validation.models import ValidationRun

SETTLED_SECONDS = 30
"""A file that was written to more recently may not be whole yet."""
MOST_FILES = 50
UNFINISHED = (".part", ".tmp", ".crdownload", ".filepart")

logger = logging.getLogger(__name__)


def pick_up(now: datetime) -> list[ValidationRun]:
    """Make a run for each settled file and take it out of the folder; returns those to be done."""
    folder = Path(settings.VALIDATION_INBOX_DIR)
    found = []
    for path in _settled(folder, now):
        try:
            run = _pick_up_one(path)
        except OSError as error:
            # Of one file only: the others must not wait for it.
            logger.warning("%s could not be picked up: %s", path, error)
            continue
        if run is not None:
            found.append(run)
    return found


def _pick_up_one(path: Path) -> ValidationRun | None:
    digest, source = "", ""
    try:
        source = references.source_of(path.name)
        most = references.most_bytes(source)
        content = references.read_at_most(path, most, os.O_NOFOLLOW)
        if len(content) <= most:
            digest = sha256(content).hexdigest()
        if digest and ValidationRun.objects.filter(sha256=digest, symbol__isnull=False).exists():
            logger.info("%s was compared before and is not again", path.name)
            path.unlink()
            return None
        run = runs.create(
            references.symbol_of(path.name),
            path.name,
            content,
            source,
            time_zone=settings.VALIDATION_INBOX_TIME_ZONE,
        )
    except Unreadable as error:
        aside = _set_aside(path)  # first: a file that stays would give another run each time
        run = runs.create_refused(path.name, source, digest, error.reason)
        aside.rename(aside.with_name(f"{run.pk}-{_short(path.name)}"))
        return None
    path.unlink()
    return run


def _set_aside(path: Path) -> Path:
    aside = path.parent / "refused" / f"{private_name()}-{_short(path.name)}"
    aside.parent.mkdir(exist_ok=True)
    return path.rename(aside)


def _short(name: str) -> str:
    """The end of a file's name, so that what is put before it does not make it too long a name."""
    return runs.plain_name(name)[-40:]


def _settled(folder: Path, now: datetime) -> Iterator[Path]:
    """Ordinary files that nobody is writing any more, the oldest first."""
    if not folder.is_dir():
        return
    waiting = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.lower().endswith(UNFINISHED):
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # taken away meanwhile
            if stat.S_ISREG(status.st_mode) and now.timestamp() - status.st_mtime > SETTLED_SECONDS:
                waiting.append((status.st_mtime, entry.path))
    for _, path in sorted(waiting)[:MOST_FILES]:
        yield Path(path)
