"""The exchange's stream of liquidations, `!forceOrder@arr`, over a WebSocket.

One stream carries the orders of all symbols. Of each symbol the exchange sends at most the latest
order within 1000 ms, so what comes is a lower bound of what was liquidated. Since 2026-04-23 the
stream is served below `/market` only: the former addresses connect and stay silent. It also carries
the coin-margined contracts, whose quantity is another unit; they are left out by `st`.
"""

import math
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import orjson
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import connect

from ingestion.errors import BadFormat, SourceUnavailable
from ingestion.market.plausibility import MAX_PRICE_FACTOR, price_fault, quantity_fault
from ingestion.market.records import Liquidation

PATH = "/market/stream?streams=!forceOrder@arr"
USD_MARGINED = 1
LIQUIDATED_SIDES = {"SELL": "long", "BUY": "short"}
MAX_MESSAGE_BYTES = 1_000_000
MAX_QUEUED_MESSAGES = 100_000  # those that come while the lake is being written to
PING_SECONDS = 20


def parse_message(message: str | bytes) -> list[Liquidation]:
    """The USD-margined liquidations of a message; of coin-margined ones it is empty.

    Raises BadFormat when the message is not what the exchange documents.
    """
    try:
        content = orjson.loads(message)  # it bounds numbers and depth, and takes UTF-8 alone
    except orjson.JSONDecodeError as error:
        raise BadFormat(f"not JSON: {error}") from error
    if isinstance(content, dict) and "data" in content:
        content = content["data"]
    events = content if isinstance(content, list) else [content]
    return [found for event in events if (found := _parse_event(event))]


def _parse_event(event: Any) -> Liquidation | None:
    if not isinstance(event, dict) or event.get("e") != "forceOrder":
        raise BadFormat("not a forceOrder event")
    order = event.get("o")
    if not isinstance(order, dict):
        raise BadFormat("a forceOrder event without its order")
    if order.get("st", event.get("st", USD_MARGINED)) != USD_MARGINED:
        return None
    if any(isinstance(value, list | dict) for value in order.values()):
        # Nested as deeply as a parser takes it, it could not even be written down.
        raise BadFormat("an order with more than plain values")
    try:
        liquidation = Liquidation(
            symbol=order["s"],
            time_ms=order["T"],
            side=LIQUIDATED_SIDES[order["S"]],
            price=float(order["p"]),
            average_price=float(order["ap"]),
            quantity=float(order["z"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadFormat(f"a bad or missing field of the order: {error!r}") from error
    _check(liquidation)
    return liquidation


def _check(liquidation: Liquidation) -> None:
    if not isinstance(liquidation.symbol, str) or not 0 < len(liquidation.symbol) <= 30:
        raise BadFormat(f"not a symbol: {str(liquidation.symbol)[:30]!r}")
    if not isinstance(liquidation.time_ms, int) or not 0 < liquidation.time_ms < 1e13:
        raise BadFormat(f"not a time in milliseconds: {str(liquidation.time_ms)[:30]!r}")
    for name in ("price", "average_price", "quantity"):
        value = getattr(liquidation, name)
        if not math.isfinite(value) or value <= 0:
            raise BadFormat(f"{name} is {value}, not a positive number")
    prices = (liquidation.price, liquidation.average_price)
    if fault := price_fault(*prices) or quantity_fault(liquidation.quantity):
        raise BadFormat(fault)
    if max(prices) > MAX_PRICE_FACTOR * min(prices):
        raise BadFormat("its price and its average price are more than 10 times apart")


class LiquidationStream:
    """A connection to the stream, open while the block lasts.

    Pings are answered, and the connection counts as lost when the exchange answers ours no more.
    """

    def __init__(self, base_url: str, timeout: float = 10.0) -> None:
        self.url = base_url.rstrip("/") + PATH
        self._timeout = timeout
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Connect. Raises SourceUnavailable."""
        try:
            self._connection = self._open.enter_context(
                connect(
                    self.url,
                    open_timeout=self._timeout,
                    close_timeout=1,
                    ping_interval=PING_SECONDS,
                    ping_timeout=PING_SECONDS,
                    max_size=MAX_MESSAGE_BYTES,
                    max_queue=MAX_QUEUED_MESSAGES,
                )
            )
        except InvalidStatus as error:
            raise SourceUnavailable(_refusal(self.url, error.response.status_code)) from error
        except (OSError, WebSocketException) as error:
            reason = str(error) or type(error).__name__
            raise SourceUnavailable(f"{self.url} cannot be reached: {reason}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def receive(self, seconds: float) -> bytes | None:
        """The next message, or None when none came within `seconds`. It is not decoded: what is
        not UTF-8 would end the connection with all that comes after it.

        Raises SourceUnavailable when the connection has ended, as it does every 24 hours.
        """
        try:
            return self._connection.recv(timeout=max(0.0, seconds), decode=False)
        except TimeoutError:
            return None
        except ConnectionClosed as error:
            raise SourceUnavailable(f"{self.url} ended the connection: {error}") from error


def _refusal(url: str, status: int) -> str:
    if status in (403, 451):
        return (
            f"{url} refuses this machine's location or network (HTTP {status}): the exchange "
            "cannot be used from here; set STREAM_BASE_URL to a mirror, or do without liquidations."
        )
    return f"{url} answered HTTP {status} instead of opening the stream."
