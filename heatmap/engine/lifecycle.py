"""The sequential core: consume, open, close, one candle after the other, one side at a time.

Works on keys: the liquidation price for longs, its negative for shorts. For both sides the
position with the highest key is liquidated first, when the key of the price falls to it.

Pro-rata closing is one scale factor for the side: a cohort holds contracts / scale, so nothing
is touched when positions close. Density per bin is a sum over the cohorts in it; a bin that lost
some is summed again from its survivors, never subtracted from, so rounding can't pile up.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from heatmap.engine.ladder import put, step_of, swept
from heatmap.engine.margin import liquidation_price_of
from heatmap.engine.market import BoolArray, FloatArray, IntArray

# Prices closer than this (relative) touch, and levels closer than this (in bins) to an edge lie
# on it: decimal prices are not exact in binary, and a touch must not depend on the last bit.
TOUCH_TOLERANCE = 1e-12
EDGE_TOLERANCE = 1e-9
SMALLEST_SCALE = 1e-100
# Turnover closes at most this share of a side, whatever was traded since the last figure.
LARGEST_TURNOVER = 0.98

# Calls of compiled functions copy the description of every array; the smallest ones are inlined.
TOTAL, UNPLACED, SCALE, CREATED, CONSUMED = range(5)
COHORTS, OPEN, TOP, DIRTY_LOW, DIRTY_HIGH, COLUMN = range(6)


class Path(NamedTuple):
    """Per candle: key of the extreme price, figure before it, and its change (-1: none)."""

    trigger: FloatArray
    restart: FloatArray
    change: IntArray


class Openings(NamedTuple):
    """What opens at E changes, in M entries, at J leverages, on one side.

    Per change: open interest, contracts that turn over, whether openings are placed, the offsets
    of its entries, leverages and weights [E, J], and its bracket table. Per entry: price and share.
    `notional` of a typical position in USDT; floors, rates and cums of the tables [N, B].
    """

    open_interest: FloatArray
    turnover: FloatArray
    placed: BoolArray
    offsets: IntArray
    leverage: FloatArray
    weight: FloatArray
    table: IntArray
    entry_price: FloatArray
    share: FloatArray
    notional: float
    floors: FloatArray
    rates: FloatArray
    cums: FloatArray


class Cohorts(NamedTuple):
    """Cohorts by number, in the order of their entries.

    `amount` is contracts / scale, 0 once liquidated; `origin` is entry * leverages + leverage, or
    -1 - number for a cohort of the book before; `next_in_bin` links the cohorts of a bin.
    """

    key: FloatArray
    amount: FloatArray
    origin: IntArray
    next_in_bin: np.ndarray


class Bins(NamedTuple):
    """Price bins from `first` on (in bin sizes): USDT / scale, and each bin's newest cohort."""

    size: float
    first: int
    side: float
    density: FloatArray
    newest: np.ndarray


class Columns(NamedTuple):
    """Per column: the last candle in it, and what is written: USDT, total and unplaced contracts.

    `density` is [columns, bins]; `created` and `consumed` cover the time since the column before.
    """

    last_candle: IntArray
    density: np.ndarray
    created: FloatArray
    consumed: FloatArray
    total: FloatArray
    unplaced: FloatArray


@njit(cache=True, nogil=True)
def run_side(path, openings, cohorts, ladder, bins, columns, amounts, counts, start, stop):
    """Run one side over the candles [start, stop), writing columns.

    `amounts` and `counts` hold its state.
    """
    _write_columns(start - 1, cohorts, bins, columns, amounts, counts)
    for candle in range(start, stop):
        if not np.isnan(path.restart[candle]):
            _book(path.restart[candle], -1, openings, cohorts, ladder, bins, amounts, counts)
        _consume(path.trigger[candle], cohorts, ladder, bins, amounts, counts)
        change = path.change[candle]
        if change >= 0:
            figure = openings.open_interest[change]
            _book(figure, change, openings, cohorts, ladder, bins, amounts, counts)
        _write_columns(candle, cohorts, bins, columns, amounts, counts)


