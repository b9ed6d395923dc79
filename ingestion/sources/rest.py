"""Binance's USD-M futures exchange over REST: what collectors ask it for.

Formats and weights: Binance's own documentation of the endpoints (binance-connector-python,
clients/derivatives_trading_usds_futures). Every request passes the governor, which keeps all
workers together within the exchange's limits.
"""

import logging
import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import httpx
import orjson

from ingestion.errors import BadAnswer, RefusedBySource, SourceUnavailable
from ingestion.market.records import (
    UNREADABLE,
    Candle,
    Contract,
    OpenInterestFigure,
    UnreadableCandle,
)
from ingestion.sources.governor import MINUTE, Governor
from ingestion.sources.http import HttpSource
from liqheat_project.kernel.instants import MINUTE_MS

CANDLES_PAGE = 499
"""Candles of one page: of weight 2, which gives more candles for the weight than any other size."""

ALL_MARK_PRICES_WEIGHT = 10
"""Weight of the mark prices of all symbols in one answer; that of one symbol has weight 1."""

MAX_ANSWER_BYTES = 32_000_000
"""The largest answer, about all contracts, has some 2 MB."""

_PIECE_BYTES = 65_536
_LONGEST_ANSWER_SECONDS = 120.0  # `timeout` bounds the silence only
_CANDLES_WEIGHT = 2
_TOO_MANY_REQUESTS = -1003
_FIRST_INSTANT = 1_567_296_000_000  # 2019-09-01, when USD-M futures began
_LAST_INSTANT = 4_102_444_800_000  # 2100-01-01: a larger number is in another unit
_SHORTEST_BAN = 120.0
_BANNED_UNTIL = re.compile(r"banned until (\d{13})")
_LONGEST_TEXT = 300
_ERRORS_OF_FORM = (
    LookupError, TypeError, ValueError, OverflowError, InvalidOperation, RecursionError
)  # fmt: skip


@dataclass(frozen=True)
class CandlePage:
    """The closed candles of an answer in order of time, and its rows that are none."""

    candles: list[Candle]
    unreadable: list[UnreadableCandle]

    @property
    def is_last(self) -> bool:
        """Whether the exchange has no more."""
        return len(self.candles) + len(self.unreadable) < CANDLES_PAGE - 1


logger = logging.getLogger(__name__)


class _Endless(Exception):
    """An answer that is larger, or takes longer, than any should."""


