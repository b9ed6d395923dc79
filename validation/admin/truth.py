"""What a backtest found of a run's page: swept against recorded volume, longs beside shorts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from validation.admin.figures import Chance
from validation.backtest.text import NAMES


@dataclass(frozen=True)
class SideFigure:
    """One side's figure with its interval, and the chance levels beside it."""

    value: float | None
    low: float | None
    high: float | None
    chances: list[Chance]


@dataclass(frozen=True)
class TruthRow:
    """A figure of a model: longs, shorts and both."""

    model: str
    name: str
    sides: list[SideFigure]


@dataclass(frozen=True)
class DistanceRow:
    """The density percentile of one side's events in a range of distances (%)."""

    side: str
    low: float
    high: float | None
    events: int
    ours: float | None
    chances: list[Chance]


def truth_rows(figures: dict[str, Any]) -> list[TruthRow]:
    """The rows of a run that held swept volume against recorded; none of another."""
    models = figures.get("truth", {}).get("models", {})
    return [
        TruthRow(
            model,
            name,
            [_side(by_side[side][figure]) for side in ("long", "short", "both")],
        )
        for model, by_side in models.items()
        for figure, name in NAMES.items()
    ]


def distance_rows(figures: dict[str, Any]) -> list[DistanceRow]:
    """The rows of a run that looked events up in our map; none of another."""
    return list(_distance_rows(figures.get("by_distance", {})))


def _distance_rows(by_distance: dict[str, Any]) -> Iterator[DistanceRow]:
    for side, groups in by_distance.items():
        for group in groups:
            lifts = group["lifts"]
            yield DistanceRow(
                side,
                group["low"] * 100,
                None if group["high"] is None else group["high"] * 100,
                group["events"],
                lifts["distance_only"]["ours"],
                _chances({name: lifts[name] for name in ("distance_only", "shifted_in_time")}),
            )


def _side(found: dict[str, Any]) -> SideFigure:
    return SideFigure(found["value"], found["low"], found["high"], _chances(found["lifts"]))


def _chances(lifts: dict[str, Any]) -> list[Chance]:
    return [
        Chance(name.replace("_", " "), *(lift[part] for part in ("chance", "lift", "low", "high")))
        for name, lift in lifts.items()
    ]
