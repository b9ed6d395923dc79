"""A local folder of downloaded files, in the runbook's layout or the archive's own."""

import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from ingestion.errors import (
    BadArchive,
    ChecksumMismatch,
    IncompleteDownload,
    NotInSource,
    RefusedPath,
)
from ingestion.market.files import ArchiveFile
from ingestion.sources.staging import (
    MAX_BYTES,
    MAX_CHECKSUM_BYTES,
    MAX_CSV_BYTES,
    Progress,
    StagedFile,
    no_progress,
    parse_checksum,
    read_pieces,
    unpack,
    verify_checksum,
    write_hashed,
)


class FolderSource:
    """Reads files below `root`; what leads out of it, by name or by symlink, is refused."""

    def __init__(
        self,
        root: Path | str,
        *,
        max_bytes: int = MAX_BYTES,
        max_csv_bytes: int = MAX_CSV_BYTES,
    ) -> None:
        self._root = Path(root)
        self._max_bytes = max_bytes
        self._max_csv_bytes = max_csv_bytes

    def fetch(
        self, file: ArchiveFile, staging_directory: Path, progress: Progress = no_progress
    ) -> StagedFile:
        """Copy the file into the staging folder and unpack it there, reading it once.

        Raises NotInSource, RefusedPath, IncompleteDownload (the file is still being written),
        ChecksumMismatch, BadArchive or OutOfSpace.
        """
        candidate = self._find(file)
        if candidate is None and not self._root.is_dir():
            raise NotInSource(f"{self._root} is not a folder: check the data folder's path")
        if candidate is None:
            looked = ", ".join(file.folder_paths)
            raise NotInSource(f"{self._root} has no {file.name}; looked for {looked}")
        expected = self._checksum_beside(candidate)
        origin = str(self._root / candidate)
        is_zip = candidate.endswith(".zip")
        copy = staging_directory / PurePosixPath(candidate).name
        with _regular_file(self._require_inside(candidate)) as stream:
            limit = self._max_bytes if is_zip else self._max_csv_bytes
            sha256, size = write_hashed(_watched(stream, origin, limit, progress), copy)
        try:
            verified = verify_checksum(expected, sha256, origin)
        except ChecksumMismatch:
            copy.unlink()
            raise
        if is_zip:
            copy = unpack(copy, file, staging_directory, origin, self._max_csv_bytes)
        return StagedFile(copy, sha256, verified, size, origin)

    def expected_checksum(self, file: ArchiveFile) -> str | None:
        """The sha256 that the `.CHECKSUM` beside the file names, None where there is none."""
        candidate = self._find(file)
        return self._checksum_beside(candidate) if candidate else None

    def exists(self, file: ArchiveFile) -> bool:
        """Whether the folder has the file; raises RefusedPath if it lies outside."""
        return self._find(file) is not None

    def available(self, files: Collection[ArchiveFile]) -> set[ArchiveFile]:
        """Those of the files that the folder has."""
        return {file for file in files if self.exists(file)}

    def _find(self, file: ArchiveFile) -> str | None:
        return next((path for path in file.folder_paths if self._inside(path)), None)

    def _inside(self, candidate: str) -> Path | None:
        relative = PurePosixPath(candidate)
        if relative.is_absolute() or ".." in relative.parts:
            raise RefusedPath(f"{candidate} would leave the data folder")
        path = self._root / relative
        try:
            real = path.resolve(strict=True)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError as error:
            raise NotInSource(f"{path} cannot be read: {error.strerror}") from error
        except (RuntimeError, OSError) as error:
            raise RefusedPath(f"{path} cannot be followed: {error}") from error
        if not real.is_relative_to(self._root.resolve()):
            raise RefusedPath(f"{path} leads out of the data folder, to {real}")
        return real

    def _require_inside(self, candidate: str) -> Path:
        real = self._inside(candidate)
        if real is None:
            raise NotInSource(f"{self._root / candidate} is gone")
        return real

    def _checksum_beside(self, candidate: str) -> str | None:
        beside = self._inside(f"{candidate}.CHECKSUM")
        if beside is None:
            return None
        with _regular_file(beside) as stream:
            content = stream.read(MAX_CHECKSUM_BYTES)
        return parse_checksum(content, PurePosixPath(candidate).name, f"{candidate}.CHECKSUM")


def _watched(stream: IO[bytes], origin: str, max_bytes: int, progress: Progress) -> Iterator[bytes]:
    before = os.fstat(stream.fileno())
    done = 0
    for piece in read_pieces(stream):
        done += len(piece)
        if done > max_bytes:
            raise BadArchive(f"{origin} is larger than {max_bytes:,} bytes")
        progress(done, before.st_size)
        yield piece
    after = os.fstat(stream.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise IncompleteDownload(f"{origin} changed while it was read: it is still being written")


@contextmanager
def _regular_file(path: Path) -> Iterator[IO[bytes]]:
    # The path is resolved: a link here was put in its place since. Not blocking, for a pipe
    # would wait for its writer for ever.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise NotInSource(f"{path} is gone") from error
    except PermissionError as error:
        raise NotInSource(f"{path} cannot be read: {error.strerror}") from error
    except OSError as error:
        raise RefusedPath(f"{path} cannot be opened: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise RefusedPath(f"{path} is not a regular file")
    with open(descriptor, "rb") as stream:
        yield stream