class FuturesExchange(HttpSource):
    """Asks the exchange at `base_url`; close it, or use with. One object serves one thread.

    `timeout` (seconds) is the longest silence. All methods raise SourceUnavailable where no usable
    answer came, or the governor let no request out: BadAnswer where it has another form than it
    should. They raise RefusedBySource where the exchange understood the request and refuses it,
    such as for a symbol that is delisted.
    """

    def __init__(self, base_url: str, governor: Governor, timeout: float = 10.0) -> None:
        super().__init__(timeout)
        self.base_url = base_url.rstrip("/")
        self._governor = governor

    def open_interest(self, symbol: str) -> OpenInterestFigure:
        """The present open interest."""
        answer = self._get("/fapi/v1/openInterest", 1, symbol=symbol)
        with _understood("open interest"):
            contracts = _number(answer["openInterest"])
            return OpenInterestFigure(symbol, _instant(answer["time"]), contracts)

    def mark_price(self, symbol: str) -> float:
        """The present mark price in USDT."""
        answer = self._get("/fapi/v1/premiumIndex", 1, symbol=symbol)
        with _understood("mark price"):
            return _price(answer["markPrice"])

    def mark_prices(self) -> dict[str, float]:
        """The present mark prices in USDT of all symbols that have one."""
        answer = self._get("/fapi/v1/premiumIndex", ALL_MARK_PRICES_WEIGHT)
        with _understood("mark price"):
            quotes = [quote for entry in answer if (quote := _quote_or_none(entry))]
        return {symbol: price for symbol, price in quotes if price > 0}

    def closed_candles(self, symbol: str, start: int) -> CandlePage:
        """A page of closed one-minute candles from `start` (ms) on.

        The newest candle of an answer may still be open, whatever the clock of this machine says:
        only one that is followed by another is taken. So a full page has CANDLES_PAGE - 1 rows.
        Raises BadAnswer where none of them can be read.
        """
        answer = self._get(
            "/fapi/v1/klines",
            _CANDLES_WEIGHT,
            symbol=symbol,
            interval="1m",
            startTime=start,
            limit=CANDLES_PAGE,
        )
        with _understood("candles"):
            return _page(symbol, start, answer)

    def contracts(self) -> dict[str, Contract]:
        """The contracts that the exchange lists, by symbol. One that is described in another form
        than it should be has the status UNREADABLE; all others are there none the less."""
        answer = self._get("/fapi/v1/exchangeInfo", 1)
        with _understood("contracts"):
            listed = [_contract_or_unreadable(entry) for entry in answer["symbols"]]
        return {contract.symbol: contract for contract in listed}

    def _get(self, path: str, weight: int, **parameters: str | int) -> Any:
        self._governor.admit(weight)
        url = f"{self.base_url}{path}"
        try:
            with self._client.stream("GET", url, params=parameters) as response:
                body = _read(response)
        except (httpx.HTTPError, _Endless) as error:
            reason = f"{self.base_url} did not answer: {error or type(error).__name__}"
            self._governor.failed(reason)
            raise SourceUnavailable(reason) from error
        used = response.headers.get("X-MBX-USED-WEIGHT-1M", "")
        if used.isdecimal():
            self._governor.observe(int(used))
        if response.status_code == 200:
            return self._answer(body)
        self._refuse(response, body, parameters)

    def _answer(self, body: bytes) -> Any:
        try:
            answer = orjson.loads(body)  # it bounds numbers and depth
        except orjson.JSONDecodeError as error:
            reason = f"{self.base_url} answered what is no JSON: {body[:80]!r}"
            self._governor.failed(reason)
            raise SourceUnavailable(reason) from error
        self._governor.succeeded()
        return answer

    def _refuse(
        self, response: httpx.Response, body: bytes, parameters: dict[str, str | int]
    ) -> NoReturn:
        """Tell the governor what an answer other than 200 means, and raise it."""
        status, (code, message) = response.status_code, _error_of(response, body)
        reason = f"{self.base_url} answered {status}: {message}"
        if status == 418 or _BANNED_UNTIL.search(message):
            self._stop_for_ban(response, message, reason)
        elif status == 429 or code == _TOO_MANY_REQUESTS:
            self._governor.stop(_retry_after(response) or MINUTE, reason)
        elif status in (451, 403):
            self._governor.go_archive_only(
                f"{reason} - it does not serve this machine's address; only the archive is read"
            )
        elif status >= 500 or code is None:
            self._governor.failed(reason)
        else:
            self._governor.succeeded()
            raise RefusedBySource(f"{parameters.get('symbol', 'the request')}: {message} ({code})")
        raise SourceUnavailable(reason)

    def _stop_for_ban(self, response: httpx.Response, message: str, reason: str) -> None:
        wait, named = _retry_after(response), _BANNED_UNTIL.search(message)
        if wait is None and named:
            self._governor.stop_until(int(named[1]) / 1000, reason)
        else:
            self._governor.stop(wait or _SHORTEST_BAN, reason)


@contextmanager
def _understood(what: str) -> Iterator[None]:
    """Turns what an answer of another form causes into BadAnswer."""
    try:
        yield
    except _ERRORS_OF_FORM as error:
        raise BadAnswer(
            f"the exchange's answer about {what} has another form than it should: {_told(error)}"
        ) from error


def _told(value: object) -> str:
    try:
        return repr(value)[:_LONGEST_TEXT]
    except RecursionError:  # nested too deeply to be written down
        return type(value).__name__


