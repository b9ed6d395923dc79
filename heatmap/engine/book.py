"""The book of open positions at one instant: the engine's state and its checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heatmap.engine.market import FloatArray, IntArray

BOOK_VERSION = 2
NEVER = -(2**62)
COHORT_FIELDS = {
    "liquidation_price": np.float64,
    "quantity": np.float64,
    "entry_time": np.int64,
    "entry_price": np.float64,
    "leverage": np.float64,
}
PENDING_SUMS = (
    "value",
    "volume",
    "typical",
    "candles",
    "taker_buy",
    "taker_volume",
    "broken",
    "unknown_volume",
)
PENDING = (*PENDING_SUMS, "high", "low", "close")


def _empty(dtype: type) -> NDArray:
    return np.empty(0, dtype=dtype)


@dataclass(frozen=True)
class BookSide:
    """The open positions of one side, one element per cohort: an entry at one leverage.

    `liquidation_price` and `entry_price` in USDT, `quantity` in contracts, `entry_time` int64 ms
    UTC. `unplaced` contracts have no level: what was open before the history starts, and what
    was opened in a gap. `total` = sum(quantity) + unplaced.
    """

    liquidation_price: FloatArray = field(default_factory=lambda: _empty(np.float64))
    quantity: FloatArray = field(default_factory=lambda: _empty(np.float64))
    entry_time: IntArray = field(default_factory=lambda: _empty(np.int64))
    entry_price: FloatArray = field(default_factory=lambda: _empty(np.float64))
    leverage: FloatArray = field(default_factory=lambda: _empty(np.float64))
    unplaced: float = 0.0
    total: float = 0.0

    @property
    def notional(self) -> FloatArray:
        """USDT per cohort, at its liquidation price."""
        return self.quantity * self.liquidation_price


@dataclass(frozen=True)
class Book:
    """Everything the engine must remember of the past.

    `time`: end of the last candle that is in it. `open_interest`: the last figure in contracts
    (NaN before the first), valid at `figure_time`. `pending`: what the candles since
    `pending_since`, the end of the candle with that figure, add up to, for the price of the next
    entries. Right after a figure the total of each side is the open interest; until the next one
    it falls by what is consumed.
    """

    time: int = NEVER
    open_interest: float = float("nan")
    figure_time: int = NEVER
    pending_since: int = NEVER
    pending: FloatArray = field(default_factory=lambda: np.zeros(len(PENDING)))
    longs: BookSide = field(default_factory=BookSide)
    shorts: BookSide = field(default_factory=BookSide)

    @property
    def unplaced_share(self) -> float:
        """The share of open contracts, both sides together, that no level shows (0 to 1)."""
        total = self.longs.total + self.shorts.total
        return (self.longs.unplaced + self.shorts.unplaced) / total if total > 0 else 0.0

    def to_arrays(self) -> dict[str, NDArray]:
        """Plain arrays by name: np.savez(file, **book.to_arrays()) needs no pickle."""
        arrays: dict[str, NDArray] = {
            "version": np.array([BOOK_VERSION]),
            "times": np.array([self.time, self.figure_time, self.pending_since]),
            "open_interest": np.array([self.open_interest]),
            "pending": self.pending,
        }
        for name, side in (("long", self.longs), ("short", self.shorts)):
            arrays |= {f"{name}_{key}": getattr(side, key) for key in COHORT_FIELDS}
            arrays[f"{name}_amounts"] = np.array([side.unplaced, side.total])
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray]) -> "Book":
        """The book that `to_arrays` wrote. Raises ValueError for another version or shape."""
        missing = set(cls().to_arrays()) - set(arrays)
        if missing:
            raise ValueError(f"not a book: {', '.join(sorted(missing))} missing")
        version = int(arrays["version"][0])
        if version != BOOK_VERSION:
            raise ValueError(
                f"book version {version} can't be read, this engine needs {BOOK_VERSION}"
            )
        sides = []
        for name in ("long", "short"):
            cohorts: dict[str, Any] = {
                key: np.asarray(arrays[f"{name}_{key}"], dtype=dtype)
                for key, dtype in COHORT_FIELDS.items()
            }
            if len({len(array) for array in cohorts.values()}) != 1:
                raise ValueError(f"not a book: the {name} cohorts' arrays differ in length")
            unplaced, total = (float(amount) for amount in arrays[f"{name}_amounts"])
            sides.append(BookSide(**cohorts, unplaced=unplaced, total=total))
        time, figure_time, pending_since = (int(instant) for instant in arrays["times"])
        open_interest, pending = float(arrays["open_interest"][0]), np.asarray(arrays["pending"])
        return cls(time, open_interest, figure_time, pending_since, pending, *sides)
