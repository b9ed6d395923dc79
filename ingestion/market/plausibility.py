"""Which figures can be true: one set of bounds for the archive, REST and the stream. Pure.

The bounds are far beyond any contract that was ever listed: what lies outside is a fault of the
source and not a market. Open interest has a rule of its own, because the archive holds thousands of
rows of 0 between good ones (2,329 in ten symbols, in runs of 1 to 116 rows).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from liqheat_project.kernel.instants import DAY_MS, HOUR_MS, MINUTE_MS

MAX_PRICE = 1e12
"""USDT. The dearest contract ever listed stayed below 1e6."""

MAX_QUANTITY = 1e18
"""Contracts or USDT of one row: trades, volumes, open interest."""

MAX_CANDLE_SPREAD = 1e6
"""A candle whose high is so many times its low is none."""

MAX_PRICE_FACTOR = 10.0
"""How far from the median of its neighbours a price may lie unless the volume confirms it."""

MAX_AHEAD_MS = MINUTE_MS
"""How far in the future an instant may lie, for clocks that differ."""

FALL, JUMP = 0.1, 20.0
"""Open interest that falls below this share, or jumps above this multiple, of the figure before."""

PATIENCE_MS = 12 * HOUR_MS
"""Open interest at a new level for so long is believed: the longest run of false figures that is
known took 9 h 40 min (2022-03-07, 116 rows)."""

LOOK_BACK_MS = 3 * DAY_MS
"""A level that ends within this time by coming back to the one before was false, however long it
took: a whole file may be wrong."""

IS_ZERO = "the open interest is 0"
STAYS_ZERO = (
    "the open interest is 0 for 12 hours or longer and up to the newest figure: the contract was "
    "settled, or the source has no figures of it"
)
COMES_BACK = "the open interest falls or jumps and comes back: it can't be true"
NO_NEIGHBOUR = "the open interest is far from the figures before and after it"
WAITS = (
    "the open interest falls by more than 90 % or jumps more than 20-fold: it waits for the "
    "figures after it"
)

_Level = np.ndarray  # positions of figures in a row without a fall or a jump between them
_VALUE_AGREES = 5.0
_BACK = 2.0
_FEW, _MANY = 12, 600


def price_fault(*prices: float) -> str:
    """Why these prices (USDT) can't be, or nothing."""
    if not all(math.isfinite(price) and price > 0 for price in prices):
        return "a price is not a positive number"
    if max(prices) > MAX_PRICE:
        return f"a price is above {MAX_PRICE:.0e} USDT"
    return ""


def quantity_fault(*quantities: float) -> str:
    """Why these quantities, in contracts or USDT, can't be, or nothing."""
    if not all(math.isfinite(quantity) and quantity >= 0 for quantity in quantities):
        return "a quantity is not a number from 0"
    return f"a quantity is above {MAX_QUANTITY:.0e}" if max(quantities) > MAX_QUANTITY else ""


def instant_fault(instant_ms: int, now_ms: int) -> str:
    """Why an instant can't be, or nothing."""
    if instant_ms <= now_ms + MAX_AHEAD_MS:
        return ""
    return "its time lies in the future"


def is_near(price: float, other: float) -> bool:
    """Whether two prices are within MAX_PRICE_FACTOR of each other."""
    return other / MAX_PRICE_FACTOR <= price <= other * MAX_PRICE_FACTOR


def candle_fault(
    prices: Sequence[float], volume: float, quote_volume: float, median: float | None
) -> str:
    """Why a candle can't be, or nothing. `prices` are open, high, low and close, `median` a price
    of its neighbours where there are any."""
    fault = price_fault(*prices) or quantity_fault(volume, quote_volume)
    if fault:
        return fault
    _, high, low, _ = prices
    if low > min(prices) or high < max(prices):
        return "low, open, close and high contradict each other"
    if high >= MAX_CANDLE_SPREAD * low:
        return "its high is a million times its low or more"
    if median is None or all(is_near(price, median) for price in (low, high)):
        return ""
    traded = quote_volume / volume if volume > 0 else math.nan
    if not is_near(traded, median) and is_near(low, traded) and is_near(high, traded):
        return ""
    return "a price is more than 10 times, or less than a tenth of, those around it"


