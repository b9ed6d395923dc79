"""From bytes of a source to one private CSV in a staging folder, the same for every source."""

import errno
import hashlib
import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, cast

from isal import igzip_lib, isal_zlib

from ingestion.errors import BadArchive, ChecksumMismatch, OutOfSpace
from ingestion.market.files import ArchiveFile

MAX_BYTES = 2 * 1024**3
"""Largest published file that is read, of a month of trades of the busiest symbol with room."""

MAX_CSV_BYTES = 16 * 1024**3
"""Largest CSV that a zip may unfold to."""

MAX_CHECKSUM_BYTES = 1024
ZIP_START = b"PK"

_GZIP_START = b"\x1f\x8b"
_CHUNK = 1024 * 1024
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_LOCAL_SIGNATURE = b"PK\x03\x04"
_CHECKSUM_LINE = re.compile(r"\\?([0-9a-fA-F]{64})(?:[ \t]+\*?(\S.*))?")
_BSD_CHECKSUM_LINE = re.compile(r"SHA256 ?\((.+)\) ?= ?([0-9a-fA-F]{64})")
_BYTE_ORDER_MARK = "\ufeff"
_END_RECORD = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_LONGEST_COMMENT = 65_535
_LARGEST_DIRECTORY = 65_535
_ISAL_ERROR = cast(type[Exception], igzip_lib.IsalError)  # its stubs call the type an instance
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    _ISAL_ERROR,
    EOFError,
    struct.error,
    ValueError,
    NotImplementedError,
)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

Progress = Callable[[int, int | None], None]
"""Called with the bytes done and the bytes in all, None when unknown, for every piece read."""


@dataclass(frozen=True)
class StagedFile:
    """A file of a source, read once and lying privately in a staging folder.

    `sha256` and `source_bytes` are of the file as published, zip or csv. `verified` tells whether a
    `.CHECKSUM` confirmed it. `origin` is the URL or path that it came from.
    """

    csv_path: Path
    sha256: str
    verified: bool
    source_bytes: int
    origin: str


class Source(Protocol):
    """What a load needs of a source; ArchiveSource and FolderSource are the two there are."""

    def fetch(
        self, file: ArchiveFile, staging_directory: Path, progress: Progress = ...
    ) -> StagedFile:
        """Read, verify and unpack one file into a folder that the caller deletes."""

    def expected_checksum(self, file: ArchiveFile) -> str | None:
        """The published sha256 in lower case hexadecimals, None where none is published."""

    def exists(self, file: ArchiveFile) -> bool:
        """Whether the source has the file now."""

    def available(self, files: Collection[ArchiveFile]) -> set[ArchiveFile]:
        """Those of the files that the source has now."""


def no_progress(bytes_done: int, bytes_total: int | None) -> None:
    """Progress for those who do not watch."""


def parse_checksum(content: bytes, file_name: str, origin: str) -> str:
    """The sha256 of a `.CHECKSUM` file: one line `<64 hexadecimals>  <file_name>`.

    People make them anew with other programs. So a path before the name, a tab, `*`, a byte order
    mark, blanks, blank lines, the form of BSD and a sum without a name are read as well. Raises
    BadArchive for anything else, a line for another file included.
    """
    text = content.decode("utf-8", errors="replace").removeprefix(_BYTE_ORDER_MARK).strip()
    line, bsd_line = _CHECKSUM_LINE.fullmatch(text), _BSD_CHECKSUM_LINE.fullmatch(text)
    if bsd_line:
        name, sha256 = bsd_line[1], bsd_line[2]
    elif line:
        name, sha256 = line[2] or file_name, line[1]
    else:
        raise BadArchive(f"{origin} is not one line of sha256 and file name: {text[:100]!r}")
    if unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1]) != file_name:
        raise BadArchive(f"{origin} is for {name}, not for {file_name}")
    return sha256.lower()


def verify_checksum(expected: str | None, actual: str, origin: str) -> bool:
    """Whether a checksum confirmed the file; raises ChecksumMismatch if it denies it."""
    if expected is not None and expected != actual:
        raise ChecksumMismatch(f"{origin} has sha256 {actual}, its .CHECKSUM says {expected}")
    return expected is not None


def write_hashed(pieces: Iterable[bytes], path: Path) -> tuple[str, int]:
    """Write the pieces to a new file; returns its sha256 and size. A failure leaves no file."""
    digest, size = hashlib.sha256(), 0
    with new_file(path) as target:
        for piece in pieces:
            digest.update(piece)
            size += len(piece)
            target.write(piece)
    return digest.hexdigest(), size


def read_pieces(stream: IO[bytes]) -> Iterator[bytes]:
    """The rest of a stream in pieces that fit in memory."""
    while piece := stream.read(_CHUNK):
        yield piece


