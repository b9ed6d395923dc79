"""What the sources that ask over HTTP share: the client, and the certificates that are trusted."""

from functools import cache
from ssl import SSLContext
from types import TracebackType
from typing import Self

import httpx


class HttpSource:
    """Holds the connections of a source; close it, or use with. `timeout` (seconds) is the longest
    silence."""

    def __init__(self, timeout: float, headers: dict[str, str] | None = None) -> None:
        self._client = httpx.Client(
            timeout=timeout,
            verify=_ssl_context(),
            headers={"User-Agent": "liqheat", **(headers or {})},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


@cache
def _ssl_context() -> SSLContext:
    # Reading the certificates takes longer than loading a day of candles: once a process.
    return httpx.create_ssl_context()
