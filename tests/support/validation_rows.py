"""Rows of comparisons that have ended, as the gate and the backtest leave them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from ingestion.models import Symbol
from validation.models import ValidationRun

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
LIFT = {"ours": 0.7, "chance": 0.5, "lift": 0.2, "low": 0.05, "high": 0.35}


def ended(symbol: str, number: int = 0, hit_rate: float | None = 0.7, **changes: Any) -> Any:
    """A run that ended `number` hours after AT."""
    values = {
        "source": "screenshot",
        "file_name": f"{symbol}_{number}.png",
        "sha256": f"{number:064x}",
        "state": "succeeded",
        "figures": {
            "nulls": {"uniform": {"hit_rate": LIFT | {"ours": hit_rate}}},
            "last_column": {"hit_rate": 0.8},
            "tolerance": 0.005,
            "columns": 5,
        },
        "hit_rate": hit_rate,
        "price_level_overlap": 0.75,
        "passed": hit_rate is not None and hit_rate > 0.6,
        "reasons": [] if hit_rate and hit_rate > 0.6 else ["hit rate, more than 0.60 is needed"],
        "verdict": "no_reference",
        "verdict_reasons": ["1 of 3 passing runs within 30 days"],
        "created_at": AT + timedelta(hours=number),
        "finished_at": AT + timedelta(hours=number, minutes=1),
    }
    row = Symbol.objects.get(name=symbol)
    return ValidationRun.objects.create(symbol=row, **(values | changes))


UNREADABLE = {
    "hit_rate": None,
    "price_level_overlap": None,
    "figures": {},
    "state": "failed",
    "passed": False,
    "reasons": ["The file is empty; upload the picture again."],
    "unreadable": "The file is empty; upload the picture again.",
}
BACKTEST = {
    "reasons": [],
    "hit_rate": None,
    "price_level_overlap": None,
    "source": "events",
    "passed": None,
    "verdict": "",
    "verdict_reasons": [],
    "figures": {
        "nulls": {"uniform": {"density_percentile": LIFT}},
        "events": 271,
        "entries": "open interest",
    },
}
