"""What the stand-ins for the exchange that speak HTTP share: a real server on loopback."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class StandIn:
    """Answers by `handler` on 127.0.0.1, on a free port or the one given, while the block lasts.

    Handlers reach it as `self.server.stand_in`; those that wait do so on `closing`.
    """

    def __init__(self, handler: "type[Handler]", port: int = 0) -> None:
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(self, handler, port)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """The base URL of what it stands in for."""
        return f"http://127.0.0.1:{self._server.server_port}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, stand_in: Any, handler: "type[Handler]", port: int) -> None:
        self.stand_in = stand_in
        super().__init__(("127.0.0.1", port), handler)

    def handle_error(self, request: object, client_address: object) -> None:
        # A client that hangs up in the middle is what some tests are about.
        pass


class Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30

    def log_message(self, format: str, *args: object) -> None:
        pass
