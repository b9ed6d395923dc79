"""Backups of an installation on SQLite: Django's database, the lake's catalogue and its files.

A backup folder holds the lake's files once, in `data/`, and beside it a folder for each backup with
the two databases and the list of the files that it needs. Files of the lake never change and have
names that do not come again; so a further backup copies only what is new.
"""

import json
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from ingestion.lake import LakeConfig, write_lock

DATABASE, CATALOG, CONTENTS, DATA = "liqheat.sqlite3", "catalog.sqlite", "backup.json", "data"
NAME = re.compile(r"\d{8}T\d{6}Z")
UNFINISHED = "unfinished"


class BackupError(Exception):
    """Why there is no backup, or nothing was restored."""


@dataclass(frozen=True)
class Places:
    """Where an installation keeps what it knows: Django's SQLite file, and the lake."""

    database: Path
    lake: LakeConfig


@dataclass(frozen=True)
class Backup:
    """A finished backup: `files` by path below the lake's data folder, with their bytes."""

    name: str
    version: str
    data_path: str
    files: dict[str, int]


def back_up(folder: Path, places: Places, version: str, keep: int) -> tuple[Backup, int]:
    """Adds a backup to `folder`, which may be new, and removes all but the newest `keep`.

    Returns the backup and how many files were copied. The lake's lock is held only while the two
    databases are copied: the files that they name are not deleted before a day is over. One that
    is killed leaves the earlier backups as they are, and the next goes on from the files that are
    there. Raises BackupError.
    """
    _check_place(folder, places)
    making = folder / UNFINISHED
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    with write_lock(places.lake):
        name = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        _copy_database(places.lake.catalog_path, making / CATALOG)
        _copy_database(places.database, making / DATABASE)
        present = _sizes(places.lake.data_path)
    needed = _files_of(making / CATALOG)
    if missing := needed - present.keys():
        raise BackupError(f"{places.lake.data_path} lacks {sorted(missing)[0]}, which is needed.")
    copied = 0
    files = {}
    for path, size in present.items():
        try:
            copied += _copy_file(places.lake.data_path / path, folder / DATA / path, size)
        except FileNotFoundError as error:
            if path in needed:
                raise BackupError(
                    f"{path} was deleted while the backup was made, which took longer than a day. "
                    "Start it again: it goes on from what it has copied."
                ) from error
            continue  # a file that was being written, or freed
        files[path] = size
    made = Backup(name, version, str(places.lake.data_path), files)
    (making / CONTENTS).write_text(json.dumps(asdict(made)))
    _sync(making)
    if (folder / name).exists():
        raise BackupError(f"{folder / name} is there already; start again in a second.")
    making.rename(folder / name)
    _sync(folder)
    _remove_old(folder, keep)
    return made, copied


def restore(folder: Path, places: Places, name: str = "", replace: bool = False) -> Backup:
    """Puts the newest backup of `folder`, or the one of that name, in `places`.

    Nothing of the installation may run. What stands there is only replaced where `replace` says
    so, and all of it at the end: one that is killed can be started again. Raises BackupError.
    """
    backup = _chosen(folder, name)
    standing = [one for one in (places.database, places.lake.catalog_path) if one.exists()]
    if standing and not replace:
        raise BackupError(
            f"{standing[0]} exists. Restore to another VAR_DIR, or add --replace to give up what "
            "is there."
        )
    for path, size in backup.files.items():
        try:
            _copy_file(folder / DATA / path, places.lake.data_path / path, size)
        except FileNotFoundError as error:
            raise BackupError(f"{folder / DATA / path} is missing.") from error
    catalog = _beside(places.lake.catalog_path)
    _copy_database(folder / backup.name / CATALOG, catalog)
    with closing(sqlite3.connect(catalog)) as connection, connection:
        connection.execute(
            "UPDATE ducklake_metadata SET value = ? WHERE key = 'data_path'",
            [f"{places.lake.data_path}/"],
        )
    database = _beside(places.database)
    _copy_database(folder / backup.name / DATABASE, database)
    with write_lock(places.lake):
        _put(catalog, places.lake.catalog_path)
        _put(database, places.database)
    return backup


