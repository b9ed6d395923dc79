"""Maintenance margin brackets and the liquidation price of isolated margin.

Source: Binance FAQ b3c689c1f50a44cabb3a84e663b81d93, "How to calculate liquidation price of
USD-M futures contracts".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from heatmap.engine.market import FloatArray, IntArray

LONG, SHORT = 1, -1
TERMS = np.dtype([("free", np.float64), ("cum", np.float64), ("kept", np.float64)])


@dataclass(frozen=True)
class BracketTable:
    """A symbol's maintenance margin brackets, in force from `valid_from` (int64 ms UTC) on.

    One value per bracket, by rising notional: `floors` and `caps` in USDT (a notional is in the
    bracket where floor < notional <= cap), `maintenance_margin_rates` as a fraction, `cums` the
    maintenance amounts in USDT, `max_leverages`. Beyond the last cap the last bracket holds.

    Raises ValueError where lengths differ or values can't be brackets.
    """

    valid_from: int
    floors: FloatArray
    caps: FloatArray
    maintenance_margin_rates: FloatArray
    cums: FloatArray
    max_leverages: FloatArray

    def __post_init__(self) -> None:
        names = ("floors", "caps", "maintenance_margin_rates", "cums", "max_leverages")
        for name in names:
            object.__setattr__(self, name, np.array(getattr(self, name), dtype=np.float64))
        if len({len(getattr(self, name)) for name in names}) != 1 or len(self.floors) == 0:
            raise ValueError("a bracket table needs one value of each kind per bracket")
        if self.floors[0] != 0 or np.any(np.diff(self.floors) <= 0):
            raise ValueError("bracket floors must start at 0 and rise")
        if np.any(self.maintenance_margin_rates < 0) or np.any(self.maintenance_margin_rates >= 1):
            raise ValueError("maintenance margin rates must lie in [0, 1)")
        if np.any(self.max_leverages < 1):
            raise ValueError("maximum leverages must be 1 or more")

    def continuity_errors(self, tolerance: float = 1e-6) -> NDArray[np.int64]:
        """Positions of the brackets where the maintenance margin would jump.

        Checks cap_(n-1) = floor_n and cum_n = cum_(n-1) + floor_n (MMR_n - MMR_(n-1)), cum_0 = 0,
        to `tolerance` relative (at least `tolerance` USDT).
        """
        rates, cums = self.maintenance_margin_rates, self.cums
        expected = np.concatenate(([0.0], cums[:-1] + self.floors[1:] * np.diff(rates)))
        previous_cap = np.concatenate(([0.0], self.caps[:-1]))
        wrong = np.abs(cums - expected) > tolerance * np.maximum(1.0, np.abs(expected))
        wrong |= np.abs(self.floors - previous_cap) > tolerance * np.maximum(1.0, previous_cap)
        return np.flatnonzero(wrong)

    def max_leverage_at(self, notional: float) -> float:
        """The highest leverage allowed to a position of that notional in USDT."""
        bracket = max(int(np.searchsorted(self.floors, notional, side="left")) - 1, 0)
        return float(self.max_leverages[bracket])


def brackets_in_force(brackets: Sequence[BracketTable], times: IntArray) -> NDArray[np.int64]:
    """Positions in `brackets` of the table in force at each of `times` (int64 ms UTC).

    Before the first table the first one holds: the earliest that is known.
    Raises ValueError where there is no table or their dates do not ascend.
    """
    if not brackets:
        raise ValueError("the engine needs at least one bracket table")
    dates = np.array([table.valid_from for table in brackets], dtype=np.int64)
    if np.any(np.diff(dates) <= 0):
        raise ValueError("bracket tables must be ordered by valid_from, without doubles")
    return np.maximum(np.searchsorted(dates, times, side="right") - 1, 0)


def liquidation_price(
    entry_price: ArrayLike,
    leverage: ArrayLike,
    side: ArrayLike,
    quantity: ArrayLike,
    brackets: BracketTable,
) -> FloatArray:
    """The mark price at which an isolated position is liquidated, in USDT.

    `entry_price` in USDT, `side` +1 for longs and -1 for shorts, `quantity` in contracts; all
    broadcast against each other. With the bracket's maintenance margin rate MMR and amount cum:

        long   (EP (1 - 1/L) - cum/Q) / (1 - MMR)
        short  (EP (1 + 1/L) + cum/Q) / (1 + MMR)

    The bracket is that of the notional at the liquidation price. Zero or less means that a long
    can't be liquidated (leverage 1).
    """
    arrays = np.broadcast_arrays(entry_price, leverage, side, quantity)
    shape = arrays[0].shape
    entries, leverages, sides, quantities = (
        np.array(array, dtype=np.float64).ravel() for array in arrays
    )
    rates, cums = brackets.maintenance_margin_rates, brackets.cums
    prices = _liquidation_prices(
        entries, leverages, sides, quantities, brackets.floors, rates, cums
    )
    return np.asarray(prices).reshape(shape)


def liquidation_terms(
    leverage: FloatArray, side: int, notional: float, brackets: Sequence[BracketTable]
) -> NDArray:
    """What `liquidation_price` makes of positions of `notional` USDT at entry, at any entry price.

    `leverage` [N, J]: J leverages for each of the N `brackets`. Gives [N, J] of TERMS:

        liquidation price = (EP free - cum / Q) / kept,    Q = notional / EP

    The bracket is the same at every entry price, because the notional at the liquidation price is.
    """
    terms = np.empty(leverage.shape, TERMS)
    terms["free"] = 1.0 - side / leverage
    for row, table in enumerate(brackets):
        at_price = liquidation_price(1.0, leverage[row], side, notional, table) * notional
        bracket = np.maximum(np.searchsorted(table.floors, at_price, side="left") - 1, 0)
        terms["cum"][row] = side * table.cums[bracket]
        terms["kept"][row] = 1.0 - side * table.maintenance_margin_rates[bracket]
    return terms


@njit(cache=True, nogil=True)
def _liquidation_prices(entries, leverages, sides, quantities, floors, rates, cums):
    prices = np.empty(len(entries))
    for i in range(len(entries)):
        prices[i] = liquidation_price_of(
            entries[i], leverages[i], sides[i], quantities[i], floors, rates, cums
        )
    return prices


@njit(cache=True, nogil=True)
def liquidation_price_of(entry, leverage, side, quantity, floors, rates, cums):
    """`liquidation_price` of one position, for compiled code."""
    margin_free = entry * (1.0 - side / leverage)
    bracket = _bracket_of(entry * quantity, floors)
    price = 0.0
    # The maintenance margin is continuous and convex, so this settles; each pass can only
    # stop or move on, and two brackets that share an edge give the same price there.
    for _ in range(len(floors) + 1):
        price = (margin_free - side * cums[bracket] / quantity) / (1.0 - side * rates[bracket])
        settled = _bracket_of(price * quantity, floors)
        if settled == bracket:
            break
        bracket = settled
    return price


@njit(cache=True, nogil=True)
def _bracket_of(notional, floors):
    bracket = 0
    while bracket + 1 < len(floors) and floors[bracket + 1] < notional:
        bracket += 1
    return bracket