@njit(cache=True, nogil=True)
def link_all(cohorts, ladder, bins, counts):
    """Put every cohort on its step of the ladder and into its bin."""
    counts[OPEN], counts[TOP] = 0, -1
    ladder.newest[:] = -1
    bins.density[:], bins.newest[:] = 0.0, -1
    for cohort in range(counts[COHORTS]):
        _link(cohort, cohorts, ladder, bins, counts)


@njit(cache=True, nogil=True)
def forget_small(share, cohorts, ladder, bins, amounts, counts):
    """Count what holds less than `share` of the side as unplaced, and close the ranks.

    Turnover leaves ever less of a cohort and never nothing: without an end to it, a year of
    figures would be a million cohorts of nothing.
    """
    least = share * amounts[TOTAL] / amounts[SCALE]
    kept = 0
    for cohort in range(counts[COHORTS]):
        amount = cohorts.amount[cohort]
        if amount < least:
            amounts[UNPLACED] += amount
        elif amount > 0.0:
            cohorts.key[kept], cohorts.amount[kept] = cohorts.key[cohort], amount
            cohorts.origin[kept] = cohorts.origin[cohort]
            kept += 1
    counts[COHORTS] = kept
    _renormalise(cohorts, bins, amounts, counts)
    link_all(cohorts, ladder, bins, counts)


@njit(cache=True, nogil=True)
def _consume(trigger, cohorts, ladder, bins, amounts, counts):
    if counts[TOP] < 0:
        return
    last = step_of(trigger)
    for step in range(counts[TOP], last - 1, -1):
        cohort = swept(step, trigger, cohorts.key, ladder)
        while cohort >= 0:
            _liquidate(cohort, cohorts, bins, amounts, counts)
            cohort = ladder.next[cohort]
    counts[TOP] = min(counts[TOP], last)


@njit(cache=True, nogil=True, inline="always")
def _liquidate(cohort, cohorts, bins, amounts, counts):
    contracts = cohorts.amount[cohort] * amounts[SCALE]
    amounts[TOTAL] -= contracts
    amounts[CONSUMED] += contracts * cohorts.key[cohort] * bins.side
    cohorts.amount[cohort] = 0.0
    position = _bin_of(cohorts.key[cohort], bins)
    if 0 <= position < len(bins.newest):
        counts[DIRTY_LOW] = min(counts[DIRTY_LOW], position)
        counts[DIRTY_HIGH] = max(counts[DIRTY_HIGH], position)
    counts[OPEN] -= 1
    if counts[OPEN] == 0:
        amounts[TOTAL] = amounts[UNPLACED] * amounts[SCALE]


@njit(cache=True, nogil=True)
def _book(open_interest, change, openings, cohorts, ladder, bins, amounts, counts):
    """Bring the side's total to the figure: turn over, open the difference, or close it pro rata.

    What turns over closes pro rata and opens again at this figure's entries.
    """
    placed = change >= 0 and openings.placed[change]
    opened = open_interest - amounts[TOTAL]
    if placed and openings.turnover[change] > 0.0 and amounts[TOTAL] > 0.0:
        net_closed = max(-opened, 0.0)
        closed = min(LARGEST_TURNOVER * amounts[TOTAL], openings.turnover[change] + net_closed)
        remaining = min(amounts[TOTAL] - closed, open_interest)
        _close(remaining / amounts[TOTAL], cohorts, bins, amounts, counts)
        opened = open_interest - remaining
    elif opened < 0:
        _close(open_interest / amounts[TOTAL], cohorts, bins, amounts, counts)
    if opened > 0 and not placed:
        amounts[UNPLACED] += opened / amounts[SCALE]
    elif opened > 0:
        _open(opened, change, openings, cohorts, ladder, bins, amounts, counts)
    amounts[TOTAL] = open_interest


@njit(cache=True, nogil=True, inline="always")
def _close(remaining_share, cohorts, bins, amounts, counts):
    amounts[SCALE] *= remaining_share
    if amounts[SCALE] < SMALLEST_SCALE:
        _renormalise(cohorts, bins, amounts, counts)


