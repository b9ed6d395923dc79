"""The calibration in use: from USD of open positions in a cell to USD that are liquidated."""

from dataclasses import replace
from typing import Any

import numpy as np

from heatmap.build import MODELS, Result
from heatmap.engine import ModelParameters, SideColumns
from heatmap.models import Calibration


def calibration_of(symbol: str) -> Calibration | None:
    """The newest active one of a symbol."""
    return Calibration.objects.filter(symbol=symbol, active=True).first()


def parameters_of(calibration: Calibration) -> ModelParameters:
    """The model's parameters that it was fitted for."""
    return replace(MODELS[calibration.model], turnover=calibration.turnover)


def calibrated(result: Result, calibration: Calibration) -> Result:
    """The same with each cell as scale x cell^power: USD expected where the cell is swept alone.

    Totals, created and consumed stay USD of positions.
    """
    heatmap = result.heatmap
    return replace(
        result,
        heatmap=replace(
            heatmap,
            long=_converted(heatmap.long, calibration.long_scale, calibration.long_power),
            short=_converted(heatmap.short, calibration.short_scale, calibration.short_power),
        ),
    )


def calibration_meta(calibration: Calibration | None) -> dict[str, Any] | None:
    """What `meta.calibration` says; None where cells are open positions."""
    if calibration is None:
        return None
    return {
        "fitted_at": f"{calibration.created_at:%Y-%m-%dT%H:%M:%SZ}",
        "turnover": calibration.turnover,
        "long": {"scale": calibration.long_scale, "power": calibration.long_power},
        "short": {"scale": calibration.short_scale, "power": calibration.short_power},
    }


def _converted(side: SideColumns, scale: float, power: float) -> SideColumns:
    density = side.density
    there = np.power(density, power, where=density > 0, out=np.zeros_like(density))
    return replace(side, density=(scale * there).astype(np.float32))
