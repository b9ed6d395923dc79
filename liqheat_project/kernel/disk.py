"""The disks that the data lies on."""

import shutil
from pathlib import Path


def existing(path: Path) -> Path:
    """The path, or where it is not made yet, the nearest folder above it that exists."""
    return next(place for place in (path, *path.parents) if place.exists())


FULL_BYTES = 20_000_000
"""With less than this free nothing of use can be written."""


def is_full(*paths: Path) -> bool:
    """Whether the disk of one of the paths is full."""
    return any(shutil.disk_usage(existing(path)).free < FULL_BYTES for path in paths)
