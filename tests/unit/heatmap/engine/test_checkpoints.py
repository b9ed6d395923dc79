"""A book that was written down and read again goes on as if nothing had happened."""

import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heatmap.engine import (
    NET_OPEN_INTEREST,
    Book,
    Heatmap,
    ModelParameters,
    OpenInterest,
    TradedPrices,
    advance,
    checkpoints,
    compute_heatmap,
)
from tests.unit.heatmap.engine.markets import (
    FIVE_MINUTES,
    ROUND_BRACKETS,
    START,
    STEEP_BRACKETS,
    candles_of,
    markets,
    open_interest_of,
    parameters,
)

BRACKETS = (ROUND_BRACKETS, STEEP_BRACKETS)
WHOLE_RANGE = (0.0, 400_000.0)
ALL_MARKETS = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))


def through_a_file(book: Book) -> Book:
    file = io.BytesIO()
    np.savez(file, **book.to_arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        return Book.from_arrays(arrays)


def heatmap_of(market, model, columns, checkpoint=None, **options) -> Heatmap:
    return compute_heatmap(
        *market, BRACKETS, model, columns, 1000.0, checkpoint, price_range=WHOLE_RANGE, **options
    )


def assert_close(one: Heatmap, other: Heatmap) -> None:
    for name in ("long", "short"):
        for amount in ("density", "created", "consumed", "total", "unplaced"):
            values, expected = (getattr(getattr(heatmap, name), amount) for heatmap in (one, other))
            largest = np.abs(expected).max(initial=1e-9)
            np.testing.assert_allclose(values, expected, rtol=2e-7, atol=1e-9 * largest)


@ALL_MARKETS
@given(markets(), parameters(), st.data())
def test_a_checkpoint_anywhere_changes_nothing(market, model, data):
    candles, open_interest = market
    if not len(candles.open_time):
        return
    count = len(candles.open_time)
    stop = data.draw(st.integers(0, count - 1))
    columns = candles.end_time[stop:]
    interval = {"column_interval_ms": candles.interval_ms}
    whole = heatmap_of(market, model, columns, **interval)
    until = int(candles.open_time[stop])
    (book,) = checkpoints(Book(), candles, open_interest, BRACKETS, model, np.array([until]))
    later = OpenInterest(
        open_interest.time[open_interest.time > book.time],
        open_interest.contracts[open_interest.time > book.time],
    )
    book = through_a_file(book)
    assert_close(heatmap_of(market, model, columns, book, **interval), whole)
    rest = candles.slice(stop, count), later
    assert_close(heatmap_of(rest, model, columns, book, **interval), whole)


@ALL_MARKETS
@given(markets(), parameters(), st.data())
def test_the_future_changes_no_column_by_a_bit(market, model, data):
    candles, open_interest = market
    if not len(candles.open_time):
        return
    stop = data.draw(st.integers(1, len(candles.open_time)))
    columns = candles.end_time[:stop]
    known = open_interest.time <= columns[-1]
    past = OpenInterest(open_interest.time[known], open_interest.contracts[known])
    interval = {"column_interval_ms": candles.interval_ms}
    whole = heatmap_of(market, model, candles.end_time, **interval)
    truncated = heatmap_of((candles.slice(0, stop), past), model, columns, **interval)
    for name in ("long", "short"):
        for amount in ("density", "created", "consumed", "total", "unplaced"):
            values = getattr(getattr(whole, name), amount)[:stop]
            assert (values == getattr(getattr(truncated, name), amount)).all(), amount


@ALL_MARKETS
@given(markets(), parameters())
def test_the_cohorts_add_up_to_the_open_interest(market, model):
    candles, open_interest = market
    known = np.isfinite(open_interest.contracts)
    for book in checkpoints(Book(), *market, BRACKETS, model, candles.end_time):
        for side in (book.longs, book.shorts):
            assert side.quantity.sum() + side.unplaced == pytest.approx(side.total, rel=1e-9)
        at_end = known & (open_interest.time == book.time)
        if at_end.any():
            figure = float(open_interest.contracts[at_end][0])
            assert book.longs.total == book.shorts.total == book.open_interest == figure


def test_hard_closing_does_not_wear_the_book_out():
    # 400 times 99 % of everything closes: the scale would fall to 1e-800.
    figures = {0: 1.0}
    for i in range(1, 801):
        figures[i * FIVE_MINUTES] = 100.0 if i % 2 else 1.0
    candles = candles_of([(100.0, 100.0, 100.0, 100.0)] * 800)
    book = advance(Book(), candles, open_interest_of(figures), BRACKETS, ModelParameters())
    for side in (book.longs, book.shorts):
        assert side.quantity.sum() + side.unplaced == pytest.approx(1.0, rel=1e-9)
        assert side.quantity.sum() > 0.98


def test_the_entry_price_remembers_the_candles_before_a_checkpoint():
    candles = candles_of([(p, p, p, p) for p in (100.0, 110.0, 120.0, 90.0, 80.0)], 60_000)
    figures = open_interest_of({0: 10.0, FIVE_MINUTES: 30.0})
    model = NET_OPEN_INTEREST
    book = advance(Book(), candles.slice(0, 3), figures, BRACKETS, model)
    book = advance(through_a_file(book), candles.slice(3, 5), figures, BRACKETS, model)
    np.testing.assert_allclose(book.longs.entry_price, 100.0)


def test_trades_are_found_again_across_a_checkpoint():
    model = ModelParameters(spread_entries=True)
    candles = candles_of([(100.0, 100.0, 100.0, 100.0)] * 5, interval_ms=60_000)
    figures = open_interest_of({0: 10.0, FIVE_MINUTES: 30.0})
    trades = TradedPrices(
        START + 60_000 * np.arange(5), 100.0 + np.arange(5), np.array([1.0, 2.0, 0.0, 4.0, 3.0])
    )
    whole = advance(Book(), candles, figures, BRACKETS, model, trades=trades)
    halfway = advance(Book(), candles.slice(0, 3), figures, BRACKETS, model, trades=trades)
    assert halfway.pending_since == START
    rest = advance(halfway, candles.slice(3, 5), figures, BRACKETS, model, trades=trades)
    assert len(whole.longs.quantity) == 4 * 5
    np.testing.assert_allclose(rest.longs.entry_price, whole.longs.entry_price)
    np.testing.assert_allclose(rest.longs.quantity, whole.longs.quantity)


def test_a_file_of_another_version_or_shape_is_refused():
    arrays = Book().to_arrays()
    with pytest.raises(ValueError, match="version 99"):
        Book.from_arrays(arrays | {"version": np.array([99])})
    with pytest.raises(ValueError, match="short_leverage missing"):
        Book.from_arrays(
            {name: array for name, array in arrays.items() if name != "short_leverage"}
        )
    with pytest.raises(ValueError, match="differ in length"):
        Book.from_arrays(arrays | {"long_quantity": np.ones(3)})


def test_a_checkpoint_of_the_future_is_refused():
    candles = candles_of([(100.0, 100.0, 100.0, 100.0)] * 3)
    market = candles, open_interest_of({0: 10.0})
    book = advance(Book(), *market, BRACKETS, ModelParameters())
    with pytest.raises(ValueError, match="later than the first column"):
        heatmap_of(market, ModelParameters(), candles.end_time, book)
