"""A stand-in for the exchange's archive: a real HTTP server on loopback that serves a folder.

It answers like a mirror of data.binance.vision, lists its keys like S3 (`?prefix=`), counts the
requests and, where a test scripts it, fails in the ways that the real one has failed.

    with ArchiveServer(folder) as server:
        server.put(file.archive_path, zip_bytes)           # with its .CHECKSUM
        server.script(file.archive_path, Fault(status=503, retry_after="7"), times=2)
        ArchiveSource(server.url).fetch(file, staging)
        assert server.count(file.archive_path) == 1
"""

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.support.stand_in import Handler, StandIn

HTML = b"<!DOCTYPE html><html><body>Please sign in to this network</body></html>"


@dataclass(frozen=True)
class Fault:
    """How one answer differs from the file in the folder.

    `body` replaces the content, `keep_bytes` cuts the connection after so many, `seconds_per_byte`
    dribbles, `stall` sends nothing more after the headers, `announce_length=False` leaves
    Content-Length out and ends the body by closing the connection.
    """

    status: int = 200
    body: bytes | None = None
    content_type: str = "application/octet-stream"
    keep_bytes: int | None = None
    seconds_per_byte: float = 0.0
    stall: bool = False
    announce_length: bool = True
    location: str | None = None
    retry_after: str | None = None
    hang_up: bool = False


HTML_PAGE = Fault(body=HTML, content_type="text/html")
NO_LENGTH = Fault(announce_length=False)
ONE_BYTE_A_SECOND = Fault(seconds_per_byte=1.0)


class ArchiveServer(StandIn):
    """Serves `root` on a free port of 127.0.0.1 while the block lasts.

    Scripted faults apply to a path, with every method, `times` times (None: always). Paths are
    written as in `ArchiveFile.archive_path`, without a slash in front.
    """

    def __init__(self, root: Path | str, *, keys_per_page: int = 1000) -> None:
        super().__init__(_Handler)
        self.root = Path(root)
        self.keys_per_page = keys_per_page
        self._scripts: dict[str, list[tuple[Fault, int | None]]] = defaultdict(list)
        self._requests: list[tuple[str, str]] = []

    @property
    def listing_url(self) -> str:
        """The base URL of the S3 listing, as `https://s3…/data.binance.vision` is the archive's."""
        return f"{self.url}/listing"

    def put(self, path: str, body: bytes, *, checksum: str | None = None) -> None:
        """Publish a file and its `.CHECKSUM`: the right one, the one given, or none for ""."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(body)
        if checksum is None:
            checksum = hashlib.sha256(body).hexdigest()
        beside = place.with_name(f"{place.name}.CHECKSUM")
        if checksum:
            beside.write_text(f"{checksum}  {place.name}\n")
        else:
            beside.unlink(missing_ok=True)

    def script(self, path: str, fault: Fault, times: int | None = None) -> None:
        """Let the next `times` answers for a path fail this way; scripts of a path queue up."""
        with self._lock:
            self._scripts[path].append((fault, times))

    def heal(self) -> None:
        """Forget all faults that were not used up."""
        with self._lock:
            self._scripts.clear()

    @property
    def requests(self) -> list[tuple[str, str]]:
        """Method and path of all requests so far."""
        with self._lock:
            return list(self._requests)

    def count(self, path: str, method: str | None = None) -> int:
        """How often a path was asked for."""
        return sum(
            asked == path and method in (None, asked_method)
            for asked_method, asked in self.requests
        )

    def note(self, method: str, path: str) -> Fault | None:
        """Count a request and take the fault that is due, if any."""
        with self._lock:
            self._requests.append((method, path))
            queue = self._scripts.get(path)
            if not queue:
                return None
            fault, left = queue[0]
            if left == 1:
                queue.pop(0)
            elif left is not None:
                queue[0] = (fault, left - 1)
            return fault


class _Handler(Handler):
    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        path = unquote(address.path).lstrip("/")
        fault = self.server.stand_in.note(self.command, path)
        if fault and fault.hang_up:
            self.close_connection = True
        elif fault and fault.status != 200:
            self._answer(fault.body or f"{fault.status}".encode(), fault)
        elif fault and fault.body is not None:
            self._answer(fault.body, fault)
        elif path == "listing":
            self._answer(self._listing(parse_qs(address.query)), fault or Fault())
        else:
            self._serve(path, fault or Fault())

    def _serve(self, path: str, fault: Fault) -> None:
        place = (self.server.stand_in.root / path).resolve()
        if not place.is_relative_to(self.server.stand_in.root.resolve()) or not place.is_file():
            self._answer(b"<Error><Code>NoSuchKey</Code></Error>", Fault(status=404))
            return
        self._answer(place.read_bytes(), fault)

    def _answer(self, body: bytes, fault: Fault) -> None:
        self.send_response(fault.status)
        self.send_header("Content-Type", fault.content_type)
        if fault.location:
            self.send_header("Location", fault.location)
        if fault.retry_after:
            self.send_header("Retry-After", fault.retry_after)
        if fault.announce_length:
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self._send_body(body, fault)

    def _send_body(self, body: bytes, fault: Fault) -> None:
        if fault.stall:
            self.server.stand_in.closing.wait()
            self.close_connection = True
            return
        if fault.keep_bytes is not None:
            body = body[: fault.keep_bytes]
            self.close_connection = True
        if not fault.announce_length:
            self.close_connection = True
        if not fault.seconds_per_byte:
            self.wfile.write(body)
            return
        for place in range(len(body)):
            self.wfile.write(body[place : place + 1])
            if self.server.stand_in.closing.wait(fault.seconds_per_byte):
                self.close_connection = True
                return

    def _listing(self, query: dict[str, list[str]]) -> bytes:
        archive = self.server.stand_in
        prefix, marker = query.get("prefix", [""])[0], query.get("marker", [""])[0]
        folder = archive.root / prefix
        names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
        keys = sorted(key for name in names if (key := f"{prefix}{name}") > marker)
        page = keys[: archive.keys_per_page]
        truncated = len(keys) > len(page)
        contents = "".join(f"<Contents><Key>{escape(key)}</Key></Contents>" for key in page)
        following = f"<NextMarker>{escape(page[-1])}</NextMarker>" if truncated else ""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Prefix>{escape(prefix)}</Prefix><IsTruncated>{str(truncated).lower()}</IsTruncated>"
            f"{following}{contents}</ListBucketResult>"
        ).encode()
