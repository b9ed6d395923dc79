"""A stand-in for Binance's USD-M futures exchange: a real HTTP server on loopback.

Its market is a function of the time and the symbol, so that a test knows what any answer had to be.
It counts request weight as the real one does, keeps a record of what it served, and fails where a
test scripts it.

    with FuturesExchange(["ETHUSDT"]) as exchange:
        exchange.script(TOO_MANY_REQUESTS, times=2)
        ...
        assert exchange.served_figures["ETHUSDT"] == {instant: contracts}
"""

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.support.archive_server import Fault
from tests.support.stand_in import Handler, StandIn

MINUTE_MS = 60_000
DAY_MS = 86_400_000
LARGEST_LIMIT = 1500


def _error(status: int, code: int, message: str, retry_after: str | None = None) -> Fault:
    body = json.dumps({"code": code, "msg": message}).encode()
    return Fault(status, body, content_type="application/json", retry_after=retry_after)


TOO_MANY_REQUESTS = _error(
    429, -1003, "Too many requests; current limit is 2400 requests per minute.", retry_after="7"
)
RESTRICTED = _error(451, 0, "Service unavailable from a restricted location.")
FORBIDDEN = Fault(403, b"<html>Forbidden</html>", content_type="text/html")
BROKEN = Fault(503, b"Service Unavailable")
SILENCE = Fault(stall=True)
HANG_UP = Fault(hang_up=True)
ANSWER = None
"""No fault: scripted before one, it lets some answers pass first."""


def banned(until_ms: int, retry_after: str | None = None) -> Fault:
    """418, with the end of the ban in its message and, where given, in `Retry-After` (seconds)."""
    text = f"Way too many requests; IP(127.0.0.1) banned until {until_ms}. Please use websockets."
    return _error(418, -1003, text, retry_after)