def _page(symbol: str, start: int, answer: list[Any]) -> CandlePage:
    """The rows but the last one, each judged for itself."""
    page = CandlePage([], [])
    newest, end = start - 1, _opened_or_none(answer[-1]) if answer else None
    for fields in answer[:-1]:
        try:
            candle = _candle(symbol, fields)
            if not newest < candle.open_time < (end or _LAST_INSTANT):
                raise ValueError(f"out of order, after {newest}")
        except _ERRORS_OF_FORM as error:
            near = _opened_or_none(fields) or max(newest, start)
            reason = str(error)[:_LONGEST_TEXT] or type(error).__name__
            page.unreadable.append(UnreadableCandle(symbol, near, reason, _told(fields)))
        else:
            newest = candle.open_time
            page.candles.append(candle)
    if page.unreadable and not page.candles:
        raise ValueError(f"{len(page.unreadable)} rows, the first: {page.unreadable[0].reason}")
    return page


def _opened_or_none(fields: Any) -> int | None:
    try:
        return _instant(fields[0])
    except _ERRORS_OF_FORM:
        return None


def _candle(symbol: str, fields: list[Any]) -> Candle:
    opened = _instant(fields[0])
    first, high, low, last = (_price(text) for text in fields[1:5])
    if opened % MINUTE_MS or low > min(first, last) or high < max(first, last):
        raise ValueError(f"a candle that contradicts itself: {fields}")
    return Candle(
        symbol=symbol,
        open_time=opened,
        open=first,
        high=high,
        low=low,
        close=last,
        volume=_number(fields[5]),
        quote_volume=_number(fields[7]),
        count=int(fields[8]),
        taker_buy_volume=_number(fields[9]),
        taker_buy_quote_volume=_number(fields[10]),
    )


def _quote_or_none(entry: Any) -> tuple[str, float] | None:
    try:
        return str(entry["symbol"]), _number(entry["markPrice"])
    except _ERRORS_OF_FORM as error:
        logger.warning("A mark price of the exchange can't be read: %s: %s", error, _told(entry))
        return None


def _contract(entry: dict[str, Any]) -> Contract:
    filters = {one["filterType"]: one for one in entry["filters"]}
    return Contract(
        entry["symbol"],
        Decimal(filters["PRICE_FILTER"]["tickSize"]).normalize(),
        entry["status"],
        entry["contractType"],
    )


def _contract_or_unreadable(entry: dict[str, Any]) -> Contract:
    try:
        return _contract(entry)
    except _ERRORS_OF_FORM as error:
        logger.warning("A contract of the exchange can't be read: %r: %s", error, _told(entry))
        name = entry.get("symbol") if isinstance(entry, dict) else None
        return Contract(str(name), Decimal(0), UNREADABLE, "")


def _number(text: str) -> float:
    value = float(text)
    if not (value >= 0 and math.isfinite(value)):
        raise ValueError(f"{text!r} is not a number from 0")
    return value


def _price(text: str) -> float:
    value = _number(text)
    if value == 0:
        raise ValueError("a price of 0")
    return value


def _instant(value: Any) -> int:
    if not (isinstance(value, int) and _FIRST_INSTANT <= value < _LAST_INSTANT):
        raise ValueError(f"{value!r} is not an instant in milliseconds")
    return value


def _read(response: httpx.Response) -> bytes:
    """The whole answer. Raises _Endless where it is larger or takes longer than any should."""
    body, began = bytearray(), time.monotonic()
    for piece in response.iter_bytes(_PIECE_BYTES):
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            raise _Endless(f"more than {MAX_ANSWER_BYTES:,} bytes came")
        if time.monotonic() - began > _LONGEST_ANSWER_SECONDS:
            raise _Endless(f"the answer had not ended after {_LONGEST_ANSWER_SECONDS:.0f} s")
    return bytes(body)


def _error_of(response: httpx.Response, body: bytes) -> tuple[int | None, str]:
    """Code and message of the exchange's own errors; no code where it is not one of them."""
    try:
        answer = orjson.loads(body)
        return int(answer["code"]), str(answer["msg"])[:300]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None, response.reason_phrase


def _retry_after(response: httpx.Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else None
