"""Errors that have nothing to do with the program, as one sentence that says what to do."""

import errno
import sqlite3
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, OperationalError

FEWEST_OPEN_FILES = 512


def sentence(error: BaseException, in_public: bool = False) -> str | None:
    """What is wrong and the way back; None for an error that only its traceback explains. In public
    a file is named without its folder, and a server not at all."""
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return too_few_files()
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        reason = "" if in_public else f": {error}"
        return f"The disk is full{reason}. Make room; nothing else is to be repaired."
    if not isinstance(error, DatabaseError):
        return None
    if isinstance(error.__cause__, sqlite3.Error):
        file = Path(settings.DATABASES["default"]["NAME"])
        return f"DATABASE_URL: {file.name if in_public else file}: {_trouble(error)}"
    if isinstance(error, OperationalError):
        reason = "" if in_public else f": {error}".rstrip()
        return f"DATABASE_URL: PostgreSQL does not answer{reason}"
    return None


def too_few_files(limit: str = "") -> str:
    return (
        f"This program may not open as many files as it needs{limit}: raise the limit to "
        f"{FEWEST_OPEN_FILES} or more (`ulimit -n 4096`, LimitNOFILE= of a systemd service) and "
        "start it again."
    )


def _trouble(error: DatabaseError) -> str:
    text = str(error)
    if "not a database" in text or "malformed" in text:
        return (
            f"the file is damaged ({text}). Stop everything and put a backup of it back; or move "
            "it aside, and an empty one is made: symbols, jobs and users begin anew, and the "
            "lake's data, which is not in it, stays."
        )
    if "no such table" in text:
        return f"{text}. Run `manage.py migrate`, as `manage.py up` does by itself."
    return f"{text}. Look whether the disk is full and whether this user may write there."