class FuturesExchange(StandIn):
    """Serves the market of `symbols` on a free port of 127.0.0.1 while the block lasts.

    `clock` gives the exchange's time in seconds; it may be replaced at any time. Candles exist from
    `listed_from` (ms) on; the newest one is still open. A symbol in `delisted` is refused with
    -1121, as one that never was.
    """

    def __init__(
        self,
        symbols: Iterable[str],
        *,
        clock: Callable[[], float] = time.time,
        listed_from: int = 1_567_296_000_000,
        weight_limit: int = 2400,
        port: int = 0,
    ) -> None:
        super().__init__(_Handler, port)
        self.symbols = list(symbols)
        self.delisted: set[str] = set()
        self.clock, self.listed_from, self.weight_limit = clock, listed_from, weight_limit
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.served_figures: dict[str, dict[int, float]] = defaultdict(dict)
        self.served_candles: dict[str, dict[int, list[Any]]] = defaultdict(dict)
        self._scripts: list[tuple[str, Fault | None, int | None]] = []
        self._weights: dict[int, int] = defaultdict(int)

    @property
    def now_ms(self) -> int:
        return int(self.clock() * 1000)

    def script(self, fault: Fault | None, times: int | None = 1, path: str = "/") -> None:
        """Let the next `times` answers (None: all) below `path` fail this way; scripts queue up."""
        with self._lock:
            self._scripts.append((path, fault, times))

    def heal(self) -> None:
        """Forget all faults that were not used up."""
        with self._lock:
            self._scripts.clear()

    def count(self, path: str = "/") -> int:
        """How often something below a path was asked for."""
        return sum(asked.startswith(path) for asked, _ in self.requests)

    @property
    def used_weight(self) -> int:
        """Weight used in the exchange's current minute."""
        return self._weights[self.now_ms // MINUTE_MS]

    def price(self, symbol: str, instant: int) -> float:
        """The price in USDT at an instant (ms)."""
        base = 100.0 + self.symbols.index(symbol)
        return round(base * (1 + 0.02 * math.sin(instant / 3_600_000)), 4)

    def open_interest(self, symbol: str, instant: int) -> float:
        """Contracts at an instant (ms)."""
        base = 10_000.0 * (1 + self.symbols.index(symbol))
        return round(base * (1 + 0.1 * math.sin(instant / 7_200_000)), 3)

    def candle(self, symbol: str, opened: int) -> list[Any]:
        """The one-minute candle that opens at `opened` (ms), as the exchange writes it."""
        ended = min(opened + MINUTE_MS, self.now_ms)  # an open candle has got only so far
        first, last = self.price(symbol, opened), self.price(symbol, ended)
        volume = float(1 + opened // MINUTE_MS % 7) * (ended - opened) / MINUTE_MS
        prices = (first, max(first, last), min(first, last), last)
        sums = (volume, volume * first, volume / 2, volume / 2 * first)
        o, h, low, c, v, quote, taker, taker_quote = (f"{value:.8f}" for value in (*prices, *sums))
        closed = opened + MINUTE_MS - 1
        return [opened, o, h, low, c, v, closed, quote, 10, taker, taker_quote, "0"]

    def answer(self, path: str, query: dict[str, str]) -> tuple[Fault, int]:
        """The answer to a request, as a Fault that may be none, and the weight used so far."""
        with self._lock:
            self.requests.append((path, query))
            minute = self.now_ms // MINUTE_MS
            self._weights[minute] += self._weight(path, query)
            used = self._weights[minute]
            fault = self._due(path)
            if fault is None and used > self.weight_limit:
                fault = TOO_MANY_REQUESTS
            if fault is None:
                fault = self._serve(path, query)
            elif fault.stall:
                fault = replace(self._serve(path, {}), stall=True)
            return fault, used

    def _due(self, path: str) -> Fault | None:
        for number, (prefix, fault, left) in enumerate(self._scripts):
            if path.startswith(prefix):
                if left == 1:
                    del self._scripts[number]
                elif left is not None:
                    self._scripts[number] = (prefix, fault, left - 1)
                return fault
        return None

    def _weight(self, path: str, query: dict[str, str]) -> int:
        if path == "/fapi/v1/premiumIndex" and "symbol" not in query:
            return 10
        if path != "/fapi/v1/klines":
            return 1
        limit = int(query.get("limit", 500))
        return 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1000 else 10

    def _serve(self, path: str, query: dict[str, str]) -> Fault:
        routes = {
            "/fapi/v1/openInterest": self._open_interest,
            "/fapi/v1/premiumIndex": self._premium_index,
            "/fapi/v1/klines": self._klines,
            "/fapi/v1/exchangeInfo": self._exchange_info,
        }
        route, symbol = routes.get(path), query.get("symbol")
        if route is None:
            return Fault(404, b"<html>Not found</html>", content_type="text/html")
        if symbol is not None and (symbol in self.delisted or symbol not in self.symbols):
            return _error(400, -1121, "Invalid symbol.")
        answered = route(query)
        if isinstance(answered, Fault):
            return answered
        return Fault(body=json.dumps(answered).encode(), content_type="application/json")

    def _open_interest(self, query: dict[str, str]) -> Any:
        if "symbol" not in query:
            return _error(400, -1102, "Mandatory parameter 'symbol' was not sent.")
        symbol, now = query["symbol"], self.now_ms
        figure = self.open_interest(symbol, now)
        self.served_figures[symbol][now] = figure
        return {"openInterest": f"{figure:.3f}", "symbol": symbol, "time": now}

    def _premium_index(self, query: dict[str, str]) -> Any:
        names = [query["symbol"]] if "symbol" in query else self._trading
        quotes = [
            {
                "symbol": name,
                "markPrice": f"{self.price(name, self.now_ms):.8f}",
                "indexPrice": f"{self.price(name, self.now_ms):.8f}",
                "lastFundingRate": "0.00010000",
                "time": self.now_ms,
            }
            for name in names
        ]
        return quotes[0] if "symbol" in query else quotes

    def _klines(self, query: dict[str, str]) -> Any:
        limit = int(query.get("limit", 500))
        if not 1 <= limit <= LARGEST_LIMIT:
            return _error(400, -1130, "Data sent for parameter 'limit' is not valid.")
        if query.get("interval") != "1m" or "symbol" not in query:
            return _error(400, -1120, "Invalid interval.")
        now = self.now_ms
        end = min(int(query.get("endTime", now)), now)
        start = max(int(query.get("startTime", end - limit * MINUTE_MS)), self.listed_from)
        first = -(-start // MINUTE_MS) * MINUTE_MS
        opens = list(range(first, end + 1, MINUTE_MS))[:limit]
        symbol = query["symbol"]
        page = [self.candle(symbol, opened) for opened in opens]
        for candle in page:
            if candle[0] + MINUTE_MS <= now:
                self.served_candles[symbol][candle[0]] = candle
        return page

    def _exchange_info(self, query: dict[str, str]) -> Any:
        return {
            "serverTime": self.now_ms,
            "symbols": [
                {
                    "symbol": name,
                    "status": "SETTLING" if name in self.delisted else "TRADING",
                    "contractType": "PERPETUAL",
                    "filters": [
                        {"filterType": "PRICE_FILTER", "tickSize": "0.0100"},
                        {"filterType": "LOT_SIZE", "stepSize": "0.001"},
                    ],
                }
                for name in self.symbols
            ],
        }

    @property
    def _trading(self) -> list[str]:
        return [name for name in self.symbols if name not in self.delisted]


class _Handler(Handler):
    def do_GET(self) -> None:
        address = urlsplit(self.path)
        fault, used = self.server.stand_in.answer(address.path, dict(parse_qsl(address.query)))
        if fault.hang_up:
            self.close_connection = True
            return
        body = fault.body or b""
        self.send_response(fault.status)
        self.send_header("Content-Type", fault.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-MBX-USED-WEIGHT-1M", str(used))
        if fault.retry_after:
            self.send_header("Retry-After", fault.retry_after)
        self.end_headers()
        if fault.stall:
            self.server.stand_in.closing.wait()
            self.close_connection = True
            return
        self.wfile.write(body)
