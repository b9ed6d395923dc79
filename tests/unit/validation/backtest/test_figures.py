"""The figures on markets whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest

from heatmap.engine import (
    LONG,
    SHORT,
    Book,
    ModelParameters,
    OpenInterest,
    checkpoints,
    default_bin_size,
)
from validation.backtest.events import Events
from validation.backtest.figures import Sight, lifts, lifts_by_distance, rank
from validation.backtest.sights import Levels, Placed, buckets_of, levels_of, place, sights
from validation.compare.metrics import Grid
from validation.compare.nulls import NULL_MODELS, OurColumn
from validation.synthetic.market import Market, simulate_market
from validation.synthetic.parameters import MarketParameters
from validation.synthetic.score import BRACKETS, candles_of

START, DAY, EVENTS, DRAWS = 1_730_332_800_000, 86_400_000, 300, 10


@pytest.fixture(scope="module")
def market() -> Market:
    # Stops clear the place in front of the price: there even the true map is thin.
    parameters = MarketParameters(trades_per_day=20_000, stop_loss_share=0.0)
    return simulate_market("ETHUSDT", START, 10, 7, parameters)


@pytest.fixture(scope="module")
def placed(market) -> Placed:
    """Some of what was liquidated after the first day."""
    truth = market.liquidations()
    usd = truth.contracts * truth.exit_price
    events = Events(truth.exit_time, truth.side, truth.exit_price, usd)
    found, outside, off_market = place(events, [candles_of(market)])
    assert (outside, off_market) == (0, 0)
    found = found.chosen(found.time > market.start + DAY)
    return found.chosen(np.linspace(0, len(found) - 1, EVENTS).astype(int))


@pytest.fixture(scope="module")
def bin_size(placed) -> float:
    return default_bin_size(float(placed.last_price.max()), 0.01)


@pytest.fixture(scope="module")
def true_sights(market, placed, bin_size) -> list[Sight]:
    """The events on the map of who really held what."""
    first, count = buckets_of(placed, bin_size)
    levels = {}
    for instant in np.unique(placed.instant).tolist():
        open_ = market.open_positions(instant)
        bucket = np.floor(open_.liquidation_price / bin_size).astype(int) - first
        inside = (bucket >= 0) & (bucket < count)
        usd = open_.contracts * open_.liquidation_price
        by_side = {}
        for side in (LONG, SHORT):
            chosen = inside & (open_.side == side)
            by_side[side] = np.bincount(bucket[chosen], usd[chosen], count)
        levels[instant] = Levels(first, by_side)
    return sights(placed, levels, bin_size)


def test_in_the_true_map_events_rank_above_every_null_model(true_sights):
    found = lifts(rank(true_sights, seed=1, draws=DRAWS), seed=1)
    assert {name: lift.low > 0 for name, lift in found.items()} == dict.fromkeys(NULL_MODELS, True)


def test_in_the_engine_s_map_they_do_as_well(market, placed, bin_size):
    buckets = buckets_of(placed, bin_size)
    instants = np.unique(placed.instant)
    open_interest = OpenInterest(market.open_interest_time, market.open_interest)
    books = checkpoints(
        Book(), candles_of(market), open_interest, BRACKETS, ModelParameters(), instants
    )
    levels = {
        instant: levels_of(book, *buckets, bin_size)
        for instant, book in zip(instants.tolist(), books, strict=True)
    }
    found = lifts(rank(sights(placed, levels, bin_size), seed=1, draws=DRAWS), seed=1)
    assert {name: lift.low > 0 for name, lift in found.items()} == dict.fromkeys(NULL_MODELS, True)


def test_events_at_random_prices_do_not(true_sights):
    random = np.random.default_rng(3)
    moved = []
    for sight in true_sights:
        grid = sight.column.grid
        moved.append(replace(sight, price=grid.lower + random.uniform() * grid.size * grid.count))
    found = lifts(rank(moved, seed=1, draws=DRAWS), seed=1)
    assert all(lift.low < 0 < lift.high for lift in found.values())
    assert found["uniform"].ours == pytest.approx(0.5, abs=0.05)


def sight(bucket: int, hour: int, distance: float = 0.0) -> Sight:
    """One event on a map whose amounts rise with the price."""
    ours = np.arange(10.0)
    column = OurColumn(
        grid=Grid(100.0, 1.0, 10), ours=ours, other_times=np.empty((10, 0)), price=105.0
    )
    return Sight(column, 100.5 + bucket, hour * 3_600_000 + 5, distance)


def test_events_of_one_hour_are_not_many_findings():
    spread = [sight(bucket, hour) for hour, bucket in enumerate([9] * 20 + [5] * 20)]
    cascade = [sight(bucket, hour=bucket) for bucket in [9] * 20 + [5] * 20]
    wide, narrow = (
        lifts(rank(sights_, seed=1, draws=DRAWS), seed=1)["uniform"]
        for sights_ in (cascade, spread)
    )
    assert wide.ours == narrow.ours == pytest.approx((0.95 + 0.55) / 2)
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_what_has_no_other_time_has_no_lift_over_it():
    found = lifts(rank([sight(9, 0), sight(8, 1)], seed=1, draws=DRAWS), seed=1)
    assert np.isnan(found["shifted_in_time"].lift)
    assert np.isfinite(found["uniform"].lift)


def test_groups_of_distances_hold_every_event_once():
    distances = [-0.003, 0.0, 0.0009, 0.001, 0.004, 0.03, 0.4]
    ranks = rank([sight(9, hour, d) for hour, d in enumerate(distances)], seed=1, draws=2)
    groups = lifts_by_distance(ranks, seed=1)
    assert [(group.low, group.events) for group in groups] == [
        (0.0, 3),
        (0.001, 1),
        (0.002, 1),
        (0.02, 1),
        (0.05, 1),
    ]
