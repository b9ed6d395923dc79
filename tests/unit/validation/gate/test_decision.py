import functools
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from heatmap.engine import default_bin_size
from liqheat_project.kernel.instants import DAY_MS
from validation.compare.metrics import Grid
from validation.compare.nulls import NULL_MODELS, Column, OurColumn, lifts, other_times
from validation.gate.decision import Policy, RunFigures, Verdict, decide, shortfalls
from validation.synthetic.archive import aggregate_klines
from validation.synthetic.market import FIVE_MINUTES, simulate_market
from validation.synthetic.parameters import MarketParameters
from validation.synthetic.score import Bins, true_profiles

START = 20_458 * DAY_MS
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
BEATEN = {"price_level_overlap": 0.1, "rank_correlation": 0.2}
PASSING = RunFigures(NOW, 0.8, 0.75, {"uniform": BEATEN})


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
        (
            {"lift_low": {"shifted_in_time": dict.fromkeys(BEATEN, 0.0)}},
            "shifted in time may be +0.00 in price level overlap and +0.00 in rank correlation",
        ),
        ({"lift_low": {"uniform": dict.fromkeys(BEATEN, float("nan"))}}, "may be anything in"),
        ({"lift_low": {"uniform": {"hit_rate": 0.3}}}, "may be anything in"),
        ({"lift_low": None}, "not compared with any null model"),
    ],
)
def test_a_run_says_why_it_falls_short(changes, reason):
    assert [reason in why for why in shortfalls(Policy(), replace(PASSING, **changes))] == [True]


def test_one_of_the_deciding_figures_is_enough():
    run = replace(PASSING, lift_low={"uniform": BEATEN | {"price_level_overlap": -0.1}})
    assert shortfalls(Policy(), run) == []


@functools.cache
def truth(symbol: str, seed: int) -> tuple[Grid, list[NDArray], list[float]]:
    """A synthetic market's book by bucket at nine instants of its last day, and the prices then."""
    small = MarketParameters(trades_per_day=4_000, openings_per_day=1_500, warm_up_days=1)
    market = simulate_market(symbol, START, 2, seed, small)
    klines = aggregate_klines(market, FIVE_MINUTES)
    prices = klines.close / market.instrument.ticks_per_usdt
    bins = Bins.around(float(prices[-1]), default_bin_size(float(prices[-1]), 0.01))
    instants = [START + DAY_MS + eighth * DAY_MS // 8 for eighth in range(9)]
    sides = [true_profiles(market, instant, bins) for instant in instants]
    known = np.searchsorted(klines.open_time, instants, side="left") - 1
    return (
        Grid(bins.first * bins.size, bins.size, bins.count),
        [side["long"] + side["short"] for side in sides],
        prices[known].tolist(),
    )


def as_coinglass_shows_it(profile: NDArray) -> NDArray:
    """In some 200 colours, of which the brightest stands for all that is above."""
    shares = np.clip(profile / np.quantile(profile[profile > 0], 0.99), 0, 1)
    return np.rint(200 * shares) / 200


def compared(ours: Callable[..., list[NDArray]], symbol: str, seed: int) -> RunFigures:
    """What a run finds when `ours` are our maps of a market whose truth is the reference."""
    grid, profiles, prices = truth(symbol, seed)
    random = np.random.default_rng(seed)
    maps = ours(grid, profiles, prices, random)
    times = np.arange(len(profiles))
    columns = [
        Column(
            grid=grid,
            reference=as_coinglass_shows_it(profiles[number]),
            ours=maps[number],
            other_times=np.column_stack([maps[other] for other in other_times(times, number)]),
            price=prices[number],
        )
        for number in range(0, len(profiles), 2)
    ]
    found = lifts(columns, seed=seed, draws=100)
    figures = found["uniform"]
    low = {
        null: {figure: lift.low for figure, lift in rows.items()} for null, rows in found.items()
    }
    return RunFigures(NOW, figures["hit_rate"].ours, figures["price_level_overlap"].ours, low)


def drawn(null: str) -> Callable[..., list[NDArray]]:
    """Maps that a null model draws of the truth: they know nothing of who holds what."""

    def maps(grid, profiles, prices, random):
        return [
            NULL_MODELS[null](
                OurColumn(grid=grid, ours=profile, other_times=np.empty((0, 0)), price=price),
                random,
                1,
            )[0]
            for profile, price in zip(profiles, prices, strict=True)
        ]

    return maps


def the_truth(grid, profiles, prices, random):
    return profiles


def stopped(grid, profiles, prices, random):
    """The map of the first instant for ever after, as of a program that loads nothing more."""
    return profiles[:1] * len(profiles)


def late(grid, profiles, prices, random):
    """Each map half a day too late, or too early where there is none so late."""
    return profiles[4:] + profiles[:4]


def off_by_one_percent(grid, profiles, prices, random):
    """The right levels at the wrong prices: further than the tolerance of a hit."""
    buckets = round(0.01 * prices[-1] / grid.size)
    return [np.roll(profile, buckets) for profile in profiles]


MARKETS = pytest.mark.parametrize(
    ("symbol", "seed"), [("BTCUSDT", 1), ("BTCUSDT", 2), ("ETHUSDT", 3), ("ETHUSDT", 4)]
)


@MARKETS
def test_the_markets_own_truth_passes(symbol, seed):
    assert shortfalls(Policy(), compared(the_truth, symbol, seed)) == []


@MARKETS
@pytest.mark.parametrize(
    ("ours", "reason"),
    [
        (drawn("uniform"), "the lift over uniform"),
        (drawn("distance_only"), "price level overlap"),
        (drawn("round_numbers"), "the lift over round numbers"),
        (off_by_one_percent, "price level overlap"),
        (stopped, "the lift over shifted in time"),
        (late, "the lift over shifted in time"),
    ],
    ids=["random", "distance only", "round numbers", "off by 1 %", "stopped", "late"],
)
def test_a_map_that_knows_nothing_or_too_little_fails(ours, reason, symbol, seed):
    found = shortfalls(Policy(), compared(ours, symbol, seed))
    assert any(reason in why for why in found), found


def test_chance_is_high_where_zones_are_many():
    """The trap that the gate is for: a raw hit rate says little, and leaves no room above it."""
    grid, profiles, prices = truth("BTCUSDT", 1)
    column = Column(
        grid=grid,
        reference=profiles[-1],
        ours=profiles[-1],
        other_times=np.column_stack(profiles[:4]),
        price=prices[-1],
    )
    found = lifts([column], seed=1, tolerance=0.02)["uniform"]
    assert found["hit_rate"].ours == 1.0
    assert found["hit_rate"].chance > 0.5
    assert found["hit_rate"].low == 0 < found["price_level_overlap"].low


def test_the_same_seed_gives_the_same_lifts():
    one, other = (compared(the_truth, "BTCUSDT", 1) for _ in range(2))
    assert one == other
