from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from validation.gate import Policy, RunFigures, Verdict, decide, shortfalls
from validation.metrics import Grid
from validation.nulls import NULL_MODELS, Column, lifts
from validation.synthetic.archive import aggregate_klines
from validation.synthetic.market import FIVE_MINUTES, simulate_market
from validation.synthetic.parameters import MarketParameters
from validation.synthetic.prices import DAY
from validation.synthetic.score import Bins, score_instants, true_profiles

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
PASSING = RunFigures(NOW, 0.8, 0.75, {"hit_rate over uniform": 0.1})


def runs(count: int, **changes) -> list[RunFigures]:
    return [replace(PASSING, at=NOW - timedelta(days=n), **changes) for n in range(count)]


def test_three_passing_runs_approve_until_thirty_days_after_the_newest():
    decision = decide(Policy(), runs(3), NOW)
    assert (decision.verdict, decision.until) == (Verdict.APPROVED, NOW + timedelta(days=30))


def test_two_passing_runs_are_too_few():
    decision = decide(Policy(), runs(2), NOW)
    assert decision.verdict == Verdict.NO_REFERENCE
    assert decision.reasons == ("2 of 3 passing runs within 30 days",)


def test_an_approval_lasts_until_its_end_and_no_longer():
    """Also while the older ones of its runs grow older than thirty days."""
    end = NOW + timedelta(days=30)
    last = decide(Policy(), runs(3), end - timedelta(seconds=1))
    assert (last.verdict, last.until) == (Verdict.APPROVED, end)
    assert decide(Policy(), runs(3), end).verdict == Verdict.NO_REFERENCE


def test_runs_too_far_apart_do_not_add_up():
    apart = [replace(run, at=NOW - n * timedelta(days=15)) for n, run in enumerate(runs(3))]
    assert decide(Policy(), apart, NOW).reasons == ("2 of 3 passing runs within 30 days",)


def test_a_failing_run_withdraws_the_approval():
    failing = replace(PASSING, at=NOW + timedelta(hours=1), hit_rate=0.6)
    decision = decide(Policy(), [*runs(5), failing], NOW + timedelta(hours=2))
    assert decision.verdict == Verdict.REJECTED
    assert decision.reasons == ("2026-11-25 13:00: hit rate 0.60, more than 0.60 is needed",)


def test_no_reference_and_unreadable_ones_never_pass():
    assert decide(Policy(), [], NOW).verdict == Verdict.NO_REFERENCE
    decision = decide(Policy(), runs(5, unreadable="no colour bar"), NOW)
    assert decision.verdict == Verdict.NO_REFERENCE
    assert "2026-11-25 12:00: no colour bar" in decision.reasons


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"price_level_overlap": 0.7}, "price level overlap 0.70, more than 0.70 is needed"),
        ({"hit_rate": float("nan")}, "hit rate nan, more than 0.60 is needed"),
        ({"lift_low": {"hit_rate over uniform": 0.0}}, "may be +0.00"),
        ({"lift_low": {"hit_rate over uniform": float("nan")}}, "is not known"),
        ({"lift_low": None}, "not compared with any null model"),
    ],
)
def test_a_run_says_why_it_falls_short(changes, reason):
    assert [reason in why for why in shortfalls(Policy(), replace(PASSING, **changes))] == [True]


@pytest.fixture(scope="module")
def columns() -> list[Column]:
    """A synthetic market's truth at three instants, seen as both the reference and ours."""
    small = MarketParameters(trades_per_day=4_000, openings_per_day=1_500, warm_up_days=1)
    market = simulate_market("BTCUSDT", 20_458 * DAY, 3, 1, small)
    instants = score_instants(market)
    price = float(
        aggregate_klines(market, FIVE_MINUTES).close[-1] / market.instrument.ticks_per_usdt
    )
    bins = Bins.around(price, 100.0)
    grid = Grid(bins.first * bins.size, bins.size, bins.count)
    truths = [true_profiles(market, instant, bins) for instant in instants]
    profiles = [truth["long"] + truth["short"] for truth in truths]
    return [
        Column(
            grid=grid,
            reference=profile,
            ours=profile,
            other_times=np.column_stack([other for other in profiles if other is not profile]),
            price=price,
        )
        for profile in profiles
    ]


def figures_of(columns: list[Column]) -> RunFigures:
    found = lifts(columns, seed=1)
    any_null = found["uniform"]
    low = {
        f"{figure} over {name}": found[name][figure].low
        for name in NULL_MODELS
        for figure in ("hit_rate", "price_level_overlap")
    }
    return RunFigures(NOW, any_null["hit_rate"].ours, any_null["price_level_overlap"].ours, low)


def test_the_markets_own_truth_passes(columns):
    assert shortfalls(Policy(), figures_of(columns)) == []


def test_a_random_map_fails(columns):
    random = np.random.default_rng(7)
    scrambled = [replace(one, ours=random.permutation(one.ours)) for one in columns]
    figures = figures_of(scrambled)
    assert figures.price_level_overlap < 0.7
    assert any("over uniform" in why for why in shortfalls(Policy(), figures))


def test_chance_is_high_where_zones_are_many(columns):
    """The trap that the gate is for: a raw hit rate says little."""
    wide = lifts(columns, seed=1, tolerance=0.02)["uniform"]["hit_rate"]
    assert wide.ours == 1.0
    assert wide.chance > 0.5


def test_the_same_seed_gives_the_same_lifts(columns):
    assert lifts(columns[:1], seed=3, draws=20) == lifts(columns[:1], seed=3, draws=20)
