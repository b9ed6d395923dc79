"""The model's rules one by one, on markets small enough to check by hand."""

from dataclasses import replace

import numpy as np
import pytest

from heatmap.engine import (
    NET_OPEN_INTEREST,
    BracketTable,
    Gap,
    TradedPrices,
    compute_heatmap,
)
from tests.unit.heatmap.engine.markets import (
    BTC_BRACKETS,
    FIVE_MINUTES,
    MINUTE,
    ROUND_BRACKETS,
    START,
    candles_of,
    open_interest_of,
)

ONLY_10X = replace(
    NET_OPEN_INTEREST,
    long_leverage_weights=((10.0, 1.0),),
    short_leverage_weights=((10.0, 1.0),),
)
FLAT = (100.0, 100.0, 100.0, 100.0)


def after(rows, figures, *, model=ONLY_10X, brackets=(ROUND_BRACKETS,), trades=None, **candles):
    """The heatmap at the end of the last candle, and at every candle's end before it."""
    candles = candles_of(rows, **candles)
    return compute_heatmap(
        candles,
        open_interest_of(figures),
        brackets,
        model,
        candles.end_time,
        1.0,
        price_range=(0.0, 300.0),
        trades=trades,
    )


def levels(plane: np.ndarray) -> dict[int, float]:
    return {int(bin_): float(plane[bin_]) for bin_ in np.flatnonzero(plane)}


def test_a_figure_belongs_to_the_candle_that_ends_with_it():
    rows = [FLAT, (200.0, 200.0, 200.0, 200.0)]
    heatmap = after(rows, {0: 10, FIVE_MINUTES: 15, 2 * FIVE_MINUTES: 15})
    assert levels(heatmap.long_density[0]) == {90: pytest.approx(5 * 90)}
    assert levels(heatmap.short_density[0]) == {110: pytest.approx(5 * 110)}


def test_each_new_contract_opens_one_long_and_one_short():
    heatmap = after([FLAT], {0: 10, FIVE_MINUTES: 12})
    assert heatmap.long.created[0] == heatmap.short.created[0] == pytest.approx(200)
    assert heatmap.positions_created[0] == pytest.approx(400)
    assert heatmap.total_long == pytest.approx(2 * 90)
    assert heatmap.total_short == pytest.approx(2 * 110)


def test_a_price_move_alone_creates_nothing():
    rows = [(100.0, 140.0, 95.0, 120.0), (120.0, 180.0, 110.0, 170.0)]
    heatmap = after(rows, {0: 10, FIVE_MINUTES: 10, 2 * FIVE_MINUTES: 10})
    assert not heatmap.long_density.any()
    assert not heatmap.positions_created.any()


@pytest.mark.parametrize(("low", "alive"), [(90.01, True), (90.0, False), (89.0, False)])
def test_a_long_is_consumed_when_a_later_low_touches_its_level(low, alive):
    rows = [(100.0, 150.0, 50.0, 100.0), (100.0, 100.0, low, 100.0)]
    figures = {0: 10, FIVE_MINUTES: 15}
    heatmap = after(rows, figures)
    assert levels(heatmap.long_density[0]) == {90: pytest.approx(450)}, "opened by its own candle"
    assert bool(heatmap.long_density[1].any()) is alive
    assert heatmap.long.consumed[1] == (0 if alive else pytest.approx(450))
    assert heatmap.short.consumed[1] == 0


@pytest.mark.parametrize(("high", "alive"), [(109.99, True), (110.0, False)])
def test_a_short_is_consumed_when_a_later_high_touches_its_level(high, alive):
    heatmap = after([FLAT, (100.0, high, 100.0, 100.0)], {0: 10, FIVE_MINUTES: 15})
    assert bool(heatmap.short_density[1].any()) is alive


def test_the_mark_price_decides_where_it_is_loaded():
    rows = [FLAT, (100.0, 100.0, 80.0, 100.0), (100.0, 100.0, 80.0, 100.0)]
    heatmap = after(
        rows,
        {0: 10, FIVE_MINUTES: 15},
        mark_low=[np.nan, 95.0, np.nan],
        mark_high=[np.nan] * 3,
    )
    assert heatmap.long_density[1].any()
    assert not heatmap.long_density[2].any()


