"""A stand-in for the exchange's streams: a real WebSocket server on loopback.

It sends what a test tells it to, to all who are connected to the stream of liquidations, keeps a
record of it, and fails in the ways that the real one does.

    with StreamServer() as exchange:
        settings.STREAM_BASE_URL = exchange.url
        exchange.wait_for_listener()
        exchange.liquidate("ETHUSDT", "SELL", price=3000, quantity=2)
        exchange.disconnect()
"""

import itertools
import json
import threading
import time
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from tests.support.services import wait_until

STREAM = "!forceOrder@arr"
PATH = f"/market/stream?streams={STREAM}"


class StreamServer:
    """Serves on a free port of 127.0.0.1 while the block lasts.

    `sent` holds the USD-margined orders of all listeners' time, as the exchange wrote them. Like
    the real one it accepts connections to other paths than the stream's, and sends nothing there.
    """

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.connections = 0
        self._refusal: HTTPStatus | None = None
        self._listeners: list[ServerConnection] = []
        self._lock = threading.Lock()
        self._clock = itertools.count(time.time_ns() // 1_000_000)

    def __enter__(self) -> Self:
        self._server = serve(self._handle, "127.0.0.1", 0, process_request=self._admit)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.disconnect()
        self._server.shutdown()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}"

    @property
    def listeners(self) -> int:
        with self._lock:
            return len(self._listeners)

    def wait_for_listener(self, connections: int = 1) -> None:
        """Until someone listens who is at least the so-manieth to have connected."""
        wait_until(
            lambda: self.listeners and self.connections >= connections, 20, "a listener to connect"
        )

    def refuse(self, status: int | None) -> None:
        """Answer every attempt to connect with this HTTP status from now on; None: let them in."""
        self._refusal = HTTPStatus(status) if status else None

    def liquidate(
        self,
        symbol: str,
        side: str = "SELL",
        price: float = 100.0,
        quantity: float = 1.0,
        time_ms: int | None = None,
    ) -> dict[str, Any]:
        """Send a liquidation of a USD-margined contract, by default each a millisecond later."""
        order = force_order(symbol, side, price, quantity, time_ms or next(self._clock))
        self.sent.append(order)
        self.send(order)
        return order

    def liquidate_coin_margined(self, symbol: str = "BTCUSD_PERP") -> None:
        """Send a liquidation as the same stream carries it for a coin-margined contract."""
        order = force_order(symbol, "SELL", 100.0, 7.0, next(self._clock))
        self.send(order | {"st": 2, "ps": symbol.partition("_")[0]})

    def send(self, order: dict[str, Any]) -> None:
        event = {"e": "forceOrder", "E": order["T"] + 5, "o": order}
        self.send_raw(json.dumps({"stream": STREAM, "data": event}))

    def send_raw(self, message: str | bytes, text: bool | None = None) -> None:
        """`text` sends bytes as what they are not."""
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener.send(message, text=text)

    def wait_until_received(self) -> None:
        """Until all that was sent has come to the listeners, read or not."""
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            assert listener.ping().wait(20), "a listener did not answer a ping"

    def disconnect(self) -> None:
        """Close all connections, as the exchange does with those that are 24 hours old."""
        with self._lock:
            listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.close(1001, "24 hours")

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        if self._refusal:
            return connection.respond(self._refusal, f"{self._refusal.phrase}\n")
        return None

    def _handle(self, connection: ServerConnection) -> None:
        if connection.request and connection.request.path == PATH:
            with self._lock:
                self._listeners.append(connection)
                self.connections += 1
        try:
            for _ in connection:
                pass
        except ConnectionClosed:
            pass
        finally:
            with self._lock:
                if connection in self._listeners:
                    self._listeners.remove(connection)


def force_order(
    symbol: str, side: str, price: float, quantity: float, time_ms: int
) -> dict[str, Any]:
    """The order of a liquidation, as the stream writes it."""
    return {
        "s": symbol,
        "S": side,
        "o": "LIMIT",
        "f": "IOC",
        "q": str(quantity),
        "p": str(price),
        "ap": str(price * 1.001),
        "X": "FILLED",
        "l": str(quantity),
        "z": str(quantity),
        "T": time_ms,
        "st": 1,
    }
