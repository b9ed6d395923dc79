"""A checksum of each Parquet file of the lake, written down when it is made, compared later.

Parquet as DuckDB writes it has no checksum that a reader compares: most flipped bits read back as
other values. A file of ours gets its line in the commit that adds it; one that DuckLake wrote (rows
flushed, files merged, lists of deleted rows) right after that, or in the next round.
"""

import errno
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from ingestion.errors import TemporaryError
from ingestion.lake.connection import Lake, LakeConfig, translated_errors, write_lock
from ingestion.lake.files import LakeFile, list_files
from ingestion.lake.schema import CHECKSUMS, INLINING_ROW_LIMIT
from liqheat_project.kernel.instants import naive

_LINES_A_STATEMENT = INLINING_ROW_LIMIT // 2


@dataclass(frozen=True)
class Checksum:
    """What a file was when it was first seen: its path below the data folder, and its bytes."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Damage:
    """A file that is not what it was, and in which way."""

    file: LakeFile
    reason: str


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksum_of(config: LakeConfig, path: Path) -> Checksum:
    """The checksum of a file in the lake's data folder, as it is now."""
    return Checksum(str(path.relative_to(config.data_path)), path.stat().st_size, digest(path))


def record(cursor: duckdb.DuckDBPyConnection, made: Sequence[Checksum]) -> None:
    """Write checksums down, in a transaction of the caller."""
    now = naive(datetime.now(UTC))
    for start in range(0, len(made), _LINES_A_STATEMENT):
        lines = made[start : start + _LINES_A_STATEMENT]
        marks = ", ".join(["(?, ?, ?, ?)"] * len(lines))
        cells = [cell for one in lines for cell in (one.path, one.bytes, one.sha256, now)]
        cursor.execute(f"INSERT INTO {CHECKSUMS} VALUES {marks}", cells)


def record_new(lake: Lake) -> int:
    """Give each file that has none a checksum, and forget those of files that are gone; returns how
    many were new. Raises LakeBusy, OutOfSpace or TemporaryError.

    The files are read before the lock is taken.
    """
    cursor = lake.cursor()
    with translated_errors():
        standing, known = _standing_and_known(cursor)
        made = {path: one for path in standing - known if (one := _readable(lake.config, path))}
        if not made and not known - standing:
            return 0
        with write_lock(lake.config), lake.transaction():
            standing, known = _standing_and_known(cursor)
            new = [one for path, one in made.items() if path in standing - known]
            record(cursor, new)
            if gone := known - standing:
                cursor.execute(
                    f"DELETE FROM {CHECKSUMS} WHERE path IN (SELECT unnest(?))", [sorted(gone)]
                )
    return len(new)


def find_damage(lake: Lake, files: Iterable[LakeFile]) -> list[Damage]:
    """Those of the files that are not what they were when their checksums were written down, that
    are missing, or that cannot be read. One without a checksum yet can only be missing.

    Raises TemporaryError where the whole data folder is missing, for it may not be mounted, and
    where files may not be opened.
    """
    files = list(files)
    folder = lake.config.data_path
    if files and not (folder / "main").is_dir():
        raise TemporaryError(f"{folder / 'main'} is not there: is the disk mounted?")
    with translated_errors():
        known = _known(lake.cursor(), [file.path for file in files])
        found = ((file, _fault(folder / file.path, known.get(file.path))) for file in files)
        return [Damage(file, reason) for file, reason in found if reason]


def _fault(path: Path, known: Checksum | None) -> str:
    try:
        size = path.stat().st_size
        if known is None:
            return ""
        if size != known.bytes:
            return f"it has {size:,} bytes and had {known.bytes:,}"
        sha256 = digest(path)
    except FileNotFoundError:
        return "it is missing"
    except OSError as error:
        if error.errno != errno.EIO:
            raise  # such as too many open files: no fault of this one
        return "it cannot be read: the disk reports an error"
    return "" if sha256 == known.sha256 else "its bytes have changed: the SHA-256 is another"


def _known(cursor: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> dict[str, Checksum]:
    rows = cursor.execute(
        f"SELECT path, bytes, sha256 FROM {CHECKSUMS} WHERE path IN (SELECT unnest($paths))",
        {"paths": list(paths)},
    ).fetchall()
    return {path: Checksum(path, size, sha256) for path, size, sha256 in rows}


def _standing_and_known(cursor: duckdb.DuckDBPyConnection) -> tuple[set[str], set[str]]:
    known = cursor.execute(f"SELECT path FROM {CHECKSUMS}").fetchall()
    return {file.path for file in list_files(cursor)}, {path for (path,) in known}


def _readable(config: LakeConfig, path: str) -> Checksum | None:
    try:
        return checksum_of(config, config.data_path / path)
    except OSError:
        return None  # `find_damage` says so
