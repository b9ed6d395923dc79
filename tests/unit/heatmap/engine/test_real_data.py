"""On the real market: conservation, no look-ahead, and the same column in every window."""

import numpy as np
import pytest

from heatmap.engine import (
    Book,
    Candles,
    Heatmap,
    ModelParameters,
    OpenInterest,
    advance,
    checkpoints,
    compute_heatmap,
)
from tests.unit.heatmap.engine.real_market import (
    all_bracket_tables,
    real_brackets,
    real_candles,
    real_open_interest,
)

pytestmark = pytest.mark.real_data

SYMBOLS = pytest.mark.parametrize(
    ("symbol", "bin_size"), [("BTCUSDT", 50.0), ("ETHUSDT", 2.0), ("AVAXUSDT", 0.005)]
)
HOUR, DAY = 3_600_000, 86_400_000
MODEL = ModelParameters()


def market(symbol: str) -> tuple[Candles, OpenInterest, tuple]:
    """Candles of 5m for 59 days; for AVAX, of 1m with quote and taker volumes for 28."""
    if symbol == "AVAXUSDT":
        brackets = tuple(table for name, table in all_bracket_tables() if name == symbol)
        return real_candles(symbol, "1m", "monthly"), real_open_interest(symbol), brackets
    return real_candles(symbol, "5m"), real_open_interest(symbol), real_brackets(symbol)


def window(data, bin_size, duration, step, end=None, checkpoint=None, **options) -> Heatmap:
    end = int(data[0].end_time[-1]) if end is None else end
    columns = np.arange(end - duration, end + 1, step)
    return compute_heatmap(*data, MODEL, columns, bin_size, checkpoint, **options)


def assert_column_equal(one: Heatmap, other: Heatmap, instant: int) -> None:
    """The same bins hold the same USDT, to 1e-6; compared where the two price ranges meet."""
    _, in_one, in_other = np.intersect1d(one.prices, other.prices, return_indices=True)
    assert len(in_one) > 200
    row, other_row = (np.searchsorted(heatmap.times, instant) for heatmap in (one, other))
    for name in ("long", "short"):
        column = getattr(one, name).density[row, in_one]
        expected = getattr(other, name).density[other_row, in_other]
        assert column.any()
        np.testing.assert_allclose(column, expected, rtol=1e-6, atol=1e-12 * expected.max())


@SYMBOLS
def test_longs_and_shorts_are_the_open_interest_at_every_figure(symbol, bin_size):
    candles, open_interest, brackets = market(symbol)
    heatmap = compute_heatmap(
        candles, open_interest, brackets, MODEL, candles.end_time, 20 * bin_size
    )
    # Some figures come a second late: the candle that ended just before has none.
    _, at, figure = np.intersect1d(candles.end_time, open_interest.time, return_indices=True)
    assert len(at) > 0.999 * len(open_interest.time)
    figures = open_interest.contracts[figure]
    for side, book in ((heatmap.long, heatmap.book.longs), (heatmap.short, heatmap.book.shorts)):
        np.testing.assert_allclose(side.total[at], figures, rtol=1e-9)
        assert (side.unplaced >= 0).all()
        assert (side.density >= 0).all()
        assert (book.quantity > 0).all()
    # Cohort by cohort, once a day.
    daily = candles.end_time[candles.end_time % DAY == 0]
    for book in checkpoints(Book(), candles, open_interest, brackets, MODEL, daily):
        for side in (book.longs, book.shorts):
            total = side.quantity.sum() + side.unplaced
            assert total == pytest.approx(book.open_interest, rel=1e-9)
            assert side.total == pytest.approx(book.open_interest, rel=1e-12)


@SYMBOLS
def test_no_living_level_was_touched(symbol, bin_size):
    candles, open_interest, brackets = market(symbol)
    book = advance(Book(), candles, open_interest, brackets, MODEL)
    lowest = np.minimum.accumulate(candles.low[::-1])[::-1]
    highest = np.maximum.accumulate(candles.high[::-1])[::-1]
    for side, extreme, sign in ((book.longs, lowest, 1), (book.shorts, highest, -1)):
        since = np.searchsorted(candles.open_time, side.entry_time)
        later = since < len(candles.open_time)
        assert (sign * side.liquidation_price[later] < sign * extreme[since[later]]).all()


@SYMBOLS
def test_the_same_instant_is_the_same_column_in_every_window(symbol, bin_size):
    data = market(symbol)
    end = int(data[0].end_time[-1])
    start = np.array([end - 31 * DAY])
    (checkpoint,) = checkpoints(Book(), *data, MODEL, start)
    later = _from(data, int(checkpoint.time))
    week = window(data, bin_size, 7 * DAY, HOUR)
    others = [
        window(data, bin_size, 2 * DAY, 300_000),
        window(data, bin_size, 30 * DAY, 4 * HOUR),
        window(data, bin_size, 5 * DAY + HOUR, DAY // 2, end - 12 * HOUR),
        window(later, bin_size, 30 * DAY, 4 * HOUR, checkpoint=checkpoint),
        window(later, bin_size, 7 * DAY, HOUR, checkpoint=checkpoint),
        window(data, bin_size, 7 * DAY, HOUR, price_range=(week.prices[100], week.prices[-100])),
    ]
    for other in others:
        shared = np.intersect1d(week.times, other.times)
        assert len(shared) >= 3
        for instant in shared:
            assert_column_equal(week, other, instant)


@SYMBOLS
def test_a_column_knows_nothing_of_what_comes_after_it(symbol, bin_size):
    candles, open_interest, brackets = market(symbol)
    whole = window((candles, open_interest, brackets), bin_size, 7 * DAY, HOUR)
    for row in (1, 77, 120):
        instant = int(whole.times[row])
        count = int(np.searchsorted(candles.end_time, instant, side="right"))
        known = open_interest.time <= instant
        past = OpenInterest(open_interest.time[known], open_interest.contracts[known])
        truncated = compute_heatmap(
            candles.slice(0, count), past, brackets, MODEL, whole.times[: row + 1], bin_size
        )
        shared = np.intersect1d(whole.prices, truncated.prices, return_indices=True)[1:]
        for name in ("long", "short"):
            one, other = getattr(whole, name), getattr(truncated, name)
            assert (one.density[: row + 1, shared[0]] == other.density[:, shared[1]]).all()
            for amount in ("created", "consumed", "total", "unplaced"):
                assert (getattr(one, amount)[: row + 1] == getattr(other, amount)).all()


@SYMBOLS
def test_a_candle_still_open_is_not_in_the_column(symbol, bin_size):
    data = market(symbol)
    end = int(data[0].end_time[-1])
    open_ = window(data, bin_size, DAY, HOUR, end - 1)
    closed = window(data, bin_size, DAY, HOUR, end - data[0].interval_ms)
    assert (open_.long.total == closed.long.total).all()
    assert open_.book.time == end - data[0].interval_ms


def _from(data: tuple, instant: int) -> tuple[Candles, OpenInterest, tuple]:
    candles, open_interest, brackets = data
    first = int(np.searchsorted(candles.open_time, instant))
    keep = open_interest.time > instant
    later = OpenInterest(open_interest.time[keep], open_interest.contracts[keep])
    return candles.slice(first, len(candles.open_time)), later, brackets
