"""The cells of a picture's map: how high they are, found where neighbouring rows differ."""

import numpy as np

from validation.coinglass.reference import FloatArray

CHANGE = 0.01  # of the colour bar: less may be its colours' own noise
FEWEST_CELLS, LEAST_PIXELS = 20, 2.0
CLEAR = 1.7
"""How far a frequency must stand above the highest that changes at random rows would make."""
FUNDAMENTAL = 0.8
STEP = 0.05


def find_cells(shares: FloatArray) -> tuple[float, float] | None:
    """Where cells of equal height begin: the first border and their height, in rows of `shares`.

    `shares` [rows, columns] from 0 to 1, NaN where unknown. Borders stand where many columns change
    from one row to the next. A comb of borders has its lowest strong frequency at the number of
    cells; that is the one taken. None where no frequency stands out.
    """
    changes = np.abs(np.diff(shares, axis=0))
    known = np.isfinite(changes)
    changed = np.where(known, changes, 0.0) > CHANGE
    often = changed.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    often = often - often.mean()
    total = np.abs(often).sum()
    counts = np.arange(FEWEST_CELLS, len(shares) / LEAST_PIXELS, STEP)
    if total == 0 or not len(counts):
        return None
    borders = np.arange(1, len(shares)) / len(shares)
    waves = np.exp(-2j * np.pi * np.outer(counts, borders)) @ often
    power = np.abs(waves) / total
    effective = total**2 / (often**2).sum()
    if power.max() < CLEAR * np.sqrt(np.log(len(shares)) / effective):
        return None
    first = int(np.flatnonzero(power >= FUNDAMENTAL * power.max())[0])
    near = slice(first, first + round(1 / STEP))
    best = first + int(power[near].argmax())
    height = len(shares) / counts[best]
    begin = -np.angle(waves[best]) / (2 * np.pi) * height
    return float(begin % height), float(height)
