"""Files that their owner alone can read, also those that came to be before."""

import os
import stat
from pathlib import Path

OTHERS = 0o077


def make_private(folder: Path, but_not_within: tuple[Path, ...] = ()) -> int:
    """Take the rights of all others from a folder and what is in it; returns how many had some.

    Folders in `but_not_within` lose theirs, but not what is in them, which nobody else can reach
    any more. Links are not followed, and what belongs to another user is left alone.
    """
    changed = 0
    for path, folders, files in os.walk(folder):
        here = Path(path)
        changed += close(here)
        if here in but_not_within:
            folders.clear()
            continue
        changed += sum(close(here / name) for name in files)
    return changed


def close(path: Path) -> bool:
    """Take the rights of all others from one file or folder; whether there was anything to take."""
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode) or found.st_uid != os.geteuid():
            return False
        if not found.st_mode & OTHERS:
            return False
        path.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS)
    except FileNotFoundError:
        return False
    return True
