"""A backtest as a row of the validation's history."""

from dataclasses import asdict

import numpy as np
import orjson
from django.utils import timezone

from ingestion.models import Symbol
from liqheat_project.kernel.instants import HOUR_MS, instant_of
from liqheat_project.kernel.runs import RunState
from validation.backtest.run import Backtest
from validation.backtest.truth import Truth
from validation.models import ValidationRun


def record(
    symbol: Symbol, found: Backtest | None, held: Truth | None, file_name: str, sha256: str
) -> ValidationRun:
    """Keep a backtest beside the other comparisons. It passes and fails nothing.

    `found`: where events lie in our map; `held`: what our models sweep. One of them is there.
    """
    now = timezone.now()
    times = found.ranked.time if found else held.intervals.start  # type: ignore[union-attr]
    start, end = (instant_of(times[number]) for number in (0, -1))
    figures = (_figures(found) if found else {}) | ({"truth": _truth(held)} if held else {})
    return ValidationRun.objects.create(
        symbol=symbol,
        source=ValidationRun.Source.EVENTS,
        file_name=file_name,
        sha256=sha256,
        window_start=start,
        window_end=end,
        figures=orjson.loads(orjson.dumps(figures)),
        state=RunState.SUCCEEDED,
        started_at=now,
        finished_at=now,
    )


def _figures(found: Backtest) -> dict[str, object]:
    """In the shape of the other runs' figures; what is not known becomes null."""
    ranked = found.ranked
    stood = found.lead_times[np.isfinite(found.lead_times)]
    return {
        "density_percentile": float(found.percentiles.mean()),
        "nulls": {name: {"density_percentile": asdict(lift)} for name, lift in found.lifts.items()},
        "entries": found.entries,
        "events": len(ranked),
        "hours": found.hours,
        "usd_at_least": round(float(ranked.usd.sum()), 2),
        "placed_share": found.placed_share,
        "lead_time_hours": float(np.median(stood)) / HOUR_MS if len(stood) else None,
        "sides_inferred": int(ranked.inferred.sum()),
        "prices_moved": int(ranked.moved.sum()),
        "outside": found.outside,
        "off_market": found.off_market,
        "before_positions": found.before_positions,
        "by_distance": {
            side: [asdict(group) for group in groups] for side, groups in found.by_side.items()
        },
    }


def _truth(held: Truth) -> dict[str, object]:
    intervals = held.intervals
    return {
        "intervals": len(intervals),
        "interval_hours": intervals.interval_ms / HOUR_MS,
        "block_hours": intervals.block_ms / HOUR_MS,
        "models": {
            model: {
                side: {figure: asdict(one) for figure, one in figures.items()}
                for side, figures in by_side.items()
            }
            for model, by_side in held.models.items()
        },
        "usd_a_day": {name: usd.tolist() for name, usd in held.usd_a_day().items()},
        "remarks": held.remarks(),
    }