def judge_open_interest(times: np.ndarray, contracts: np.ndarray, values: np.ndarray) -> list[str]:
    """For each figure why it can't be true, or nothing; WAITS where only later ones will tell.

    `times` (int64 ms) ascend; `contracts` and `values` (USDT, NaN where unknown) are float64. A
    figure is false when it is 0, or when it leaves the level before it (FALL, JUMP) and a later one
    comes back within LOOK_BACK_MS. One that does not come back is believed when its value in USDT
    stayed for an hour (a contract was redenominated) or when it has lasted for PATIENCE_MS.
    """
    reasons = [""] * len(times)
    _judge_zeros(times, contracts, reasons)
    levels = _levels(contracts, np.flatnonzero(contracts > 0))
    starts = np.array([level[0] for level in levels], dtype=np.int64)
    believed: np.ndarray | None = None
    for place, level in enumerate(levels):
        true = level
        if believed is None:
            reason = _first_fault(level, levels[place + 1 : place + 1 + _MANY], times, contracts)
        elif back := _way_back(level, believed, times, contracts):
            for position in level[:back]:
                reasons[position] = COMES_BACK
            reason, true = "", level[back:]
        else:
            reason = _fault(level, starts[place + 1 :], believed, times, contracts, values)
        for position in true:
            reasons[position] = reason
        if not reason:
            joined = true if believed is None else np.concatenate([believed, true])
            believed = joined[times[joined] > times[joined[-1]] - HOUR_MS]
    return reasons


def _judge_zeros(times: np.ndarray, contracts: np.ndarray, reasons: list[str]) -> None:
    zeros = np.flatnonzero(~(contracts > 0))
    for position in zeros:
        reasons[position] = IS_ZERO
    good = np.flatnonzero(contracts > 0)
    last = zeros[zeros > (good[-1] if good.size else -1)]
    if last.size and times[last[-1]] - times[last[0]] >= PATIENCE_MS:
        for position in last:
            reasons[position] = STAYS_ZERO


def _levels(contracts: np.ndarray, positive: np.ndarray) -> list[_Level]:
    if not positive.size:
        return []
    ratios = contracts[positive[1:]] / contracts[positive[:-1]]
    breaks = np.flatnonzero(~((ratios >= FALL) & (ratios <= 1 / FALL))) + 1
    return np.split(positive, breaks)


def _first_fault(
    level: _Level, later: Sequence[_Level], times: np.ndarray, contracts: np.ndarray
) -> str:
    """Of the first level there is nothing to compare with but what follows."""
    last = contracts[level[-1]]
    if (
        not later
        or _lasted(level, times) >= PATIENCE_MS
        or any(_agree(last, contracts[other[0]]) for other in later)
    ):
        return ""
    short = len(level) < _FEW
    doubted = any(
        len(level) < len(other) and (short or contracts[other[0]] > last) for other in later
    )
    return NO_NEIGHBOUR if doubted else ""


def _way_back(level: _Level, believed: np.ndarray, times: np.ndarray, contracts: np.ndarray) -> int:
    """How many figures of a level stand before it has come back in small steps; 0 if it has not."""
    newest, usual = contracts[believed[-1]], float(np.median(contracts[believed]))
    if any(_agree(one, contracts[level[0]]) for one in (newest, usual)):
        return 0
    ratios = contracts[level] / usual
    soon = times[level] <= times[level[0]] + PATIENCE_MS
    back = np.flatnonzero(soon & (ratios >= 1 / _BACK) & (ratios <= _BACK))
    return int(back[0]) if back.size else 0


def _fault(
    level: _Level,
    later: np.ndarray,
    believed: np.ndarray,
    times: np.ndarray,
    contracts: np.ndarray,
    values: np.ndarray,
) -> str:
    """`later` are the positions at which later levels start."""
    known = (contracts[believed[-1]], float(np.median(contracts[believed])))
    first = level[0]
    if any(_agree(one, contracts[first]) for one in known):
        return ""
    soon = later[: np.searchsorted(times[later], times[first] + LOOK_BACK_MS, side="right")]
    if any(np.any(_agree(one, contracts[soon])) for one in known):
        return COMES_BACK
    lasted = _lasted(level, times)
    if lasted >= PATIENCE_MS:
        return ""
    # A figure may be false beside a good value; several in an hour are a redenomination.
    if lasted >= HOUR_MS and _same_value(values[believed[-1]], values[first]):
        return ""
    return NO_NEIGHBOUR if later.size else WAITS


def _agree(before: float, after: Any) -> Any:
    return (FALL * before <= after) & (after <= JUMP * before)


def _same_value(before: float, after: float) -> bool:
    return bool(before > 0 and before / _VALUE_AGREES < after < before * _VALUE_AGREES)


def _lasted(level: _Level, times: np.ndarray) -> int:
    return int(times[level[-1]] - times[level[0]])
