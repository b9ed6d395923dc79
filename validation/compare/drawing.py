"""A picture of what a run compared: both maps on the same axes, and their difference."""

import os
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from django.conf import settings

from liqheat_project.kernel.instants import MINUTE_MS, instant_of
from liqheat_project.kernel.leftovers import private_name
from validation.compare.check_heatmap import Maps
from validation.compare.metrics import FloatArray
from validation.models import ValidationRun

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE_INCHES, DOTS_PER_INCH = (15, 5), 110
BRIGHTEST_QUANTILE = 0.995
"""The amount that gets the brightest colour: a single bright cell must not darken all others."""
UNKNOWN = "#9a9a9a"


def path_of(run: ValidationRun) -> Path:
    """Where the picture of a run is kept; it is there once the run has compared anything."""
    return Path(settings.VALIDATION_DIR) / "maps" / f"{run.pk}.png"


def keep(run: ValidationRun, maps: Maps) -> None:
    """Draw what a run compared and keep it as a PNG."""
    path = path_of(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{private_name()}")
    draw(maps).savefig(unfinished, format="png")
    os.replace(unfinished, path)


def draw(maps: Maps) -> "Figure":
    """Reference, ours and ours minus the reference, each map scaled to its own brightest.

    The amounts can't be compared: Coinglass says of its own that they are relative.
    """
    # Only the processes that draw pay for the import. A Figure of its own needs no display and no
    # state shared between threads, unlike pyplot.
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    reference, ours = relative(maps.reference), relative(maps.ours)
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    for axes, values, title in (
        (panels[0], reference, "Reference"),
        (panels[1], ours, "Ours"),
    ):
        mesh = _paint(axes, maps, values, line="white", cmap="viridis", vmin=0, vmax=1)
        axes.set_title(title)
    figure.colorbar(mesh, ax=panels[:2], label="share of the map's own brightest", pad=0.01)
    mesh = _paint(panels[2], maps, ours - reference, line="black", cmap="RdBu_r", vmin=-1, vmax=1)
    panels[2].set_title("Ours minus reference")
    figure.colorbar(mesh, ax=panels[2], label="red: only ours, blue: only theirs", pad=0.01)
    locator = AutoDateLocator(tz=UTC, maxticks=6)
    panels[0].xaxis.set_major_locator(locator)
    panels[0].xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))
    panels[0].set_ylabel("price, USDT")
    figure.supxlabel("UTC; line: our close, grey: not known to one of the two", fontsize=9)
    return figure


def relative(values: FloatArray) -> FloatArray:
    """Amounts as shares of a map's brightest ones, 0 to 1; NaN stays NaN, a map of zeros stays."""
    known = values[np.isfinite(values) & (values > 0)]
    if not len(known):
        return values
    return np.clip(values / np.quantile(known, BRIGHTEST_QUANTILE), 0, 1)


def _paint(axes: Any, maps: Maps, values: FloatArray, line: str, **colours: Any) -> Any:
    axes.set_facecolor(UNKNOWN)
    times = [instant_of(one) for one in _edges(maps.times)]
    mesh = axes.pcolormesh(times, maps.grid.edges, values, rasterized=True, **colours)
    middles = [instant_of(one) for one in maps.times.tolist()]
    axes.plot(middles, maps.price, color=line, linewidth=1)
    axes.set_ylim(maps.grid.edges[0], maps.grid.edges[-1])
    return mesh


def _edges(times: Any) -> list[float]:
    """The borders between columns [T + 1], half-way between their instants (ms)."""
    if len(times) == 1:
        return [times[0] - MINUTE_MS, times[0] + MINUTE_MS]
    middles = (times[1:] + times[:-1]) / 2
    first, last = 2 * times[0] - middles[0], 2 * times[-1] - middles[-1]
    edges: list[float] = [first, *middles.tolist(), last]
    return edges
