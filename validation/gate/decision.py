"""The approval gate: when a symbol counts as compared with the outside world."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

DECIDING = ("price_level_overlap", "rank_correlation")
"""The figures by which a null model can be beaten. Not the hit rate: zones of any map that has many
hit nearly everything, above which there is no room even for the truth."""


class Verdict(StrEnum):
    APPROVED = "approved"
    REJECTED = "rejected"
    NO_REFERENCE = "no_reference"


@dataclass(frozen=True)
class Policy:
    """What a run must exceed, how many runs must, and for how long an approval holds."""

    hit_rate: float = 0.60
    price_level_overlap: float = 0.70
    runs: int = 3
    valid_days: int = 30


@dataclass(frozen=True)
class RunFigures:
    """What a run found. `lift_low`: by null model, then by figure, the lower bound of the lift.

    `unreadable`: why its reference could not be read; then the figures do not count.
    """

    at: datetime
    hit_rate: float = float("nan")
    price_level_overlap: float = float("nan")
    lift_low: Mapping[str, Mapping[str, float]] | None = None
    unreadable: str = ""


@dataclass(frozen=True)
class Decision:
    """A verdict with its reasons; `until` is when an approval ends."""

    verdict: Verdict
    reasons: tuple[str, ...]
    until: datetime | None = None


def decide(policy: Policy, runs: Sequence[RunFigures], now: datetime) -> Decision:
    """The verdict on a symbol from its runs, in any order.

    The newest readable run decides: if it falls short, the symbol is rejected whatever was before.
    An approval needs the newest `policy.runs` readable runs to pass, all within `valid_days` of the
    newest, and ends so many days after it. No reference, or none that could be read, approves
    nothing.
    """
    valid = timedelta(days=policy.valid_days)
    recent = sorted(
        (run for run in runs if run.at > now - valid), key=lambda run: run.at, reverse=True
    )
    newest = next((run for run in recent if not run.unreadable), None)
    if newest is None:
        reasons = [f"no reference within {policy.valid_days} days"]
        reasons += [f"{run.at:%Y-%m-%d %H:%M}: {run.unreadable}" for run in recent]
        return Decision(Verdict.NO_REFERENCE, tuple(reasons))
    readable = [run for run in runs if not run.unreadable and newest.at - valid < run.at]
    counted = sorted(readable, key=lambda run: run.at, reverse=True)[: policy.runs]
    short = [
        f"{run.at:%Y-%m-%d %H:%M}: {why}" for run in counted for why in shortfalls(policy, run)
    ]
    if short:
        return Decision(Verdict.REJECTED, tuple(short))
    if len(counted) < policy.runs:
        return Decision(
            Verdict.NO_REFERENCE,
            (f"{len(counted)} of {policy.runs} passing runs within {policy.valid_days} days",),
        )
    passed = f"the newest {policy.runs} runs passed"
    return Decision(Verdict.APPROVED, (passed,), newest.at + valid)


def shortfalls(policy: Policy, run: RunFigures) -> list[str]:
    """Why a run does not pass; empty where it does. What is not known (NaN) does not pass.

    A null model is beaten where the lower bound of the lift is above 0 in a figure of DECIDING.
    """
    found = [
        f"{name} {value:.2f}, more than {least:.2f} is needed"
        for name, value, least in (
            ("hit rate", run.hit_rate, policy.hit_rate),
            ("price level overlap", run.price_level_overlap, policy.price_level_overlap),
        )
        if not value > least
    ]
    if not run.lift_low:
        return [*found, "not compared with any null model"]
    return found + [
        f"no better than chance: the lift over {null.replace('_', ' ')} may be "
        + " and ".join(_bound(figure, low.get(figure, math.nan)) for figure in DECIDING)
        for null, low in run.lift_low.items()
        if not any(low.get(figure, math.nan) > 0 for figure in DECIDING)
    ]


def _bound(figure: str, low: float) -> str:
    value = "anything" if math.isnan(low) else f"{low:+.2f}"
    return f"{value} in {figure.replace('_', ' ')}"
