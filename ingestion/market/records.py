"""What the exchange says about a market, one record each."""

from dataclasses import dataclass
from decimal import Decimal

UNREADABLE = "UNREADABLE"
"""The status of a contract of which the exchange's entry cannot be read."""


@dataclass(frozen=True)
class OpenInterestFigure:
    """Open interest in contracts at an instant (ms UTC), as the exchange dates it."""

    symbol: str
    time: int
    contracts: float


@dataclass(frozen=True)
class Candle:
    """A one-minute candle that opens at `open_time` (ms UTC): prices and quote volumes in USDT,
    volumes in contracts."""

    symbol: str
    open_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float
    count: int
    taker_buy_volume: float
    taker_buy_quote_volume: float


@dataclass(frozen=True)
class UnreadableCandle:
    """A row of an answer that is no candle, and why not. `near` is its own opening time (ms UTC)
    where it has one, else that of the row before it."""

    symbol: str
    near: int
    reason: str
    raw: str


@dataclass(frozen=True)
class Contract:
    """A contract that the exchange lists; `status` is TRADING, SETTLING …, or UNREADABLE."""

    symbol: str
    tick_size: Decimal
    status: str
    contract_type: str


@dataclass(frozen=True)
class Liquidation:
    """A position that the exchange closed: `side` is the position's, `quantity` what was filled
    (contracts, that is the base coin), `price` the order's limit, both prices in USDT."""

    symbol: str
    time_ms: int
    side: str
    price: float
    average_price: float
    quantity: float
