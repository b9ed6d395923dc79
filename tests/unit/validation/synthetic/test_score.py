import numpy as np
import pytest

from heatmap.engine import Candles
from liqheat_project.kernel.instants import DAY_MS
from validation.compare.metrics import rank_correlation
from validation.synthetic.market import FIVE_MINUTES, simulate_market
from validation.synthetic.parameters import MarketParameters
from validation.synthetic.score import (
    ONE_SIDED,
    SIDES,
    Bins,
    one_sided_profiles,
    score_instants,
    score_market,
    score_profile,
    true_profiles,
)

MONDAY = 20_458 * DAY_MS  # 2026-01-05
SMALL = MarketParameters(trades_per_day=4_000, openings_per_day=1_500, warm_up_days=1)


@pytest.fixture(scope="module", params=[1, 2])
def market(request):
    return simulate_market("BTCUSDT", MONDAY, 3, request.param, SMALL)


def test_turnover_is_closer_to_the_truth_than_simpler_models(market):
    models = score_market(market, score_instants(market))
    for side in SIDES:
        turnover = models["turnover"][side].rank_correlation
        assert turnover > 0.4, side
        assert turnover > models["net-open-interest"][side].rank_correlation, side
        assert not turnover <= models[ONE_SIDED][side].rank_correlation, side
    turnover, one_sided = models["turnover"]["both"], models[ONE_SIDED]["both"]
    assert turnover.rank_correlation > one_sided.rank_correlation + 0.1
    assert turnover.earth_movers_distance < one_sided.earth_movers_distance / 2


def test_the_truth_scores_best_and_a_shuffled_one_knows_nothing(market):
    price = float(market.trades.price[-1])
    bins = Bins.around(price, 50.0)
    profiles = true_profiles(market, market.end, bins)
    for side in ("long", "short"):
        truth = profiles[side]
        itself = score_profile(truth, truth, bins)
        assert itself.rank_correlation == pytest.approx(1)
        assert itself.earth_movers_distance == 0
    filled = truth[truth > 0]
    shuffled = np.random.default_rng(1).permutation(filled)
    assert abs(rank_correlation(shuffled, filled)) < 3 / np.sqrt(len(filled))


def test_rank_correlation_knows_order_only_and_shares_equal_ranks():
    ascending = np.array([1.0, 2, 3, 4])
    assert rank_correlation(ascending, ascending**3) == pytest.approx(1)
    assert rank_correlation(ascending, -ascending) == pytest.approx(-1)
    assert rank_correlation(ascending, np.array([1.0, 1, 2, 2])) == pytest.approx(2 / np.sqrt(5))
    assert np.isnan(rank_correlation(ascending, np.ones(4)))


def test_earth_movers_distance_is_the_shift_in_percent_of_the_price():
    bins = Bins.around(1_000.0, 1.0)
    levels, usdt = np.array([900.5, 950.5]), np.array([5.0, 7.0])
    first, shifted = bins.profile(levels, usdt), bins.profile(levels + 20, 3 * usdt)
    assert score_profile(first, shifted, bins).earth_movers_distance == pytest.approx(2)
    assert np.isnan(score_profile(first, 0 * first, bins).earth_movers_distance)


def test_the_one_sided_model_opens_by_colour_loses_what_is_touched_and_shrinks_with_all():
    # Green, red, then a dip that touches the longs at 25x to 100x while open interest falls.
    open_, close = np.array([100.0, 100, 100]), np.array([100.0, 99.9, 100])
    low = np.array([100.0, 99.9, 95.5])
    candles = Candles(
        open_time=np.arange(3) * FIVE_MINUTES,
        open=open_,
        high=np.maximum(open_, close),
        low=low,
        close=close,
        volume=np.ones(3),
        quote_volume=np.full(3, 100.0),
        taker_buy_volume=np.ones(3),
        interval_ms=FIVE_MINUTES,
    )
    bins = Bins.around(100.0, 0.1)
    contracts = np.array([0.0, 10, 20, 20])
    before = one_sided_profiles(candles.slice(0, 2), contracts[:3], bins)
    # 5x lies beyond the 15 % shown.
    assert before["long"].sum() == pytest.approx(1_000 * 0.85)
    assert before["long"][903 - 3 - bins.first] == pytest.approx(1_000 * 0.30)
    assert before["short"].sum() == pytest.approx(998 * 0.85)
    fall = np.append(contracts[:3], 15.0)
    held = 1_000 * 0.45 + 998
    left = 1 - (20 * 99.9 - 1_500) / held
    after = one_sided_profiles(candles, fall, bins)
    assert after["long"].sum() == pytest.approx(1_000 * 0.30 * left)
    assert after["short"].sum() == pytest.approx(998 * 0.85 * left)
