"""A backtest as a row of the validation's history."""

from dataclasses import asdict
from datetime import UTC, datetime

import numpy as np
import orjson
from django.utils import timezone

from ingestion.models import Symbol
from liqheat_project.lib.runs import RunState
from validation.backtest.run import Backtest
from validation.models import ValidationRun


def record(symbol: Symbol, found: Backtest, file_name: str, sha256: str) -> ValidationRun:
    """Keep a backtest beside the other comparisons. It passes and fails nothing."""
    now = timezone.now()
    start, end = (
        datetime.fromtimestamp(found.ranked.time[number] / 1000, UTC) for number in (0, -1)
    )
    return ValidationRun.objects.create(
        symbol=symbol,
        source=ValidationRun.Source.EVENTS,
        file_name=file_name,
        sha256=sha256,
        window_start=start,
        window_end=end,
        figures=_figures(found),
        state=RunState.SUCCEEDED,
        started_at=now,
        finished_at=now,
    )


def _figures(found: Backtest) -> dict[str, object]:
    """In the shape of the other runs' figures; what is not known is null."""
    ranked = found.ranked
    stood = found.lead_times[np.isfinite(found.lead_times)]
    figures = {
        "density_percentile": float(found.percentiles.mean()),
        "nulls": {name: {"density_percentile": asdict(lift)} for name, lift in found.lifts.items()},
        "entries": found.entries,
        "events": len(ranked),
        "hours": found.hours,
        "usd_at_least": round(float(ranked.usd.sum()), 2),
        "placed_share": found.placed_share,
        "lead_time_hours": float(np.median(stood)) / 3_600_000 if len(stood) else None,
        "sides_inferred": int(ranked.inferred.sum()),
        "prices_moved": int(ranked.moved.sum()),
        "outside": found.outside,
        "off_market": found.off_market,
        "before_positions": found.before_positions,
    }
    known: dict[str, object] = orjson.loads(orjson.dumps(figures))
    return known
