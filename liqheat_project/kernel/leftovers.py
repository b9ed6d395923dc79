"""Private folders of processes, and the removal of those that a killed process left behind."""

import os
import shutil
import time
import uuid
from pathlib import Path

SECONDS_TO_KEEP = 86_400.0


def private_name() -> str:
    """A name for a folder that no other process, and nothing else in this one, uses."""
    return f"{os.getpid()}-{uuid.uuid4().hex}"


def remove_leftovers(parent: Path) -> None:
    """Delete folders named by `private_name` whose process is gone, a day after their last change.

    The day is for processes of another machine or container, whose ids mean nothing here.
    """
    for folder in parent.glob("*-*"):
        pid = folder.name.partition("-")[0]
        try:
            age = time.time() - folder.stat().st_mtime
        except FileNotFoundError:
            continue
        if pid.isdigit() and not Path("/proc", pid).exists() and age > SECONDS_TO_KEEP:
            shutil.rmtree(folder, ignore_errors=True)
