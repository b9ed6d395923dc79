"""Binance's public archive, or any mirror of it, over HTTP."""

import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import quote

import httpx

from ingestion.errors import (
    BadArchive,
    ChecksumMismatch,
    IncompleteDownload,
    NotInSource,
    SourceUnavailable,
)
from ingestion.market.datasets import Dataset
from ingestion.market.files import ArchiveFile, Period
from ingestion.sources.http import HttpSource
from ingestion.sources.listing import days_in_pages
from ingestion.sources.staging import (
    MAX_BYTES,
    MAX_CHECKSUM_BYTES,
    MAX_CSV_BYTES,
    ZIP_START,
    Progress,
    StagedFile,
    has_end_record,
    no_progress,
    parse_checksum,
    unpack,
    verify_checksum,
    write_hashed,
)
from liqheat_project.kernel.instants import DAY_SECONDS

_CONCURRENCY = 8
_MAX_REDIRECTS = 3
_MAX_LISTING_BYTES = 4 * 1024**2
_MAX_RETRY_AFTER = float(DAY_SECONDS)
_ABSENT = (404, 410)


class ArchiveSource(HttpSource):
    """Fetches files below `base_url`. One object may serve several threads; close it, or use with.

    `timeout` (seconds) is the longest silence, `minimum_rate` (bytes a second) the slowest pace
    over any stretch of that length: a server that dribbles is as unavailable as a silent one.
    `listing_url` is the S3 listing of the same archive, used by `list_days` and `available`.
    """

    def __init__(
        self,
        base_url: str,
        *,
        listing_url: str | None = None,
        timeout: float = 30.0,
        minimum_rate: float = 10_000.0,
        max_bytes: int = MAX_BYTES,
        max_csv_bytes: int = MAX_CSV_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base = _checked_url(base_url)
        self._listing = _checked_url(listing_url) if listing_url else None
        self._timeout = timeout
        self._minimum_rate = minimum_rate
        self._max_bytes = max_bytes
        self._max_csv_bytes = max_csv_bytes
        self._clock = clock
        super().__init__(timeout, headers={"Accept-Encoding": "identity"})

    def fetch(
        self, file: ArchiveFile, staging_directory: Path, progress: Progress = no_progress
    ) -> StagedFile:
        """Download, verify and unpack one file into the staging folder.

        Raises NotInSource, SourceUnavailable, IncompleteDownload, ChecksumMismatch, BadArchive or
        OutOfSpace. A file without a published checksum is not an error but is not `verified`.
        """
        url = self._url(file)
        expected = self.expected_checksum(file)
        zip_path = staging_directory / f"{file.name}.zip"
        with self._open("GET", url) as response:
            if response.status_code in _ABSENT:
                raise NotInSource(
                    f"{url} does not exist: check the symbol and the day. A day is published on "
                    f"the next one, and not every dataset reaches back to the first"
                )
            announced = _content_length(response)
            if announced is not None and announced > self._max_bytes:
                raise BadArchive(f"{url} has {announced:,} bytes, {self._max_bytes:,} are allowed")
            pieces = self._zip_pieces(response, url, announced, progress)
            sha256, size = write_hashed(pieces, zip_path)
        try:
            if announced is None and not has_end_record(zip_path):
                raise IncompleteDownload(f"{url} ended after {size:,} bytes, before the zip's end")
            verified = verify_checksum(expected, sha256, url)
        except (ChecksumMismatch, IncompleteDownload):
            zip_path.unlink()
            raise
        csv_path = unpack(zip_path, file, staging_directory, url, self._max_csv_bytes)
        return StagedFile(csv_path, sha256, verified, size, url)

    def expected_checksum(self, file: ArchiveFile) -> str | None:
        """The published sha256 in lower case hexadecimals, None where none is published.

        Raises SourceUnavailable, IncompleteDownload, or BadArchive if it is not a checksum.
        """
        url = f"{self._url(file)}.CHECKSUM"
        with self._open("GET", url) as response:
            if response.status_code in _ABSENT:
                return None
            body = b"".join(self._pieces(response, url, MAX_CHECKSUM_BYTES))
        return parse_checksum(body, f"{file.name}.zip", url)

    def exists(self, file: ArchiveFile) -> bool:
        """Whether the archive has the file now. Raises SourceUnavailable."""
        with self._open("HEAD", self._url(file)) as response:
            response.read()  # read to the end, the connection can serve the next question
            return response.status_code not in _ABSENT

    def available(self, files: Collection[ArchiveFile]) -> set[ArchiveFile]:
        """Those of the files that the archive has now. Raises SourceUnavailable.

        With a listing URL it takes one request for some 500 days, otherwise one for each file.
        """
        if self._listing:
            return self._listed(files)
        with ThreadPoolExecutor(_CONCURRENCY) as pool:
            try:
                return {
                    file
                    for file, there in zip(files, pool.map(self.exists, files), strict=True)
                    if there
                }
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def list_days(
        self, symbol: str, dataset: Dataset, interval: str | None = None, period: Period = "daily"
    ) -> list[date]:
        """The starts of all the files there are, in order, from the S3 listing.

        Raises SourceUnavailable, BadArchive for a listing that is none, and ValueError when this
        source has no listing URL.
        """
        if self._listing is None:
            raise ValueError("This source has no listing URL")
        folder = ArchiveFile(symbol, dataset, interval, date(2020, 1, 1), period).archive_folder
        return days_in_pages(self._listing_page, folder)

    def _listed(self, files: Collection[ArchiveFile]) -> set[ArchiveFile]:
        series = {(file.symbol, file.dataset, file.interval, file.period) for file in files}
        days = {key: set(self.list_days(*key)) for key in series}
        return {
            file
            for file in files
            if file.start in days[file.symbol, file.dataset, file.interval, file.period]
        }

    def _listing_page(self, parameters: dict[str, str]) -> bytes:
        url = str(httpx.URL(self._listing or "", params=parameters))
        with self._open("GET", url) as response:
            if response.status_code in _ABSENT:
                raise SourceUnavailable(f"{url} does not exist: check the listing's URL")
            return b"".join(self._pieces(response, url, _MAX_LISTING_BYTES))

    def _url(self, file: ArchiveFile) -> str:
        return f"{self._base}/{quote(file.archive_path)}"

    @contextmanager
    def _open(self, method: str, url: str) -> Iterator[httpx.Response]:
        try:
            response = self._send(method, url)
        except httpx.HTTPError as error:
            raise SourceUnavailable(f"{url} did not answer: {_reason(error)}") from error
        try:
            if response.status_code != 200 and response.status_code not in _ABSENT:
                raise SourceUnavailable(
                    f"{url} answered {response.status_code} {response.reason_phrase}",
                    _retry_after(response),
                )
            yield response
        finally:
            response.close()

    def _send(self, method: str, url: str) -> httpx.Response:
        request = self._client.build_request(method, url)
        for _ in range(_MAX_REDIRECTS + 1):
            response = self._client.send(request, stream=True)
            if response.next_request is None:
                return response
            response.close()
            target = response.next_request.url
            if not _same_place(request.url, target):
                raise SourceUnavailable(
                    f"{url} redirects to another place, {target}, which is not followed"
                )
            request = response.next_request
        raise SourceUnavailable(f"{url} redirects more than {_MAX_REDIRECTS} times")

    def _zip_pieces(
        self, response: httpx.Response, url: str, announced: int | None, progress: Progress
    ) -> Iterator[bytes]:
        done = 0
        start = b""
        for piece in self._pieces(response, url, self._max_bytes):
            if len(start) < len(ZIP_START):
                start = (start + piece)[:20]
                if not start.startswith(ZIP_START[: len(start)]):
                    raise BadArchive(f"{url} is not a zip: it begins with {start!r}")
            done += len(piece)
            progress(done, announced)
            yield piece

    def _pieces(self, response: httpx.Response, url: str, max_bytes: int) -> Iterator[bytes]:
        done, since, since_bytes = 0, self._clock(), 0
        try:
            for piece in response.iter_raw():
                done += len(piece)
                if done > max_bytes:
                    raise BadArchive(f"{url} is larger than {max_bytes:,} bytes")
                elapsed = self._clock() - since
                if elapsed >= self._timeout:
                    if done - since_bytes < self._minimum_rate * elapsed:
                        raise SourceUnavailable(
                            f"{url} is too slow: {done - since_bytes:,} bytes in {elapsed:.0f} s"
                        )
                    since, since_bytes = self._clock(), done
                yield piece
        except httpx.TimeoutException as error:
            raise SourceUnavailable(f"{url} fell silent after {done:,} bytes") from error
        except httpx.HTTPError as error:
            raise IncompleteDownload(
                f"{url} was cut off after {done:,} bytes: {_reason(error)}"
            ) from error


def _checked_url(text: str) -> str:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ValueError(f"{text!r} is not an address: {error}") from error
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise ValueError(f"{text!r} is not an http or https address")
    return str(url).rstrip("/")


def _same_place(old: httpx.URL, new: httpx.URL) -> bool:
    if old.host != new.host:
        return False
    if (old.scheme, old.port) == (new.scheme, new.port):
        return True
    return (old.scheme, new.scheme, old.port, new.port) == ("http", "https", None, None)


def _content_length(response: httpx.Response) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() else None


def _retry_after(response: httpx.Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    if text.isdecimal():
        return min(float(text), _MAX_RETRY_AFTER)
    try:
        # The server's own clock tells how far off its date is.
        until = parsedate_to_datetime(text)
        wait = (until - parsedate_to_datetime(response.headers.get("Date", ""))).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(wait, 0.0), _MAX_RETRY_AFTER)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
