"""What a synthetic market is made of: the instruments it knows and the habits of its traders."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

DEFAULT_LEVERAGE_WEIGHTS: Mapping[int, float] = MappingProxyType(
    {5: 0.15, 10: 0.30, 25: 0.25, 50: 0.20, 100: 0.10}
)


@dataclass(frozen=True)
class Instrument:
    """A USD-M perpetual: prices are whole ticks, quantities whole lots, of a power of ten each."""

    symbol: str
    start_price: float
    price_decimals: int
    quantity_decimals: int

    @property
    def ticks_per_usdt(self) -> int:
        return 10**self.price_decimals

    @property
    def lots_per_contract(self) -> int:
        return 10**self.quantity_decimals


INSTRUMENTS = {
    "BTCUSDT": Instrument("BTCUSDT", 95_000.0, price_decimals=1, quantity_decimals=3),
    "ETHUSDT": Instrument("ETHUSDT", 3_300.0, price_decimals=2, quantity_decimals=3),
}


@dataclass(frozen=True)
class MarketParameters:
    """The habits of a synthetic market; the defaults resemble BTCUSDT of 2026 at a smaller scale.

    Positions are held for a lognormal time, by default 13 minutes to a week for nine of ten and
    weeks for some. `stop_loss_share` of the traders leave at a stop, anywhere on the way from their
    entry to their liquidation. `hedged_share` of them hold the opposite position at another venue:
    they count in open interest and volume, use no leverage and are never liquidated.
    `takeover_share` of the contracts that a leaving trader gives up go to a new trader of the same
    side (open interest stays), the rest to leaving traders of the other side (it falls).
    `warm_up_days` pass before the first day of the archive, so that it begins, as a real one does,
    with positions whose opening it does not contain; 0 begins with an empty book.
    `largest_position_usdt` bounds what a pair opens, so that positions stay, also at their
    liquidation price and after a takeover at another price, in the first maintenance bracket of
    BTCUSDT and ETHUSDT in force since 2025-08-19: `maintenance_margin_rate` up to 300,000 USDT.
    """

    trades_per_day: int = 40_000
    openings_per_day: float = 1_000
    leverage_weights: Mapping[int, float] = field(default_factory=lambda: DEFAULT_LEVERAGE_WEIGHTS)
    median_position_usdt: float = 20_000.0
    largest_position_usdt: float = 200_000.0
    median_lifetime_hours: float = 6.0
    lifetime_spread: float = 2.0
    stop_loss_share: float = 0.7
    hedged_share: float = 0.25
    takeover_share: float = 0.85
    daily_volatility: float = 0.022
    jumps_per_day: float = 3.0
    warm_up_days: int = 7
    maintenance_margin_rate: float = 0.004

    def __post_init__(self) -> None:
        if self.trades_per_day < 1 or self.openings_per_day <= 0:
            raise ValueError("trades_per_day and openings_per_day must be positive")
        if self.warm_up_days < 0:
            raise ValueError(f"warm_up_days must not be negative, got {self.warm_up_days}")
        for name in ("takeover_share", "stop_loss_share", "hedged_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        highest = 1 / self.maintenance_margin_rate
        if not all(1 <= leverage < highest for leverage in self.leverage_weights):
            raise ValueError(f"every leverage must lie in [1, {highest:g})")