@njit(cache=True, nogil=True)
def _open(opened, change, openings, cohorts, ladder, bins, amounts, counts):
    table = openings.table[change]
    floors, rates, cums = openings.floors[table], openings.rates[table], openings.cums[table]
    leverages, weights = openings.leverage[change], openings.weight[change]
    side, scale, created = bins.side, amounts[SCALE], amounts[CREATED]
    for entry in range(openings.offsets[change], openings.offsets[change + 1]):
        price, share = openings.entry_price[entry], openings.share[entry]
        quantity = openings.notional / price
        for number in range(len(weights)):
            weight = weights[number] * share
            contracts = opened * weight
            if contracts > 0:
                created += contracts * price
                cohort = counts[COHORTS]
                cohorts.key[cohort] = side * liquidation_price_of(
                    price, leverages[number], side, quantity, floors, rates, cums
                )
                cohorts.amount[cohort] = contracts / scale
                cohorts.origin[cohort] = entry * len(weights) + number
                counts[COHORTS] += 1
                _link(cohort, cohorts, ladder, bins, counts)
    amounts[CREATED] = created


@njit(cache=True, nogil=True)
def _renormalise(cohorts, bins, amounts, counts):
    """Bring the scale back to 1. A scale of 0, everything closed, leaves cohorts of nothing."""
    scale = amounts[SCALE]
    for cohort in range(counts[COHORTS]):
        cohorts.amount[cohort] *= scale
    bins.density[:] *= scale
    amounts[UNPLACED] *= scale
    amounts[SCALE] = 1.0


@njit(cache=True, nogil=True, inline="always")
def _bin_of(key, bins):
    return int(np.floor(key * bins.side / bins.size + EDGE_TOLERANCE)) - bins.first


@njit(cache=True, nogil=True, inline="always")
def _link(cohort, cohorts, ladder, bins, counts):
    counts[TOP] = max(counts[TOP], put(cohort, cohorts.key[cohort], ladder))
    counts[OPEN] += 1
    position = _bin_of(cohorts.key[cohort], bins)
    if 0 <= position < len(bins.newest):
        cohorts.next_in_bin[cohort] = bins.newest[position]
        bins.newest[position] = cohort
        bins.density[position] += cohorts.amount[cohort] * cohorts.key[cohort] * bins.side


@njit(cache=True, nogil=True)
def _write_columns(candle, cohorts, bins, columns, amounts, counts):
    while (
        counts[COLUMN] < len(columns.last_candle) and columns.last_candle[counts[COLUMN]] == candle
    ):
        _write_column(cohorts, bins, columns, counts[COLUMN], amounts, counts)
        counts[COLUMN] += 1


@njit(cache=True, nogil=True)
def _write_column(cohorts, bins, columns, column, amounts, counts):
    for position in range(counts[DIRTY_LOW], counts[DIRTY_HIGH] + 1):
        _sum_again(cohorts, bins, position)
    counts[DIRTY_LOW], counts[DIRTY_HIGH] = len(bins.newest), -1
    scale = amounts[SCALE]
    for position in range(len(bins.newest)):
        columns.density[column, position] = bins.density[position] * scale
    columns.created[column], columns.consumed[column] = amounts[CREATED], amounts[CONSUMED]
    amounts[CREATED], amounts[CONSUMED] = 0.0, 0.0
    columns.total[column] = amounts[TOTAL]
    columns.unplaced[column] = amounts[UNPLACED] * scale


@njit(cache=True, nogil=True)
def _sum_again(cohorts, bins, position):
    """Sum a bin from the cohorts that are left, and unlink those that are gone."""
    density, kept = 0.0, -1
    cohort = bins.newest[position]
    bins.newest[position] = -1
    while cohort >= 0:
        following = cohorts.next_in_bin[cohort]
        if cohorts.amount[cohort] > 0.0:
            density += cohorts.amount[cohort] * cohorts.key[cohort] * bins.side
            if kept < 0:
                bins.newest[position] = cohort
            else:
                cohorts.next_in_bin[kept] = cohort
            kept = cohort
        cohort = following
    if kept >= 0:
        cohorts.next_in_bin[kept] = -1
    bins.density[position] = density
