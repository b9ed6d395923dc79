"""The sequential core: consume, open, close, one candle after the other, one side at a time.

Works on keys: the liquidation price for longs, its negative for shorts. For both sides the
position with the highest key is liquidated first, when the key of the price falls to it.

Pro-rata closing is one scale factor for the side: a cohort holds contracts / scale, so nothing
is touched when positions close. What cohorts hold together, on a place or in a bin, is a sum that
only grows; where some were liquidated it is summed again from the survivors, never subtracted
from, so rounding can't pile up.
"""

from typing import NamedTuple

import numpy as np

from heatmap.engine.kernel import kernel
from heatmap.engine.ladder import bin_of, place_of
from heatmap.engine.market import FloatArray, IntArray

# Prices closer than this (relative) touch: decimal prices are not exact in binary, and a touch must
# not depend on the last bit.
TOUCH_TOLERANCE = 1e-12
SMALLEST_SCALE = 1e-100
# Turnover closes at most this share of a side, whatever was traded since the last figure.
LARGEST_TURNOVER = 0.98

TOTAL, UNPLACED, SCALE, CREATED, CONSUMED, HIGHEST = range(6)
COHORTS, OPEN, DIRTY_LOW, DIRTY_HIGH, COLUMN = range(5)


class Path(NamedTuple):
    """Per candle: key of the extreme price, figure before it, and its change (-1: none).

    `ordered`: sweep cohorts one by one in the order of their keys, not place by place.
    """

    trigger: FloatArray
    restart: FloatArray
    change: IntArray
    ordered: bool


CHANGE = np.dtype(
    [
        ("open_interest", np.float64),
        ("turnover", np.float64),
        ("first_entry", np.int64),
        ("last_entry", np.int64),
        ("table", np.int32),
        ("placed", np.int32),
    ]
)
"""A change: open interest, contracts that turn over, its entries [first, last), its bracket table,
and whether its openings are placed."""
ENTRY = np.dtype([("price", np.float64), ("share", np.float64)])


class Openings(NamedTuple):
    """What opens at E changes, in M entries, at J leverages, on one side.

    `changes` [E] of CHANGE, their weights [E, J], `entries` [M] of ENTRY, and `terms` [N, J] of
    `margin.liquidation_terms` by bracket table, for positions of `notional` USDT.
    """

    changes: np.ndarray
    weight: FloatArray
    entries: np.ndarray
    notional: float
    terms: np.ndarray


COHORT = np.dtype(
    [
        ("key", np.float64),
        ("amount", np.float64),
        ("origin", np.int64),
        ("place", np.int32),
        ("next", np.int32),
    ]
)
"""A cohort, numbered in the order of their entries: its key; contracts / scale, 0 once liquidated;
entry * leverages + leverage, or -1 - number for a cohort of the book before; its place on the
ladder, and the next older cohort there. One that was swept with its whole place keeps its amount
until `mark_swept`."""
Cohorts = np.ndarray  # The name, as that of Ladder, is in numba's caches of older versions.


class Bins(NamedTuple):
    """Price bins from `first` on (in bin sizes), on the side +1 (longs) or -1, in USDT / scale."""

    size: float
    first: int
    side: int
    density: FloatArray


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


@kernel
def run_side(path, openings, cohorts, ladder, bins, columns, amounts, counts, start, stop):
    """Run one side over the candles [start, stop), writing columns.

    `amounts` and `counts` hold its state.
    """
    trigger, restart, change_of, ordered = path
    changes, last_candle = openings.changes, columns.last_candle
    _write_columns(start - 1, ladder, bins, columns, amounts, counts)
    for candle in range(start, stop):
        if not np.isnan(restart[candle]):
            _book(restart[candle], -1, openings, cohorts, ladder, bins, amounts, counts)
        if trigger[candle] <= amounts[HIGHEST]:
            _consume(trigger[candle], ordered, cohorts, ladder, bins, amounts, counts)
        change = change_of[candle]
        if change >= 0:
            figure = changes[change].open_interest
            _book(figure, change, openings, cohorts, ladder, bins, amounts, counts)
        if last_candle[counts[COLUMN]] == candle:
            _write_columns(candle, ladder, bins, columns, amounts, counts)


@kernel
def place_all(cohorts, ladder, bins, amounts, counts):
    """Put every cohort on its place of an empty ladder and into its bin."""
    counts[OPEN] = counts[COHORTS]
    for cohort in range(counts[COHORTS]):
        _place(cohort, cohorts, ladder, bins)
        amounts[HIGHEST] = max(amounts[HIGHEST], cohorts[cohort].key)


@kernel
def mark_swept(cohorts, ladder, counts):
    """Set the amounts of the cohorts to 0 that were liquidated with their whole place."""
    for cohort in range(counts[COHORTS]):
        place = cohorts[cohort].place
        if ladder[place].count == 0 or cohort < ladder[place].first:
            cohorts[cohort].amount = 0.0