def test_consumed_contracts_are_not_taken_from_the_survivors_again():
    # 5 longs at 90 are liquidated and open interest falls by exactly 5: the unplaced 10 stay.
    rows = [FLAT, (100.0, 100.0, 85.0, 85.0)]
    heatmap = after(rows, {0: 10, FIVE_MINUTES: 15, 2 * FIVE_MINUTES: 10})
    assert heatmap.long.unplaced[1] == pytest.approx(10)
    assert heatmap.long.total[1] == heatmap.short.total[1] == 10
    # No short was liquidated: they close pro rata.
    assert heatmap.short.unplaced[1] == pytest.approx(10 * 10 / 15)
    assert levels(heatmap.short_density[1]) == {110: pytest.approx(5 * 110 * 10 / 15)}


def test_a_fall_to_zero_empties_the_book_and_the_next_rise_fills_it():
    rows = [FLAT] * 3
    heatmap = after(rows, {0: 10, FIVE_MINUTES: 15, 2 * FIVE_MINUTES: 0, 3 * FIVE_MINUTES: 4})
    assert heatmap.long.total.tolist() == [15, 0, 4]
    assert heatmap.long.unplaced.tolist() == [10, 0, 0]
    assert levels(heatmap.long_density[2]) == {90: pytest.approx(360)}


def test_what_was_open_before_the_history_has_no_level_and_is_reported():
    heatmap = after([FLAT, FLAT], {FIVE_MINUTES: 30, 2 * FIVE_MINUTES: 40})
    assert heatmap.unplaced_share.tolist() == [1.0, 0.75]
    assert heatmap.book.unplaced_share == 0.75


def test_fine_candles_book_the_change_at_the_figure_and_consume_in_between():
    rows = [(p, p, p, p) for p in (100.0, 100.0, 100.0, 100.0, 120.0, 100.0, 90.0, 100.0)]
    volume = [1.0, 1.0, 1.0, 1.0, 4.0, 1.0, 1.0, 1.0]
    heatmap = after(rows, {0: 10, FIVE_MINUTES: 15}, interval_ms=MINUTE, volume=volume)
    entry = (4 * 100 + 4 * 120) / 8
    assert not heatmap.long_density[:4].any()
    assert levels(heatmap.long_density[4]) == {99: pytest.approx(5 * entry * 0.9)}
    assert heatmap.long_density[5].any(), "100 is above 99"
    assert not heatmap.long_density[6].any()
    assert heatmap.long.total[6] == 10


def test_coarse_candles_take_the_last_figure_inside():
    figures = {0: 10, FIVE_MINUTES: 11, 2 * FIVE_MINUTES: 17, 3 * FIVE_MINUTES + 1: 99}
    heatmap = after([FLAT], figures, interval_ms=3 * FIVE_MINUTES)
    assert heatmap.long.total.tolist() == [17]
    assert levels(heatmap.long_density[0]) == {90: pytest.approx(7 * 90)}


def test_quote_volume_gives_the_entry_price_where_it_is_known():
    row = (100.0, 110.0, 90.0, 100.0)
    heatmap = after([row], {0: 10, FIVE_MINUTES: 11}, volume=[2.0], quote_volume=[208.0])
    assert heatmap.book.longs.entry_price == pytest.approx(104)


def test_entries_spread_over_traded_prices_only_when_asked_for():
    trades = TradedPrices(
        np.array([START - 1, START, START + 1, START + FIVE_MINUTES]),
        np.array([50.0, 100.0, 120.0, 70.0]),
        np.array([9.0, 3.0, 1.0, 9.0]),
    )
    figures = {0: 10, FIVE_MINUTES: 14}
    plain = after([FLAT], figures, trades=trades)
    assert levels(plain.long_density[0]) == {90: pytest.approx(360)}
    model = replace(
        ONLY_10X,
        spread_entries=True,
    )
    spread = after([FLAT], figures, model=model, trades=trades)
    assert levels(spread.long_density[0]) == {90: pytest.approx(270), 108: pytest.approx(108)}


