"""The use case: fit a symbol's calibration on what was recorded, keep it, take it out of use."""

from dataclasses import replace
from typing import Any

import numpy as np
from django.db import transaction

from heatmap.build import CALIBRATED_TURNOVERS, DEFAULT_MODEL, MODELS
from heatmap.engine.market import FloatArray
from heatmap.market import market_of
from heatmap.models import Calibration
from ingestion import audit
from ingestion.lake import read
from ingestion.models import Symbol, SymbolEvent
from liqheat_project.kernel.instants import instant_of
from validation.backtest.agreement import Intervals
from validation.backtest.events import recorded_events
from validation.backtest.intervals import swept_by
from validation.backtest.run import NoData
from validation.backtest.truth import heatmap_of, intervals_with
from validation.calibration.fit import Fit, NotFitted, fit

MOST_POINTS = 500
"""Of each side that a row keeps, to be drawn."""


def calibrate(symbol: Symbol, by: Any = None) -> Calibration:
    """Fit on the recorded liquidations and use it from now on.

    Raises NotFitted with the reason where nothing changes.
    """
    with read.snapshot() as cursor:
        market = market_of(cursor, symbol)
        history = market.history
        events = recorded_events(read.liquidations(cursor, symbol.name))
        if not len(events):
            raise NotFitted("no liquidation is recorded")
        try:
            intervals = intervals_with(cursor, history, events, recorded=True)
            swept = {
                turnover: swept_by(
                    heatmap_of(
                        cursor,
                        market,
                        intervals,
                        replace(MODELS[DEFAULT_MODEL], turnover=turnover),
                    ),
                    intervals,
                )
                for turnover in CALIBRATED_TURNOVERS
            }
        except NoData as error:
            raise NotFitted(str(error)) from error
    found = fit(intervals, swept)
    return _keep(symbol, found, intervals, swept[found.turnover], by)


@transaction.atomic
def set_active(calibration: Calibration, active: bool, by: Any = None) -> None:
    """Take one into or out of use; without it the newest active one before it counts."""
    calibration.active = active
    calibration.save(update_fields=["active"])
    what = "used again" if active else "out of use"
    audit.record(SymbolEvent.Act.CALIBRATED, calibration.symbol, f"{calibration} is {what}.", by)


@transaction.atomic
def _keep(
    symbol: Symbol, found: Fit, intervals: Intervals, swept: FloatArray, by: Any
) -> Calibration:
    row = Calibration.objects.create(
        symbol=symbol.name,
        model=DEFAULT_MODEL,
        turnover=found.turnover,
        long_scale=found.long.scale,
        long_power=found.long.power,
        short_scale=found.short.scale,
        short_power=found.short.power,
        data_start=instant_of(int(intervals.start[0])),
        data_end=instant_of(int(intervals.start[-1]) + intervals.interval_ms),
        days=found.days,
        intervals=found.intervals,
        gain=found.gain,
        gain_low=found.low,
        gain_high=found.high,
        points=_points(intervals, swept),
    )
    text = (
        f"Fitted on {found.days} days: longs {found.long.scale:.3g} x swept^"
        f"{found.long.power:.2f}, shorts {found.short.scale:.3g} x swept^{found.short.power:.2f}, "
        f"turnover {found.turnover:g}, gain {found.gain:.2f} ({found.low:.2f} to {found.high:.2f})."
    )
    audit.record(SymbolEvent.Act.CALIBRATED, symbol.name, text, by)
    return row


def _points(intervals: Intervals, swept: FloatArray) -> list[list[list[float]]]:
    """By side, swept and recorded USD of intervals evenly spread over those with both."""
    found = []
    for mine, usd in zip(swept, intervals.recorded, strict=True):
        there = np.flatnonzero((mine > 0) & (usd > 0))
        chosen = there[:: max(1, -(-len(there) // MOST_POINTS))]
        found.append(np.column_stack([mine[chosen], usd[chosen]]).round(2).tolist())
    return found
