"""A run's figures as the table of its page: each beside what maps without knowledge reach."""

from dataclasses import dataclass
from typing import Any

NAMES = {
    "hit_rate": "Hit rate",
    "hit_rate_unweighted": "Hit rate, unweighted",
    "price_level_overlap": "Price level overlap",
    "rank_correlation": "Rank correlation",
    "earth_movers_distance": "Earth mover's distance, %",
    "density_percentile": "Density percentile",
}


@dataclass(frozen=True)
class Chance:
    """What a null model reached, and how far ours is above it: `better` where surely."""

    null: str
    chance: float | None
    lift: float | None
    low: float | None
    high: float | None

    @property
    def better(self) -> bool:
        return self.low is not None and self.low > 0


@dataclass(frozen=True)
class FigureRow:
    """A figure of ours, that of the last column alone, and its chance levels."""

    name: str
    ours: float | None
    last_column: float | None
    chances: list[Chance]


def figure_rows(figures: dict[str, Any]) -> list[FigureRow]:
    """The rows in the order of NAMES; none where nothing was compared."""
    nulls: dict[str, dict[str, Any]] = figures.get("nulls", {})
    last = figures.get("last_column", {})
    return [
        FigureRow(
            name,
            figures.get(figure),
            last.get(figure),
            [
                Chance(
                    null.replace("_", " "),
                    *(found[figure][part] for part in ("chance", "lift", "low", "high")),
                )
                for null, found in nulls.items()
            ],
        )
        for figure, name in NAMES.items()
        if nulls and all(figure in found for found in nulls.values())
    ]
