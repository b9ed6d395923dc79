"""The choices of a model: who opens with how much leverage, and how large a position is."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heatmap.engine.margin import BracketTable

LeverageWeights = tuple[tuple[float, float], ...]

DEFAULT_LEVERAGE_WEIGHTS: LeverageWeights = (
    (5.0, 0.15),
    (10.0, 0.30),
    (25.0, 0.25),
    (50.0, 0.20),
    (100.0, 0.10),
)
LARGEST_SMEAR = 1.0
SMEAR_NODES = (
    (-2.8569700138728056, 0.011257411327720688),
    (-1.355626179974266, 0.22207592200561266),
    (0.0, 0.5333333333333333),
    (1.355626179974266, 0.22207592200561266),
    (2.8569700138728056, 0.011257411327720688),
)
"""Gauss-Hermite quadrature of a standard normal distribution (Abramowitz and Stegun 25.4.46)."""


@dataclass(frozen=True)
class ModelParameters:
    """What the model assumes about traders.

    Weights are (leverage, weight) pairs in any order and scale; they are kept sorted and
    normalised, so that equal mixes are equal parameters.

    `position_notional`: the size Q of a typical position in USDT; it chooses the bracket.
    `turnover`: the share of the traded contracts that closes old positions and opens new ones on
    top of the net change of open interest; 0 is off.
    `spread_entries`: spread the entries of an interval over its traded prices where they are
    given, else over its range, instead of its volume-weighted price.
    `taker_tilt`: with taker imbalance b = 2 taker_buy/volume - 1, the weights of new longs are
    multiplied by leverage^(tilt b), those of new shorts by leverage^(-tilt b), then normalised:
    the side that takes opens with more leverage. It never changes how much is opened. 0 is off.
    `smear`: standard deviation of ln(distance) around 1 / leverage, as if traders of one leverage
    added to their margin or took from it. 0 is off.

    Raises ValueError for leverages below 1, weights that are negative or all zero, and sizes
    that are not positive.
    """

    name: str = "turnover"
    long_leverage_weights: LeverageWeights = DEFAULT_LEVERAGE_WEIGHTS
    short_leverage_weights: LeverageWeights = DEFAULT_LEVERAGE_WEIGHTS
    position_notional: float = 10_000.0
    turnover: float = 0.3
    spread_entries: bool = True
    taker_tilt: float = 0.0
    smear: float = 0.0

    def __post_init__(self) -> None:
        for name in ("long_leverage_weights", "short_leverage_weights"):
            weights = getattr(self, name)
            if any(not 1 <= leverage < np.inf for leverage, _ in weights):
                raise ValueError("leverages must be 1 or more")
            if any(not 0 <= weight < np.inf for _, weight in weights):
                raise ValueError("leverage weights must be finite and not negative")
            if sum(weight for _, weight in weights) <= 0:
                raise ValueError("at least one leverage weight must be positive")
            object.__setattr__(self, name, _normalised(weights))
        if not 0 < self.position_notional < np.inf:
            raise ValueError("the position notional must be a positive number of USDT")
        if not 0 <= self.turnover < 1:
            raise ValueError("the turnover must be a share of the volume, from 0 to below 1")
        if not -10 <= self.taker_tilt <= 10:
            raise ValueError("the taker tilt must be a number between -10 and 10")
        if not 0 <= self.smear <= LARGEST_SMEAR:
            raise ValueError(f"the smear must be a number from 0 to {LARGEST_SMEAR:g}")

    @property
    def long_mix(self) -> LeverageWeights:
        """The leverages and weights at which longs open: those given, smeared."""
        return _smeared(self.long_leverage_weights, self.smear)

    @property
    def short_mix(self) -> LeverageWeights:
        """The same of shorts."""
        return _smeared(self.short_leverage_weights, self.smear)

    @property
    def lowest_leverage(self) -> float:
        """The lowest leverage that carries weight on either side."""
        weights = self.long_mix + self.short_mix
        return min(leverage for leverage, weight in weights if weight > 0)


def _smeared(weights: LeverageWeights, smear: float) -> LeverageWeights:
    """Each leverage as five, whose inverses stand for a log-normal distribution around its own."""
    if not smear:
        return weights
    return _normalised(
        [
            (max(1.0, leverage * math.exp(smear * node)), weight * share)
            for leverage, weight in weights
            for node, share in SMEAR_NODES
        ]
    )


def _normalised(weights: Sequence[tuple[float, float]]) -> LeverageWeights:
    summed: dict[float, float] = {}
    for leverage, weight in weights:
        summed[float(leverage)] = summed.get(float(leverage), 0.0) + weight
    whole = sum(summed.values())
    if math.isclose(whole, 1.0, rel_tol=1e-12):
        whole = 1.0  # what is normalised stays as it is, so that a copy equals its original
    return tuple((leverage, weight / whole) for leverage, weight in sorted(summed.items()))


TURNOVER = ModelParameters()
"""The default: old positions close and new ones open with the traded volume."""
NET_OPEN_INTEREST = ModelParameters(name="net-open-interest", turnover=0.0, spread_entries=False)
"""Only the net change of open interest opens and closes, at one price a figure."""


def model_fingerprint(parameters: ModelParameters, brackets: Sequence[BracketTable]) -> str:
    """A short key of everything but the data that a book depends on, for caches and checkpoints."""
    digest = hashlib.sha256(repr(parameters).encode())
    for table in brackets:
        digest.update(str(table.valid_from).encode())
        digest.update(np.concatenate([table.floors, table.caps, table.cums]).tobytes())
        digest.update(table.maintenance_margin_rates.tobytes() + table.max_leverages.tobytes())
    return digest.hexdigest()[:16]