def backups_in(folder: Path) -> list[str]:
    """Names of the finished backups, the oldest first."""
    return sorted(one.parent.name for one in folder.glob(f"*/{CONTENTS}") if _is_name(one))


def _is_name(contents: Path) -> bool:
    return NAME.fullmatch(contents.parent.name) is not None


def _chosen(folder: Path, name: str) -> Backup:
    names = backups_in(folder)
    if not names or (name and name not in names):
        there = f"it holds {', '.join(names)}" if names else "it holds no finished backup"
        raise BackupError(f"{folder}: {there}.")
    contents = json.loads((folder / (name or names[-1]) / CONTENTS).read_text())
    backup = Backup(**contents)
    if any(Path(path).is_absolute() or ".." in Path(path).parts for path in backup.files):
        raise BackupError(f"{folder}: the list of files of {backup.name} leaves its folder.")
    return backup


def _check_place(folder: Path, places: Places) -> None:
    data = places.lake.data_path.resolve()
    if folder.resolve().is_relative_to(data):
        raise BackupError(f"{folder} lies within the lake's own folder {data}.")


def _copy_database(source: Path, target: Path) -> None:
    """A copy of one instant, by SQLite's own means, checked."""
    if not source.is_file():
        raise BackupError(f"{source} does not exist.")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        with (
            closing(sqlite3.connect(source, timeout=60)) as original,
            closing(sqlite3.connect(target)) as copy,
        ):
            original.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
            ((found,),) = copy.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.Error as error:
        raise BackupError(f"{source} can't be copied: {error}") from error
    if found != "ok":
        raise BackupError(f"{source} is damaged: {found}")


def _files_of(catalog: Path) -> set[str]:
    """Paths, below the data folder, of all files that a catalogue's states consist of."""
    statement = """
        SELECT file.path, file.path_is_relative, parent.path, space.path
        FROM (SELECT table_id, path, path_is_relative FROM ducklake_data_file
              UNION ALL
              SELECT table_id, path, path_is_relative FROM ducklake_delete_file) AS file
        JOIN ducklake_table AS parent USING (table_id)
        JOIN ducklake_schema AS space ON space.schema_id = parent.schema_id"""
    with closing(sqlite3.connect(catalog)) as connection:
        rows = connection.execute(statement).fetchall()
    if any(not relative for _, relative, _, _ in rows):
        raise BackupError("The lake has files outside of its data folder.")
    return {f"{space}{table}{path}" for path, _, table, space in rows}


def _sizes(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _copy_file(source: Path, target: Path, size: int) -> bool:
    """Whole or not at all; False where it is there already."""
    if target.is_file() and target.stat().st_size == size:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    part = _beside(target)
    shutil.copyfile(source, part)
    with part.open("rb") as written:
        os.fsync(written.fileno())
    part.rename(target)
    return True


def _put(new: Path, place: Path) -> None:
    for suffix in ("-wal", "-shm"):  # of the file that goes
        place.with_name(place.name + suffix).unlink(missing_ok=True)
    new.rename(place)
    _sync(place.parent)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _sync(folder: Path) -> None:
    for path in (*(one for one in folder.iterdir() if one.is_file()), folder):
        with _opened(path) as descriptor:
            os.fsync(descriptor)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _remove_old(folder: Path, keep: int) -> None:
    """All but the newest backups, and then the files that no backup needs any more."""
    names = backups_in(folder)
    for name in names[:-keep]:
        shutil.rmtree(folder / name)
    needed = {path for name in names[-keep:] for path in _chosen(folder, name).files}
    for path in _sizes(folder / DATA):
        if path not in needed:
            (folder / DATA / path).unlink()
