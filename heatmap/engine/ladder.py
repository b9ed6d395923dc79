"""Which open cohorts a price sweeps: cohorts by steps of their key, found without a search.

A key is a liquidation price for longs and its negative for shorts, so that for both sides the
position with the highest key is liquidated first.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

STEPS_PER_OCTAVE = 2048
"""A step is 0.03 % of the price high: few cohorts share one, and few are empty."""
LOWEST_OCTAVE, OCTAVES = -34, 64
STEPS = STEPS_PER_OCTAVE * OCTAVES


class Ladder(NamedTuple):
    """The newest cohort on each step (-1: none).

    The steps are the same for every market and time, so that nothing depends on later prices.
    `next` links the cohorts of a step, by cohort. `ordered`: sweep cohorts in the order of their
    keys, not only of their steps.
    """

    newest: np.ndarray
    next: np.ndarray
    ordered: bool


def empty_ladder(ordered: bool) -> Ladder:
    """A ladder with room for no cohort yet."""
    return Ladder(np.full(STEPS, -1, np.int32), np.empty(0, np.int32), ordered)


@njit(cache=True, nogil=True, inline="always")
def step_of(key):
    """The step of a key, from 0 up; what lies beyond the ends is on the first or the last."""
    price = abs(key)
    step = 0
    if price > 0.0:
        octave = math.log2(price) - LOWEST_OCTAVE
        step = int(min(max(octave * STEPS_PER_OCTAVE, 0.0), STEPS - 1.0))
    return step if key >= 0.0 else STEPS - 1 - step


@njit(cache=True, nogil=True, inline="always")
def put(cohort, key, ladder):
    """Put a cohort on its step; gives the step."""
    step = step_of(key)
    ladder.next[cohort] = ladder.newest[step]
    ladder.newest[step] = cohort
    return step


@njit(cache=True, nogil=True, inline="always")
def swept(step, trigger, keys, ladder):
    """Take the cohorts with a key of at least `trigger` off a step; gives the first of them, which
    `next` links, or -1."""
    taken, kept = -1, -1
    cohort = ladder.newest[step]
    while cohort >= 0:
        following = ladder.next[cohort]
        if keys[cohort] < trigger:
            ladder.next[cohort], kept = kept, cohort
        elif ladder.ordered:
            taken = _inserted(cohort, taken, keys, ladder)
        else:
            ladder.next[cohort], taken = taken, cohort
        cohort = following
    ladder.newest[step] = kept
    return taken


@njit(cache=True, nogil=True)
def _inserted(cohort, first, keys, ladder):
    if first < 0 or keys[first] <= keys[cohort]:
        ladder.next[cohort] = first
        return cohort
    before = first
    while ladder.next[before] >= 0 and keys[ladder.next[before]] > keys[cohort]:
        before = ladder.next[before]
    ladder.next[cohort] = ladder.next[before]
    ladder.next[before] = cohort
    return first
