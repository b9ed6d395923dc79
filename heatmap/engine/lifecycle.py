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

from heatmap.engine.margin import liquidation_price_of
from heatmap.engine.market import BoolArray, FloatArray, IntArray

# Prices closer than this (relative) touch, and levels closer than this (in bins) to an edge lie
# on it: decimal prices are not exact in binary, and a touch must not depend on the last bit.
TOUCH_TOLERANCE = 1e-12
EDGE_TOLERANCE = 1e-9
SMALLEST_SCALE = 1e-100
# Turnover leaves this share of a side open at the least, whatever was traded since the last figure.
LARGEST_TURNOVER = 0.98

TOTAL, UNPLACED, SCALE, CREATED, CONSUMED = range(5)
COHORTS, HEAP, DIRTY_LOW, DIRTY_HIGH = range(4)


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
    """Cohorts by number, in the order of their entries, and a heap of those still open.

    `amount` is contracts / scale, 0 once liquidated; `origin` is entry * leverages + leverage;
    `next_in_bin` links the cohorts of a bin.
    """

    key: FloatArray
    amount: FloatArray
    origin: IntArray
    next_in_bin: np.ndarray
    heap_key: FloatArray
    heap_cohort: np.ndarray


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
def run_side(path, openings, cohorts, bins, columns, amounts, counts):
    """Run one side over the path, writing columns; `amounts` and `counts` hold its state."""
    for cohort in range(counts[COHORTS]):
        _push(cohorts, counts, cohort)
        _link(cohorts, bins, cohort)
    column = 0
    while column < len(columns.last_candle) and columns.last_candle[column] < 0:
        _write_column(cohorts, bins, columns, column, amounts, counts)
        column += 1
    for candle in range(len(path.trigger)):
        if not np.isnan(path.restart[candle]):
            _book(path.restart[candle], -1, openings, cohorts, bins, amounts, counts)
        _consume(path.trigger[candle], cohorts, bins, amounts, counts)
        change = path.change[candle]
        if change >= 0:
            figure = openings.open_interest[change]
            _book(figure, change, openings, cohorts, bins, amounts, counts)
        while column < len(columns.last_candle) and columns.last_candle[column] == candle:
            _write_column(cohorts, bins, columns, column, amounts, counts)
            column += 1


@njit(cache=True, nogil=True)
def _consume(trigger, cohorts, bins, amounts, counts):
    while counts[HEAP] > 0 and cohorts.heap_key[0] >= trigger:
        cohort = _pop(cohorts, counts)
        contracts = cohorts.amount[cohort] * amounts[SCALE]
        amounts[TOTAL] -= contracts
        amounts[CONSUMED] += contracts * cohorts.key[cohort] * bins.side
        cohorts.amount[cohort] = 0.0
        position = _bin_of(cohorts.key[cohort], bins)
        if 0 <= position < len(bins.newest):
            counts[DIRTY_LOW] = min(counts[DIRTY_LOW], position)
            counts[DIRTY_HIGH] = max(counts[DIRTY_HIGH], position)
        if counts[HEAP] == 0:
            amounts[TOTAL] = amounts[UNPLACED] * amounts[SCALE]


@njit(cache=True, nogil=True)
def _book(open_interest, change, openings, cohorts, bins, amounts, counts):
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
        for entry in range(openings.offsets[change], openings.offsets[change + 1]):
            for leverage in range(openings.weight.shape[1]):
                weight = openings.weight[change, leverage] * openings.share[entry]
                contracts = opened * weight
                if contracts > 0:
                    amounts[CREATED] += contracts * openings.entry_price[entry]
                    amount = contracts / amounts[SCALE]
                    _open(change, entry, leverage, amount, openings, cohorts, bins, counts)
    amounts[TOTAL] = open_interest


@njit(cache=True, nogil=True)
def _close(remaining_share, cohorts, bins, amounts, counts):
    amounts[SCALE] *= remaining_share
    if amounts[SCALE] < SMALLEST_SCALE:
        _renormalise(cohorts, bins, amounts, counts)


@njit(cache=True, nogil=True)
def _open(change, entry, leverage, amount, openings, cohorts, bins, counts):
    cohort = counts[COHORTS]
    price, table = openings.entry_price[entry], openings.table[change]
    cohorts.key[cohort] = bins.side * liquidation_price_of(
        price,
        openings.leverage[change, leverage],
        bins.side,
        openings.notional / price,
        openings.floors[table],
        openings.rates[table],
        openings.cums[table],
    )
    cohorts.amount[cohort] = amount
    cohorts.origin[cohort] = entry * openings.weight.shape[1] + leverage
    counts[COHORTS] += 1
    _push(cohorts, counts, cohort)
    _link(cohorts, bins, cohort)


@njit(cache=True, nogil=True)
def _renormalise(cohorts, bins, amounts, counts):
    """Bring the scale back to 1. A scale of 0, everything closed, leaves cohorts of nothing."""
    scale = amounts[SCALE]
    for cohort in range(counts[COHORTS]):
        cohorts.amount[cohort] *= scale
    bins.density[:] *= scale
    amounts[UNPLACED] *= scale
    amounts[SCALE] = 1.0


@njit(cache=True, nogil=True)
def _bin_of(key, bins):
    return int(np.floor(key * bins.side / bins.size + EDGE_TOLERANCE)) - bins.first


@njit(cache=True, nogil=True)
def _link(cohorts, bins, cohort):
    position = _bin_of(cohorts.key[cohort], bins)
    if 0 <= position < len(bins.newest):
        cohorts.next_in_bin[cohort] = bins.newest[position]
        bins.newest[position] = cohort
        bins.density[position] += cohorts.amount[cohort] * cohorts.key[cohort] * bins.side


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


@njit(cache=True, nogil=True)
def _push(cohorts, counts, cohort):
    key, place = cohorts.key[cohort], counts[HEAP]
    counts[HEAP] += 1
    while place > 0:
        parent = (place - 1) >> 1
        if cohorts.heap_key[parent] >= key:
            break
        cohorts.heap_key[place] = cohorts.heap_key[parent]
        cohorts.heap_cohort[place] = cohorts.heap_cohort[parent]
        place = parent
    cohorts.heap_key[place] = key
    cohorts.heap_cohort[place] = cohort


@njit(cache=True, nogil=True)
def _pop(cohorts, counts):
    top = cohorts.heap_cohort[0]
    counts[HEAP] -= 1
    size = counts[HEAP]
    key, cohort = cohorts.heap_key[size], cohorts.heap_cohort[size]
    place = 0
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and cohorts.heap_key[child + 1] > cohorts.heap_key[child]:
            child += 1
        if cohorts.heap_key[child] <= key:
            break
        cohorts.heap_key[place] = cohorts.heap_key[child]
        cohorts.heap_cohort[place] = cohorts.heap_cohort[child]
        place = child
    cohorts.heap_key[place] = key
    cohorts.heap_cohort[place] = cohort
    return top
