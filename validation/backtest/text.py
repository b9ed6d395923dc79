"""What a backtest found, as lines of text."""

import math
from collections.abc import Iterator

from liqheat_project.kernel.instants import DAY_MS, HOUR_MS
from validation.backtest.agreement import Agreement
from validation.backtest.figures import DistanceLifts
from validation.backtest.run import Backtest
from validation.backtest.truth import Truth

NAMES = {
    "rank": "rank correlation",
    "rank_given_move": "given the size of the move",
    "rank_given_extremes": "given also the extremes of 1, 4, 24 h",
    "direct": "direct share of deviance",
}
SHOWN_NULLS = ("distance_only", "shifted_in_time")


def truth_lines(held: Truth) -> Iterator[str]:
    """Each model's figures by side, with 95 % intervals, and the USD a day."""
    intervals = held.intervals
    unit = "days" if intervals.interval_ms == DAY_MS else "hours"
    yield (
        f"  swept against recorded liquidations: {len(intervals):,} {unit}; 95 % intervals over "
        f"blocks of {intervals.block_ms // HOUR_MS} hours"
    )
    for name, (longs, shorts) in held.usd_a_day().items():
        yield f"    USD a day, {name}: longs {longs:,.0f}, shorts {shorts:,.0f}"
    for remark in held.remarks():
        yield f"    WARNING: {remark}"
    for model, by_side in held.models.items():
        yield f"  {model}"
        for side, figures in by_side.items():
            for figure, found in figures.items():
                yield f"    {side:<6}{NAMES[figure]:<39}{_line(found)}"


def distance_lines(found: Backtest) -> Iterator[str]:
    """The density percentile by side and distance, beside two null models."""
    for side, groups in found.by_side.items():
        for group in groups:
            lifts = [
                f"over {name} {group.lifts[name].lift:+.2f} "
                f"({group.lifts[name].low:+.2f} to {group.lifts[name].high:+.2f})"
                for name in SHOWN_NULLS
            ]
            ours = group.lifts[SHOWN_NULLS[0]].ours
            yield (
                f"    {side:<6}{_distance(group):<16}{group.events:>5} events: {ours:.2f}, "
                + ", ".join(lifts)
            )


def _line(found: Agreement) -> str:
    if math.isnan(found.value):
        return "not known: one of the two does not vary"
    lifts = [
        f"over {name} {lift.lift:+.2f} ({lift.low:+.2f} to {lift.high:+.2f})"
        for name, lift in found.lifts.items()
        if not math.isnan(lift.lift)
    ]
    own = f"{found.value:+.2f} ({found.low:+.2f} to {found.high:+.2f})"
    return ", ".join([own, *lifts])


def _distance(group: DistanceLifts) -> str:
    if math.isinf(group.high):
        return f"over {group.low * 100:.3g} %"
    if not group.low:
        return f"under {group.high * 100:.3g} %"
    return f"{group.low * 100:.3g} to {group.high * 100:.3g} %"
