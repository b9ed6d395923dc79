"""The S3 listing of the archive: which files there are, a thousand keys a page. No request here."""

import re
from collections.abc import Callable
from datetime import date
from xml.parsers import expat

from ingestion.errors import BadArchive

_MAX_PAGES = 50
_START = re.compile(r"-(\d{4}-\d{2})(-\d{2})?\.zip")


def days_in_pages(fetch_page: Callable[[dict[str, str]], bytes], folder: str) -> list[date]:
    """The starts of the zips in an archive folder, from all pages of its listing, in order.

    `fetch_page` is called with the parameters of the query. Raises BadArchive for what is not an
    S3 listing, or one that does not end.
    """
    days: set[date] = set()
    marker = ""
    for _ in range(_MAX_PAGES):
        parameters = {"delimiter": "/", "prefix": folder}
        page = _Page(fetch_page(parameters | ({"marker": marker} if marker else {})), folder)
        days.update(day for key in page.keys if (day := _start_of(key, folder)))
        if not page.is_truncated:
            return sorted(days)
        following = page.next_marker or max(page.keys, default="")
        if following <= marker:
            break
        marker = following
    raise BadArchive(f"The listing of {folder} does not come to an end after {marker!r}")


def _start_of(key: str, folder: str) -> date | None:
    found = _START.search(key)
    if not found or not key.startswith(folder) or not key.endswith(found[0]):
        return None
    try:
        return date.fromisoformat(found[1] + (found[2] or "-01"))
    except ValueError:
        return None


class _Page:
    """One page of a listing. A document type is refused: no entity can be declared or fetched."""

    def __init__(self, body: bytes, folder: str) -> None:
        self.keys: list[str] = []
        self.is_truncated = False
        self.next_marker = ""
        self._root = ""
        self._text: list[str] = []
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.StartElementHandler = self._start
        parser.CharacterDataHandler = self._text.append
        parser.EndElementHandler = self._end
        try:
            parser.Parse(body, True)
        except expat.ExpatError as error:
            raise BadArchive(f"The listing of {folder} is no XML: {error}") from error
        if self._root != "ListBucketResult":
            raise BadArchive(f"The listing of {folder} is a {self._root}, no S3 listing")

    def _refuse_doctype(self, name: str, *_: object) -> None:
        raise BadArchive(f"The listing declares a document type, {name}, which no S3 listing does")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._root = self._root or tag.rpartition(" ")[2]
        self._text.clear()

    def _end(self, tag: str) -> None:
        text = "".join(self._text)
        self._text.clear()
        match tag.rpartition(" ")[2]:
            case "Key":
                self.keys.append(text)
            case "IsTruncated":
                self.is_truncated = text == "true"
            case "NextMarker":
                self.next_marker = text
