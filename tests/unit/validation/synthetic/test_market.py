from dataclasses import replace

import numpy as np
import pytest

from liqheat_project.kernel.instants import DAY_MS, HOUR_MS
from validation.synthetic.market import (
    FIVE_MINUTES,
    NEVER,
    open_lots,
    simulate_market,
    truth_profile,
)
from validation.synthetic.parameters import MarketParameters
from validation.synthetic.traders import LONG, SHORT

MONDAY = 20_458 * DAY_MS  # 2026-01-05
SMALL = MarketParameters(trades_per_day=4_000, openings_per_day=600, warm_up_days=1)


@pytest.fixture(scope="module", params=["BTCUSDT", "ETHUSDT"])
def market(request):
    return simulate_market(request.param, MONDAY, 2, seed=7, parameters=SMALL)


def test_equal_seeds_give_equal_markets_and_others_do_not():
    first, again, other = (simulate_market("BTCUSDT", MONDAY, 1, s, SMALL) for s in (7, 7, 8))
    for column in ("time", "price_ticks", "quantity_lots", "is_buyer_maker"):
        assert np.array_equal(getattr(first.trades, column), getattr(again.trades, column))
    assert np.array_equal(first.positions.liquidation_price, again.positions.liquidation_price)
    assert not np.array_equal(first.open_interest, other.open_interest)


def test_longs_equal_shorts_equal_open_interest_at_every_five_minutes(market):
    instants = np.arange(market.start, market.end + 1, FIVE_MINUTES)
    assert np.array_equal(market.open_interest_time, instants)
    for side in (LONG, SHORT):
        lots = open_lots(market.positions.where(market.positions.side == side), instants)
        assert np.array_equal(lots / market.instrument.lots_per_contract, market.open_interest)
    assert market.open_interest.min() > 0


def test_longs_equal_shorts_between_any_two_trades(market):
    instants = market.trades.time + 1
    longs, shorts = (
        open_lots(market.positions.where(market.positions.side == side), instants)
        for side in (LONG, SHORT)
    )
    assert np.array_equal(longs, shorts)


def test_open_interest_sums_the_open_positions(market):
    for index in (0, 100, -1):
        held = market.open_positions(int(market.open_interest_time[index]))
        for side in (LONG, SHORT):
            contracts = held.contracts[held.side == side].sum()
            assert contracts == pytest.approx(market.open_interest[index], rel=1e-12)


@pytest.mark.parametrize(
    ("side", "leverage", "expected"),
    [
        (LONG, 5, 80_321.3),
        (LONG, 25, 96_385.5),
        (LONG, 100, 99_397.6),
        (SHORT, 5, 119_521.9),
        (SHORT, 25, 103_585.7),
        (SHORT, 100, 100_597.6),
    ],
)
def test_liquidation_prices_are_those_of_the_exchange(market, side, leverage, expected):
    positions = market.positions
    chosen = positions.where((positions.side == side) & (positions.leverage == leverage))
    assert chosen.side.size > 10
    assert chosen.liquidation_price / chosen.entry_price * 100_000 == pytest.approx(
        expected, abs=0.1
    )


def test_the_liquidated_leave_at_the_first_trade_that_touches_their_price(market):
    trades, price = market.trades, market.trades.price
    liquidated = market.liquidations()
    seen = liquidated.where(liquidated.entry_time >= market.start)
    assert set(seen.side.tolist()) == {LONG, SHORT}
    for side, limit, entry, leave, leave_price in zip(
        seen.side,
        seen.liquidation_price,
        seen.entry_time,
        seen.exit_time,
        seen.exit_price,
        strict=True,
    ):
        rows = np.flatnonzero(trades.time > entry)
        touch = rows[np.argmax(side * price[rows] <= side * limit)]
        assert (trades.time[touch], price[touch]) == (leave, leave_price)


def test_nobody_survives_a_touch(market):
    trades, price = market.trades, market.trades.price
    held = market.positions.where(
        (market.positions.entry_time >= market.start) & ~market.positions.liquidated
    )
    for side, limit, entry, leave in zip(
        held.side, held.liquidation_price, held.entry_time, held.exit_time, strict=True
    ):
        # Trades of the very millisecond in which a position opened or closed may be either's.
        while_open = (trades.time > entry) & (trades.time < leave)
        assert not np.any(side * price[while_open] <= side * limit)


def test_a_liquidated_long_is_sold_and_a_liquidated_short_is_bought(market):
    liquidated = market.liquidations()
    trades = market.trades
    for side, time, price in zip(
        liquidated.side, liquidated.exit_time, liquidated.exit_price, strict=True
    ):
        row = np.flatnonzero((trades.time == time) & (trades.price == price))
        assert (trades.is_buyer_maker[row] == (side == LONG)).any()


def test_trades_carry_at_least_the_contracts_of_the_positions_they_open(market):
    positions = market.positions
    rows = np.unique(market.trades.time)
    traded = np.zeros(rows.size, dtype=np.int64)
    np.add.at(traded, np.searchsorted(rows, market.trades.time), market.trades.quantity_lots)
    longs = positions.where((positions.side == LONG) & (positions.entry_time >= market.start))
    opened = np.zeros_like(traded)
    np.add.at(opened, np.searchsorted(rows, longs.entry_time), longs.lots)
    assert np.all(opened <= traded)
    assert opened.sum() > 0


