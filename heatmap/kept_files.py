"""Files of what was computed, named after all that it depends on; they may be deleted at any time.

The last part of a name, after the last `-`, is the state of the data. When that changes, the name
is another; the old file goes when the new one is written.
"""

import logging
import os
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

Content = TypeVar("Content")

logger = logging.getLogger(__name__)


def read_kept(path: Path, load: Callable[[Path], Content]) -> Content | None:
    """What `load` makes of the file; None where there is none or where it can't be read."""
    try:
        return load(path)
    except FileNotFoundError:
        return None
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        logger.warning("%s can't be read and is computed again: %s", path, error)
        return None


def write_kept(path: Path, save: Callable[[BinaryIO], None]) -> None:
    """Write the file in one step: a reader sees all of it or nothing."""
    temporary = path.with_name(f".{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            save(file)
        os.replace(temporary, path)
    except OSError as error:
        logger.warning("%s can't be kept: %s", path, error)
        temporary.unlink(missing_ok=True)
        return
    for outdated in path.parent.glob(f"{path.stem.rpartition('-')[0]}-*{path.suffix}"):
        if outdated != path:
            outdated.unlink(missing_ok=True)
