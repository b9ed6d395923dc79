"""A picture of a calibration: what was swept and recorded, and the fit."""

from typing import BinaryIO

import numpy as np

from heatmap.models import Calibration

SIDES = ("longs", "shorts")
COLOURS = ("#228833", "#ee6677")


def plot(calibration: Calibration, target: BinaryIO) -> None:
    """Write a PNG with a panel for each side, both axes logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), dpi=110, layout="constrained")
    fits = (
        (calibration.long_scale, calibration.long_power),
        (calibration.short_scale, calibration.short_power),
    )
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for axes, name, colour, points, (scale, power) in zip(
        panels, SIDES, COLOURS, calibration.points, fits, strict=True
    ):
        swept, recorded = np.array(points, dtype=float).reshape(-1, 2).T
        axes.scatter(swept, recorded, s=8, alpha=0.5, color=colour, linewidths=0)
        if len(swept):
            line = np.geomspace(swept.min(), swept.max(), 50)
            axes.plot(line, scale * line**power, color="black", linewidth=1.2)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_title(f"{name}: {scale:.3g} x swept^{power:.2f}", fontsize=10)
        axes.set_xlabel("swept by the model, USD an hour")
    panels[0].set_ylabel("recorded, USD an hour")
    figure.suptitle(f"{calibration}: the line is the mean expected", fontsize=10)
    figure.savefig(target, format="png")