@kernel
def forget_small(share, cohorts, ladder, bins, amounts, counts):
    """Count what holds less than `share` of the side as unplaced, and close the ranks.

    Turnover leaves ever less of a cohort and never nothing: without an end to it, a year of
    figures would be a million cohorts of nothing.
    """
    mark_swept(cohorts, ladder, counts)
    scale, least = amounts[SCALE], share * amounts[TOTAL]
    amounts[UNPLACED] *= scale
    amounts[SCALE] = 1.0
    highest, kept = -np.inf, 0
    bins.density[:] = 0.0
    for cohort in range(counts[COHORTS]):
        ladder[cohorts[cohort].place].count = 0
        amount = cohorts[cohort].amount * scale
        if amount < least:
            amounts[UNPLACED] += amount
        elif amount > 0.0:
            cohorts[kept] = cohorts[cohort]
            cohorts[kept].amount = amount
            kept += 1
            highest = max(highest, cohorts[cohort].key)
    amounts[HIGHEST] = highest
    counts[COHORTS] = counts[OPEN] = kept
    for cohort in range(kept):
        _link(cohort, cohorts, ladder, bins)


@kernel
def _consume(trigger, ordered, cohorts, ladder, bins, amounts, counts):
    price, highest = trigger * bins.side, amounts[HIGHEST] * bins.side
    last = place_of(price, bin_of(price, bins), bins)
    for place in range(place_of(highest, bin_of(highest, bins), bins), last - 1, -1):
        if ladder[place].count == 0:
            continue
        if 0 <= ladder[place].bin < len(bins.density):
            counts[DIRTY_LOW] = min(counts[DIRTY_LOW], ladder[place].bin)
            counts[DIRTY_HIGH] = max(counts[DIRTY_HIGH], ladder[place].bin)
        if ordered or place == last:
            _sweep_part(place, trigger, ordered, cohorts, ladder, bins, amounts, counts)
        else:
            counts[OPEN] -= ladder[place].count
            ladder[place].count = 0
            amounts[TOTAL] -= ladder[place].contracts * amounts[SCALE]
            amounts[CONSUMED] += ladder[place].value * amounts[SCALE]
        if counts[OPEN] == 0:
            amounts[TOTAL] = amounts[UNPLACED] * amounts[SCALE]
    amounts[HIGHEST] = trigger


@kernel
def _sweep_part(place, trigger, ordered, cohorts, ladder, bins, amounts, counts):
    """Liquidate the cohorts of a place that `trigger` reaches, and sum the others again."""
    count, contracts, value = 0, 0.0, 0.0
    taken, kept = -1, -1
    cohort = ladder[place].newest
    for _ in range(ladder[place].count):
        following = cohorts[cohort].next
        if cohorts[cohort].key < trigger:
            if kept < 0:
                ladder[place].newest = cohort
            else:
                cohorts[kept].next = cohort
            kept = cohort
            count += 1
            contracts += cohorts[cohort].amount
            value += cohorts[cohort].amount * (cohorts[cohort].key * bins.side)
        elif ordered:
            taken = _inserted(cohort, taken, cohorts)
        else:
            _liquidate(cohort, cohorts, bins, amounts)
        cohort = following
    while taken >= 0:
        _liquidate(taken, cohorts, bins, amounts)
        taken = cohorts[taken].next
    counts[OPEN] -= ladder[place].count - count
    ladder[place].count, ladder[place].contracts, ladder[place].value = count, contracts, value


@kernel
def _liquidate(cohort, cohorts, bins, amounts):
    contracts = cohorts[cohort].amount * amounts[SCALE]
    amounts[TOTAL] -= contracts
    amounts[CONSUMED] += contracts * cohorts[cohort].key * bins.side
    cohorts[cohort].amount = 0.0


@kernel
def _inserted(cohort, first, cohorts):
    """Put a cohort into a list in the order of falling keys; gives the first of it."""
    key = cohorts[cohort].key
    if first < 0 or cohorts[first].key <= key:
        cohorts[cohort].next = first
        return cohort
    before = first
    while cohorts[before].next >= 0 and cohorts[cohorts[before].next].key > key:
        before = cohorts[before].next
    cohorts[cohort].next = cohorts[before].next
    cohorts[before].next = cohort
    return first


