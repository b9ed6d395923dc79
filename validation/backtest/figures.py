"""How high our density ranks at the prices of real liquidations, beside its chance level. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heatmap.engine.market import BoolArray, FloatArray, IntArray
from liqheat_project.kernel.instants import HOUR_MS
from validation.compare.metrics import density_percentiles
from validation.compare.nulls import BOOTSTRAPS, DRAWS, INTERVAL, NULL_MODELS, Lift, OurColumn

DISTANCE_EDGES = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
"""Lower edges of the distances from the price, shares of it, by which events are grouped."""


@dataclass(frozen=True)
class Sight:
    """What our map showed of an event before it happened.

    `column`: the liquidated side at the last instant before it, over the buckets where positions
    of that side can be. `price`: of the event, USDT. `time`: of the event, ms UTC.
    `distance`: from the last price, a share of it, positive towards the side's liquidations.
    """

    column: OurColumn
    price: float
    time: int
    distance: float


@dataclass(frozen=True)
class Ranks:
    """The density percentile at E events: ours [E], and of D draws of each null model [E, D].

    `hour` [E]: what happens within one is one move of the market, not many findings, so intervals
    are drawn over hours. `distance` [E] as in `Sight`.
    """

    ours: FloatArray
    chance: dict[str, FloatArray]
    hour: IntArray
    distance: FloatArray


@dataclass(frozen=True)
class DistanceLifts:
    """The lift over each null model of events from `low` to `high` away from the price."""

    low: float
    high: float
    events: int
    lifts: dict[str, Lift]


def rank(sights: Sequence[Sight], *, seed: int, draws: int = DRAWS) -> Ranks:
    """Rank the events in our map and in `draws` maps of each null model."""
    random = np.random.default_rng(seed)
    return Ranks(
        ours=np.array([_percentiles(sight, sight.column.ours[None])[0] for sight in sights]),
        chance={
            name: np.array(
                [_percentiles(sight, model(sight.column, random, draws)) for sight in sights]
            ).reshape(len(sights), draws)
            for name, model in NULL_MODELS.items()
        },
        hour=np.array([sight.time // HOUR_MS for sight in sights], dtype=np.int64),
        distance=np.array([sight.distance for sight in sights]),
    )


def lifts(ranks: Ranks, *, seed: int, chosen: BoolArray | None = None) -> dict[str, Lift]:
    """The mean percentile's lift over each null model, of the `chosen` [E] events or of all.

    The interval is a bootstrap over the hours, in which each event is compared with one draw.
    """
    random = np.random.default_rng(seed)
    chosen = np.ones(len(ranks.ours), dtype=bool) if chosen is None else chosen
    return {
        name: _lift(ranks.ours[chosen], chance[chosen], ranks.hour[chosen], random)
        for name, chance in ranks.chance.items()
    }


def lifts_by_distance(
    ranks: Ranks, *, seed: int, chosen: BoolArray | None = None
) -> list[DistanceLifts]:
    """The lifts of the `chosen` [E] events, or of all, grouped by their distance.

    Groups without events are left out. The first group also holds what lies on the other side of
    the last price.
    """
    found = []
    chosen = np.ones(len(ranks.ours), dtype=bool) if chosen is None else chosen
    for low, high in zip(DISTANCE_EDGES, (*DISTANCE_EDGES[1:], np.inf), strict=True):
        here = (ranks.distance < high) & ((ranks.distance >= low) | (low == DISTANCE_EDGES[0]))
        if (here & chosen).any():
            group = lifts(ranks, seed=seed, chosen=here & chosen)
            found.append(DistanceLifts(low, float(high), int((here & chosen).sum()), group))
    return found


def _percentiles(sight: Sight, profiles: FloatArray) -> FloatArray:
    return density_percentiles(sight.column.grid, profiles, sight.price)


def _lift(
    ours: FloatArray, chance: FloatArray, hour: IntArray, random: np.random.Generator
) -> Lift:
    known = np.isfinite(ours) & np.isfinite(chance).all(axis=1)
    if not known.any():
        return Lift(*[float("nan")] * 5)
    ours, chance = ours[known], chance[known]
    hours, which = np.unique(hour[known], return_inverse=True)
    picks = random.integers(chance.shape[1], size=(len(ours), BOOTSTRAPS))
    differences = np.zeros((len(hours), BOOTSTRAPS))
    np.add.at(differences, which, ours[:, None] - np.take_along_axis(chance, picks, axis=1))
    drawn = random.integers(len(hours), size=(len(hours), BOOTSTRAPS))
    sums = np.take_along_axis(differences, drawn, axis=0).sum(axis=0)
    low, high = np.quantile(sums / np.bincount(which)[drawn].sum(axis=0), INTERVAL).tolist()
    lift = float(ours.mean() - chance.mean())
    return Lift(float(ours.mean()), float(chance.mean()), lift, low, high)
