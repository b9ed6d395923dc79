"""A picture of the lift by distance from the price."""

import math
from typing import BinaryIO

from matplotlib.figure import Figure

from validation.backtest.run import Backtest
from validation.compare.nulls import NULL_MODELS

SIZE_INCHES, DOTS_PER_INCH = (9, 5), 120
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44")
"""Of the null models; told apart by those who do not see all colours, and by their markers."""
MARKERS = ("o", "s", "^", "D")
SPREAD = 0.6
"""How much of the room between two groups their markers take."""


def plot_lifts(found: Backtest, target: BinaryIO) -> None:
    """Write a PNG: for each group of distances the lift over each null model and its interval."""
    # A Figure of its own needs no display and no state shared between threads, unlike pyplot.
    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    axes.axhline(0, color="black", linewidth=0.8)
    groups = found.by_distance
    for number, name in enumerate(NULL_MODELS):
        shift = SPREAD * ((number + 0.5) / len(NULL_MODELS) - 0.5)
        lifts = [group.lifts[name] for group in groups]
        axes.errorbar(
            [place + shift for place in range(len(groups))],
            [lift.lift for lift in lifts],
            yerr=[
                [max(lift.lift - lift.low, 0.0) for lift in lifts],
                [max(lift.high - lift.lift, 0.0) for lift in lifts],
            ],
            fmt=MARKERS[number],
            color=COLOURS[number],
            capsize=3,
            label=f"over {name.replace('_', ' ')}",
        )
    axes.set_xticks(range(len(groups)), [_label(g.low, g.high, g.events) for g in groups])
    axes.set_xlabel("distance of the event from the last price")
    axes.set_ylabel("lift of the density percentile")
    axes.set_title(
        f"{found.symbol}: {len(found.ranked)} recorded liquidations, a lower bound of all; "
        f"levels by {found.entries}",
        fontsize=10,
    )
    axes.legend(fontsize=8)
    figure.savefig(target, format="png")


def _label(low: float, high: float, events: int) -> str:
    if math.isinf(high):
        distance = f"over {low * 100:.3g} %"
    else:
        distance = f"{low * 100:.3g} to {high * 100:.3g} %" if low else f"under {high * 100:.3g} %"
    return f"{distance}\n{events} events"
