"""The cells of a picture's map: how high they are, found where neighbouring rows differ."""

from dataclasses import replace

import numpy as np

from validation.coinglass.reference import FloatArray, Reference

CHANGE = 0.01  # of the colour bar: less may be its colours' own noise
FEWEST_CELLS, LEAST_PIXELS = 20, 2.0
CLEAR = 1.7
"""How far a frequency must stand above the highest that changes at random rows would make."""
FUNDAMENTAL = 0.8
STEPS = 20
"""Between one number of cells and the next: a chart's edges need not be borders."""


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
    lowest, highest = FEWEST_CELLS * STEPS, int(len(shares) / LEAST_PIXELS * STEPS)
    if total == 0 or highest <= lowest:
        return None
    # Padded with zeros the transform has steps between the whole numbers of cells.
    waves = np.fft.rfft(np.append(0.0, often), len(shares) * STEPS)[lowest:highest]
    power = np.abs(waves) / total
    effective = total**2 / (often**2).sum()
    if power.max() < CLEAR * np.sqrt(np.log(len(shares)) / effective):
        return None
    first = int(np.flatnonzero(power >= FUNDAMENTAL * power.max())[0])
    best = first + int(power[first : first + STEPS].argmax())
    height = len(shares) / (lowest + best) * STEPS
    begin = -np.angle(waves[best]) / (2 * np.pi) * height
    return float(begin % height), float(height)


def with_held_prices(reference: Reference) -> Reference:
    """A picture's map with the prices that its cells hold, not those beside which they are drawn.

    Coinglass draws N cells one above the other over the whole plot, but its price axis runs from
    the price of the first cell to that of the last, which are N - 1 steps apart; and a cell holds
    what lies between the price of the cell below and its own. So the lowest cell is drawn a whole
    cell too high and the highest where it belongs. docs/validation.md says how that was found.

    A map that is no picture, or whose cells were not seen, stays as it is.
    """
    if reference.source != "screenshot" or reference.cell_size <= reference.bin_size:
        return reference
    cell = reference.cell_size / reference.bin_size
    lowest = (reference.cell_lower - float(reference.prices[0])) / reference.bin_size
    lowest -= cell * round(lowest / cell)  # the border nearest to the plot's lower edge
    cells = round((len(reference.prices) - lowest) / cell)
    if cells < FEWEST_CELLS:
        return reference
    stretch = cells / (cells - 1)
    step = stretch * reference.cell_size
    axis_begins = float(reference.prices[0]) + lowest * reference.bin_size

    def held(drawn: FloatArray) -> FloatArray:
        return axis_begins - step + stretch * (drawn - axis_begins)

    return replace(
        reference,
        prices=held(reference.prices),
        bin_size=stretch * reference.bin_size,
        cell_lower=float(held(np.array(reference.cell_lower))),
        cell_size=step,
    )
