"""Where a path's disk can be asked about."""

from pathlib import Path


def existing(path: Path) -> Path:
    """The path, or where it is not made yet, the nearest folder above it that exists."""
    return next(place for place in (path, *path.parents) if place.exists())