def test_a_leverage_that_is_not_allowed_folds_into_the_highest_allowed():
    model = replace(
        NET_OPEN_INTEREST, position_notional=13_000_000
    )  # fifth BTC bracket: 25x at most
    heatmap = after([FLAT], {0: 10, FIVE_MINUTES: 110}, model=model, brackets=(BTC_BRACKETS,))
    by_leverage = dict(zip(heatmap.book.longs.leverage, heatmap.book.longs.quantity, strict=True))
    assert by_leverage == pytest.approx({5.0: 15.0, 10.0: 30.0, 25.0: 55.0})


def test_new_brackets_hold_for_what_opens_when_they_begin():
    five = BracketTable(START + FIVE_MINUTES, [0], [1e9], [0], [0], [5])
    heatmap = after([FLAT], {0: 10, FIVE_MINUTES: 15}, brackets=(ROUND_BRACKETS, five))
    assert heatmap.book.longs.leverage.tolist() == [5]


def test_when_all_is_liquidated_nothing_is_left_of_it():
    crash = (100.0, 100.0, 10.0, 10.0)
    figures = {0: 0, FIVE_MINUTES: 0.1, 2 * FIVE_MINUTES: 0.3, 3 * FIVE_MINUTES: 0.7}
    heatmap = after([FLAT] * 3 + [crash], figures, model=NET_OPEN_INTEREST)
    assert heatmap.long.total.tolist() == [0.1, 0.3, 0.7, 0.0]


def test_taker_imbalance_tilts_the_mix_but_never_the_count():
    figures = {0: 10, FIVE_MINUTES: 110}
    bought = {"volume": [8.0], "taker_buy_volume": [8.0]}
    plain = after([FLAT], figures, model=NET_OPEN_INTEREST, **bought)
    tilted = after([FLAT], figures, model=replace(NET_OPEN_INTEREST, taker_tilt=0.5), **bought)
    for side, more_leverage in (("longs", True), ("shorts", False)):
        before, now = getattr(plain.book, side), getattr(tilted.book, side)
        assert now.quantity.sum() == pytest.approx(100)
        mean = [np.average(book.leverage, weights=book.quantity) for book in (before, now)]
        assert bool(mean[1] > mean[0]) is more_leverage


def test_gaps_are_marked_and_an_increase_over_one_has_no_level():
    # Candles 2 and 3 are missing; so are the figures from 10 to 25 minutes.
    places = [0, 1, 4, 5]
    open_time = [START + FIVE_MINUTES * place for place in places]
    minutes = {0: 10, 5: 12, 30: 20, 35: 5}
    figures = {MINUTE * minute: contracts for minute, contracts in minutes.items()}
    heatmap = after([FLAT] * 4, figures, open_time=open_time)
    assert heatmap.gaps == [
        Gap("open_interest", START + 5 * MINUTE, START + 30 * MINUTE),
        Gap("candles", START + 10 * MINUTE, START + 20 * MINUTE),
    ]
    assert heatmap.long.unplaced.tolist() == [10, 10, 10, 18]
    assert levels(heatmap.long_density[3]) == {90: pytest.approx(180)}


def test_a_window_without_data_is_a_gap_at_its_end():
    candles = candles_of([FLAT])
    columns = START + FIVE_MINUTES * np.arange(1, 4)
    figures = open_interest_of({0: 10, FIVE_MINUTES: 15})
    heatmap = compute_heatmap(candles, figures, (ROUND_BRACKETS,), ONLY_10X, columns, 1.0)
    end = START + FIVE_MINUTES
    assert Gap("candles", end, START + 3 * FIVE_MINUTES) in heatmap.gaps
    assert (heatmap.long_density[0] == heatmap.long_density[2]).all()
    assert heatmap.book.time == end
