"""The exchange of a soak: the tests' stand-ins, which also note what a soak wants to know."""

import random
import threading
import time
from collections.abc import Sequence

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

from ingestion.market.files import ArchiveFile
from tests.support.archive_files import KLINES_HEADER
from tests.support.archive_server import Fault
from tests.support.exchange import DAY_MS, MINUTE_MS, FuturesExchange
from tests.support.exchange_stream import StreamServer, force_order
from tools.soak.compare import Event, Span, within

SIDES = {"SELL": "long", "BUY": "short"}
UNDER_WAY_MS = 1000
"""Requests that were sent before the answer that said stop was read."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Exchange(FuturesExchange):
    """Notes the requests that come although an answer has said to stop; after 451 they stop for
    `recheck_seconds`."""

    def __init__(self, symbols: Sequence[str], recheck_seconds: int) -> None:
        super().__init__(symbols)
        self._recheck_ms = 1000 * recheck_seconds
        self.stops: list[Span] = []
        self.impolite: list[tuple[int, str]] = []

    def say_stop(self, start_ms: int, end_ms: int) -> None:
        """Nothing may be asked in this span, apart from what was under way."""
        self.stops.append((start_ms + UNDER_WAY_MS, end_ms))

    def archived(self, file: ArchiveFile) -> str:
        """The candles of a day that is over, as the archive's CSV has them."""
        first = round(file.start_instant.timestamp()) * 1000
        opens = range(first, first + DAY_MS, MINUTE_MS)
        lines = [",".join(map(str, self.candle(file.symbol, opened))) for opened in opens]
        return "\n".join([KLINES_HEADER, *lines]) + "\n"

    def answer(self, path: str, query: dict[str, str]) -> tuple[Fault, int]:
        fault, used = super().answer(path, query)
        now = now_ms()
        if within(now, self.stops):
            self.impolite.append((now, path))
        if fault.status == 429 and fault.retry_after:
            self.say_stop(now, now + 1000 * int(fault.retry_after))
        elif fault.status == 451:
            self.say_stop(now, now + self._recheck_ms)
        return fault, used


class Stream(StreamServer):
    """Notes when connections ended."""

    def __init__(self) -> None:
        super().__init__()
        self.ended_ms: list[int] = []

    def _handle(self, connection: ServerConnection) -> None:
        try:
            super()._handle(connection)
        finally:
            self.ended_ms.append(now_ms())


class Liquidator:
    """Sends a liquidation of each symbol about every `seconds`, at most one a second as the
    exchange does; not while nobody listens, nor while `quiet` is set."""

    def __init__(self, stream: Stream, exchange: Exchange, seconds: float) -> None:
        self.attempted: list[Event] = []
        self.sent: list[Event] = []
        self.quiet = threading.Event()
        self._stream, self._exchange, self._seconds = stream, exchange, seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        chance = random.Random(1)
        symbols = self._exchange.symbols
        while not self._stop.wait(
            max(1.0, self._seconds) * chance.uniform(0.5, 1.5) / len(symbols)
        ):
            if not self.quiet.is_set() and self._stream.listeners:
                self._send(chance.choice(symbols), chance)

    def _send(self, symbol: str, chance: random.Random) -> None:
        at = now_ms()
        newest = next((one.time for one in reversed(self.attempted) if one.symbol == symbol), 0)
        if at - newest < 1000:
            return
        side = chance.choice(["SELL", "BUY"])
        price = self._exchange.price(symbol, at)
        order = force_order(symbol, side, price, round(chance.uniform(0.1, 50), 3), at)
        event = Event(
            symbol, at, SIDES[side], float(order["p"]), float(order["ap"]), float(order["z"])
        )
        self.attempted.append(event)
        try:
            self._stream.send(order)
        except (ConnectionClosed, OSError):
            return  # the listener has just gone
        if self._stream.listeners:
            self.sent.append(event)