def test_trades_are_ordered_and_inside_the_market(market):
    trades = market.trades
    assert np.all(np.diff(trades.time) >= 0)
    assert market.start <= trades.time[0] <= trades.time[-1] < market.end
    assert np.all(np.diff(trades.agg_trade_id) == 1)
    assert np.array_equal(trades.first_trade_id[1:], trades.last_trade_id[:-1] + 1)
    assert np.all(trades.last_trade_id >= trades.first_trade_id)
    assert trades.quantity_lots.min() >= 1


def test_the_price_is_plausible(market):
    start_price = market.instrument.start_price
    assert np.all(np.abs(np.log(market.trades.price / start_price)) < 0.3)
    assert market.trades.price[0] == pytest.approx(start_price, rel=0.01)


def test_leverages_follow_the_mix_and_positions_stay_in_the_first_bracket(market):
    positions = market.positions
    levered = positions.where(positions.leverage > 1)
    assert (levered.contracts * levered.liquidation_price).max() <= 300_000
    one_row_each = np.unique(positions.trader, return_index=True)[1]
    shares = np.mean(positions.leverage[one_row_each][:, None] == [1, 5, 10, 25, 50, 100], axis=0)
    expected = [0.25, 0.1125, 0.225, 0.1875, 0.15, 0.075]
    assert shares == pytest.approx(expected, abs=0.04)
    assert shares.sum() == pytest.approx(1)


def test_positions_are_held_for_minutes_to_weeks(market):
    closed = market.positions.where(market.positions.exit_time < NEVER)
    held = closed.exit_time - closed.entry_time
    assert np.median(held) < 6 * HOUR_MS
    assert np.quantile(held, 0.05) < HOUR_MS
    assert (market.end - market.open_positions(market.end).entry_time).max() > DAY_MS


def test_stops_spare_most_traders_their_liquidation():
    liquidated = [
        simulate_market("BTCUSDT", MONDAY, 1, 7, replace(SMALL, stop_loss_share=share))
        .liquidations()
        .side.size
        for share in (0.0, 0.7)
    ]
    assert 0 < liquidated[1] < liquidated[0] / 2


def test_several_times_the_open_interest_is_traded_a_day(market):
    days = (market.end - market.start) / DAY_MS
    traded = market.trades.quantity.sum() / market.open_interest.mean() / days
    opened = np.maximum(np.diff(market.open_interest), 0).sum() / market.open_interest.mean() / days
    assert traded > 1.9
    assert opened < traded / 4


def test_the_profile_holds_every_open_contract_once_in_the_bin_of_its_price(market):
    instant = market.end - DAY_MS // 2
    held = market.open_positions(instant)
    bin_size = market.instrument.start_price / 1_000
    edges, long_usdt, short_usdt = truth_profile(market, instant, bin_size)
    assert edges.size == long_usdt.size + 1 == short_usdt.size + 1
    assert np.allclose(np.diff(edges), bin_size)
    for side, profile in ((LONG, long_usdt), (SHORT, short_usdt)):
        of_side = held.side == side
        expected, _ = np.histogram(
            held.liquidation_price[of_side],
            edges,
            weights=(held.contracts * held.liquidation_price)[of_side],
        )
        assert profile == pytest.approx(expected)


def test_the_profile_of_what_opened_since_leaves_older_positions_out(market):
    everything = truth_profile(market, market.end, 10.0)
    since = truth_profile(market, market.end, 10.0, opened_since=market.start)
    assert 0 < since[1].sum() < everything[1].sum()
    edges, long_usdt, short_usdt = truth_profile(market, market.end, 10.0, opened_since=market.end)
    assert (edges.size, long_usdt.size, short_usdt.size) == (1, 0, 0)


def test_what_happens_at_an_instant_is_not_yet_in_the_book_at_it(market):
    positions = market.positions
    first = int(np.argmax((positions.entry_time > market.start) & (positions.exit_time < NEVER)))
    position = positions.where(np.array([first]))
    entry, leave = int(position.entry_time[0]), int(position.exit_time[0])
    instants = np.array([entry, entry + 1, leave, leave + 1])
    expected = [False, True, True, False]
    assert [position.open_at(int(instant)).side.size == 1 for instant in instants] == expected
    assert (open_lots(position, instants) > 0).tolist() == expected


def test_without_warm_up_the_market_begins_empty():
    market = simulate_market("BTCUSDT", MONDAY, 1, 7, replace(SMALL, warm_up_days=0))
    assert market.open_interest[0] == 0
    assert market.open_interest[-1] > 0
    assert market.positions.entry_time.min() >= market.start
    assert np.any(market.positions.exit_time == NEVER)


@pytest.mark.parametrize(
    ("symbol", "start", "days", "reason"),
    [
        ("NOSUCHUSDT", MONDAY, 1, "NOSUCHUSDT"),
        ("BTCUSDT", MONDAY + 1, 1, "midnight"),
        ("BTCUSDT", MONDAY, 0, "one day or more"),
    ],
)
def test_refuses_what_it_cannot_simulate(symbol, start, days, reason):
    with pytest.raises(ValueError, match=reason):
        simulate_market(symbol, start, days, 7, SMALL)


def test_refuses_an_instant_outside_the_market(market):
    with pytest.raises(ValueError, match="outside the market"):
        market.open_positions(market.end + 1)
