"""What the comparisons so far say of each symbol, for the API and the shell."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Avg, Count, Max, Min, Q

from ingestion.symbols.supported_pairs import Pair, supported_pairs
from liqheat_project.kernel.runs import ENDED_STATES
from validation.models import ValidationRun

SUMMARISED = ("hit_rate", "price_level_overlap")


@dataclass(frozen=True)
class Spread:
    """A figure over the runs that have it."""

    mean: float
    min: float
    max: float


@dataclass(frozen=True)
class Summary:
    """A symbol's ended runs: how many, how many of them passed, failed or could not be read, and
    the figures of those that could be compared (None where none could). Backtests do not count:
    they approve nothing."""

    pair: Pair
    runs: int
    passed: int
    failed: int
    unreadable: int
    figures: dict[str, Spread | None]

    @property
    def outcome(self) -> str:
        """The verdict on the symbol in words: "not validated" where there is none."""
        return (self.pair.outcome or "not validated").replace("_", " ")


def summarise(now: datetime, symbol: str | None = None) -> list[Summary]:
    """By name, of one symbol or of all that are registered."""
    ended = ValidationRun.objects.filter(state__in=ENDED_STATES)
    ended = ended.exclude(source=ValidationRun.Source.EVENTS)
    readable = Q(unreadable="")
    counted = (
        ended.order_by()
        .values("symbol__name")
        .annotate(
            of_all=Count("pk"),
            of_passed=Count("pk", filter=Q(passed=True)),
            of_failed=Count("pk", filter=Q(passed=False) & readable),
            of_unreadable=Count("pk", filter=~readable),
            **{
                f"{name}_{statistic}": function(name)
                for name in SUMMARISED
                for statistic, function in (("mean", Avg), ("min", Min), ("max", Max))
            },
        )
    )
    by_name = {row["symbol__name"]: row for row in counted}
    return [
        _summary(pair, by_name.get(pair.symbol.name))
        for pair in supported_pairs(now)
        if symbol in (None, pair.symbol.name)
    ]


def _summary(pair: Pair, row: Mapping[str, Any] | None) -> Summary:
    if row is None:
        return Summary(pair, 0, 0, 0, 0, dict.fromkeys(SUMMARISED))
    figures = {
        name: Spread(*(row[f"{name}_{statistic}"] for statistic in ("mean", "min", "max")))
        if row[f"{name}_mean"] is not None
        else None
        for name in SUMMARISED
    }
    return Summary(
        pair,
        runs=row["of_all"],
        passed=row["of_passed"],
        failed=row["of_failed"],
        unreadable=row["of_unreadable"],
        figures=figures,
    )