@kernel
def _book(open_interest, change, openings, cohorts, ladder, bins, amounts, counts):
    """Bring the side's total to the figure: turn over, open the difference, or close it pro rata.

    What turns over closes pro rata and opens again at this figure's entries.
    """
    placed = change >= 0 and openings.changes[change].placed
    turnover = openings.changes[change].turnover if placed else 0.0
    total = amounts[TOTAL]
    remaining = min(total, open_interest)
    if turnover > 0.0:
        closed = turnover + max(total - open_interest, 0.0)
        remaining = min(total - min(LARGEST_TURNOVER * total, closed), open_interest)
    if remaining < total:
        amounts[SCALE] *= remaining / total
        if amounts[SCALE] < SMALLEST_SCALE:
            _renormalise(cohorts, ladder, bins, amounts, counts)
    opened = open_interest - remaining
    if opened > 0 and not placed:
        amounts[UNPLACED] += opened / amounts[SCALE]
    elif opened > 0:
        _open(opened, change, openings, cohorts, ladder, bins, amounts, counts)
    amounts[TOTAL] = open_interest


@kernel
def _renormalise(cohorts, ladder, bins, amounts, counts):
    """Bring the scale back to 1. A scale of 0, everything closed, leaves cohorts of nothing."""
    scale = amounts[SCALE]
    for cohort in range(counts[COHORTS]):
        cohorts[cohort].amount *= scale
    for place in range(len(ladder)):
        ladder[place].contracts *= scale
        ladder[place].value *= scale
    bins.density[:] *= scale
    amounts[UNPLACED] *= scale
    amounts[SCALE] = 1.0


@kernel
def _open(opened, change, openings, cohorts, ladder, bins, amounts, counts):
    row, leverages = openings.changes[change], openings.weight.shape[1]
    created, highest, cohort = amounts[CREATED], amounts[HIGHEST], counts[COHORTS]
    for entry in range(row.first_entry, row.last_entry):
        price, share = openings.entries[entry].price, openings.entries[entry].share
        quantity = openings.notional / price
        for number in range(leverages):
            contracts = opened * (openings.weight[change, number] * share)
            if contracts > 0:
                created += contracts * price
                terms = openings.terms[row.table, number]
                level = (price * terms.free - terms.cum / quantity) / terms.kept
                cohorts[cohort].key = bins.side * level
                cohorts[cohort].amount = contracts / amounts[SCALE]
                cohorts[cohort].origin = entry * leverages + number
                _place(cohort, cohorts, ladder, bins)
                highest = max(highest, cohorts[cohort].key)
                cohort += 1
    counts[OPEN] += cohort - counts[COHORTS]
    counts[COHORTS] = cohort
    amounts[CREATED], amounts[HIGHEST] = created, highest


@kernel
def _place(cohort, cohorts, ladder, bins):
    price = cohorts[cohort].key * bins.side
    bin_ = bin_of(price, bins)
    place = place_of(price, bin_, bins)
    cohorts[cohort].place, ladder[place].bin = place, bin_
    _link(cohort, cohorts, ladder, bins)


@kernel
def _link(cohort, cohorts, ladder, bins):
    """Add a cohort to its place and to its bin."""
    key, amount, place = cohorts[cohort].key, cohorts[cohort].amount, cohorts[cohort].place
    value = amount * (key * bins.side)
    if ladder[place].count == 0:
        ladder[place].first = cohort
        ladder[place].contracts, ladder[place].value = amount, value
    else:
        cohorts[cohort].next = ladder[place].newest
        ladder[place].contracts += amount
        ladder[place].value += value
    ladder[place].newest = cohort
    ladder[place].count += 1
    if 0 <= ladder[place].bin < len(bins.density):
        bins.density[ladder[place].bin] += value


@kernel
def _write_columns(candle, ladder, bins, columns, amounts, counts):
    while columns.last_candle[counts[COLUMN]] == candle:
        _write_column(ladder, bins, columns, counts[COLUMN], amounts, counts)
        counts[COLUMN] += 1


@kernel
def _write_column(ladder, bins, columns, column, amounts, counts):
    _sum_again(counts[DIRTY_LOW], counts[DIRTY_HIGH], ladder, bins)
    counts[DIRTY_LOW], counts[DIRTY_HIGH] = len(bins.density), -1
    scale = amounts[SCALE]
    for position in range(len(bins.density)):
        columns.density[column, position] = bins.density[position] * scale
    columns.created[column], columns.consumed[column] = amounts[CREATED], amounts[CONSUMED]
    amounts[CREATED], amounts[CONSUMED] = 0.0, 0.0
    columns.total[column] = amounts[TOTAL]
    columns.unplaced[column] = amounts[UNPLACED] * scale


@kernel
def _sum_again(low, high, ladder, bins):
    """Sum the bins `low` to `high` from what is left on their places."""
    if low > high:
        return
    bins.density[low : high + 1] = 0.0
    # A little wider than the bins, because of the tolerance at their edges.
    ends = (
        place_of((bins.first + low - 0.5) * bins.size, low - 1, bins),
        place_of((bins.first + high + 1.5) * bins.size, high + 1, bins),
    )
    for place in range(min(ends), max(ends) + 1):
        if ladder[place].count > 0 and low <= ladder[place].bin <= high:
            bins.density[ladder[place].bin] += ladder[place].value