def unpack(
    zip_path: Path, file: ArchiveFile, staging_directory: Path, origin: str, max_csv_bytes: int
) -> Path:
    """Unpack the one CSV of a zip into the staging folder and delete the zip.

    The member must be a CSV of the same symbol and dataset, because rows of trades and candles do
    not name their symbol. Raises BadArchive for anything but one such member, and as soon as more
    than `max_csv_bytes` came out, whatever size the zip claims.
    """
    csv_path = staging_directory / f"{file.name}.csv"
    try:
        _require_small_directory(zip_path, origin)
        with zipfile.ZipFile(zip_path) as archive:
            member = _only_member(archive, file, origin)
            with zip_path.open("rb") as stream, new_file(csv_path) as target:
                size = 0
                for piece in _unfolded(stream, member):
                    size += len(piece)
                    if size > max_csv_bytes:
                        raise BadArchive(
                            f"{origin} unfolds to more than {max_csv_bytes:,} bytes of CSV"
                        )
                    target.write(piece)
    except _DAMAGE as error:
        raise BadArchive(f"{origin} cannot be unpacked: {error}") from error
    except OSError as error:
        # A damaged directory sends zipfile to a place before the file's beginning.
        if error.errno == errno.EINVAL:
            raise BadArchive(f"{origin} cannot be unpacked: its directory is damaged") from error
        raise
    finally:
        zip_path.unlink(missing_ok=True)
    return csv_path


def _unfolded(stream: IO[bytes], member: zipfile.ZipInfo) -> Iterator[bytes]:
    """The content of a zip's member in pieces of bounded size, checked against its length and CRC.

    zipfile would do the same with zlib, which takes twice the time of ISA-L for these files.
    """
    stream.seek(member.header_offset)
    signature, *lengths = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
    if signature != _LOCAL_SIGNATURE:
        raise zipfile.BadZipFile("the member is not where the directory says")
    stream.seek(sum(lengths), 1)
    inflate = isal_zlib.decompressobj(-zlib.MAX_WBITS)
    crc, size, left = 0, 0, member.compress_size
    while left > 0:
        packed = stream.read(min(left, _CHUNK))
        if not packed:
            raise EOFError("the member is cut off")
        left -= len(packed)
        if member.compress_type == zipfile.ZIP_STORED:
            pieces: Iterable[bytes] = [packed]
        else:
            pieces = _inflated(inflate, packed)
        for piece in pieces:
            crc, size = isal_zlib.crc32(piece, crc), size + len(piece)
            yield piece
    if size != member.file_size or crc != member.CRC:
        raise zipfile.BadZipFile("length or CRC of the member are not those of the directory")


def _inflated(inflate: isal_zlib.Decompress, packed: bytes) -> Iterator[bytes]:
    piece = inflate.decompress(packed, _CHUNK)
    yield piece
    # A piece as large as allowed may have left more behind, also when all of the input was taken.
    while len(piece) == _CHUNK:
        piece = inflate.decompress(inflate.unconsumed_tail, _CHUNK)
        yield piece


def has_end_record(path: Path) -> bool:
    """Whether a zip has its last part: one that was cut off has not."""
    return _directory_bytes(path) is not None


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file open for writing that is deleted again when the block fails.

    Raises OutOfSpace when the disk or a quota is full.
    """
    try:
        with path.open("wb") as target:
            yield target
    except BaseException as error:
        with suppress(FileNotFoundError):
            path.unlink()
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutOfSpace(f"No space left in {path.parent}: free some and retry") from error
        raise


def _directory_bytes(path: Path) -> int | None:
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - _END_RECORD.size - _LONGEST_COMMENT))
        tail = stream.read()
    place = tail.rfind(_END_SIGNATURE)
    if place < 0 or len(tail) - place < _END_RECORD.size:
        return None
    directory_bytes: int = _END_RECORD.unpack_from(tail, place)[5]
    return directory_bytes


def _require_small_directory(path: Path, origin: str) -> None:
    # zipfile reads the whole directory into memory.
    directory_bytes = _directory_bytes(path)
    if directory_bytes is None:
        with path.open("rb") as stream:
            is_gzip = stream.read(2) == _GZIP_START
        why = "it is a gzip file by the name of a zip" if is_gzip else "it has no end record"
        raise BadArchive(f"{origin} is not a whole zip: {why}")
    if directory_bytes > _LARGEST_DIRECTORY:
        raise BadArchive(
            f"{origin} has a directory of {directory_bytes:,} bytes, one CSV was expected"
        )


def _only_member(archive: zipfile.ZipFile, file: ArchiveFile, origin: str) -> zipfile.ZipInfo:
    members = [one for one in archive.infolist() if not _is_of_the_finder(one.orig_filename)]
    if len(members) != 1:
        raise BadArchive(f"{origin} has {len(members)} members, one CSV was expected")
    member = members[0]
    name = member.orig_filename
    if "/" in name or "\\" in name or "\0" in name:
        raise BadArchive(f"{origin} has a member with a path in its name: {name!r}")
    if not _is_named_for(name, file):
        raise BadArchive(f"{origin} holds {name!r}, {file.name}.csv was expected")
    if member.flag_bits & 0x1:
        raise BadArchive(f"{origin} is encrypted")
    if member.compress_type not in _METHODS:
        raise BadArchive(f"{origin} uses compression method {member.compress_type}, not deflate")
    return member


def _is_named_for(name: str, file: ArchiveFile) -> bool:
    plain = unicodedata.normalize("NFC", name)
    return plain.startswith(f"{file.symbol}-{file.kind}-") and plain.endswith(".csv")


def _is_of_the_finder(name: str) -> bool:
    """Whether macOS put a member beside those that it was asked for."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2] == ".DS_Store"
