"""Turnover: traded volume closes old positions and opens new ones; entries lie over the range."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from heatmap.engine import (
    NET_OPEN_INTEREST,
    TURNOVER,
    BracketTable,
    Candles,
    Gap,
    OpenInterest,
    compute_heatmap,
)
from tests.unit.heatmap.engine.markets import (
    FIVE_MINUTES,
    ROUND_BRACKETS,
    START,
    candles_of,
    open_interest_of,
)

MODEL = replace(
    TURNOVER,
    long_leverage_weights=((10.0, 1.0),),
    short_leverage_weights=((10.0, 1.0),),
    spread_entries=False,
)
FLAT = (100.0, 100.0, 100.0, 100.0)
HIGHER = (200.0, 200.0, 200.0, 200.0)
GOLDEN = "51d5d96602af69288c4c2d7b94b1d6625a791dc0b722d6f84b9c3752630c9452"
"""Of `fingerprint` below, from the version before turnover."""


def after(rows, figures, model=MODEL, **candles):
    candles = candles_of(rows, **candles)
    return compute_heatmap(
        candles,
        open_interest_of(figures),
        (ROUND_BRACKETS,),
        model,
        candles.end_time,
        1.0,
        price_range=(0.0, 300.0),
    )


def levels(plane: np.ndarray) -> dict[int, float]:
    return {int(bin_): float(plane[bin_]) for bin_ in np.flatnonzero(plane)}


def test_a_share_of_the_volume_moves_from_old_positions_to_new_ones():
    figures = {0: 10, FIVE_MINUTES: 20, 2 * FIVE_MINUTES: 20}
    heatmap = after([FLAT, HIGHER], figures, volume=[0.0, 20.0])
    # 0.3 x 20 = 6 of the 20 contracts close pro rata and open again at 200.
    assert heatmap.long.total.tolist() == [20, 20]
    assert heatmap.long.unplaced.tolist() == [10, pytest.approx(10 * 14 / 20)]
    # The 10 shorts at 110 were swept: they open again, beside the 6 that turn over.
    assert levels(heatmap.short_density[1]) == {220: pytest.approx(16 * 220)}
    assert levels(heatmap.long_density[1]) == {
        90: pytest.approx(10 * 14 / 20 * 90),
        180: pytest.approx(6 * 180),
    }
    assert heatmap.long.created[1] == pytest.approx(6 * 200)


def test_open_interest_that_falls_closes_in_full_beside_the_turnover():
    figures = {0: 10, FIVE_MINUTES: 20, 2 * FIVE_MINUTES: 12}
    heatmap = after([FLAT, FLAT], figures, volume=[0.0, 10.0])
    # 8 close for good, 3 close and open again: 9 of the old 20 are left.
    assert heatmap.long.total[1] == 12
    assert heatmap.long.unplaced[1] == pytest.approx(10 * 9 / 20)
    assert heatmap.long.created[1] == pytest.approx(3 * 100)


def test_turnover_never_closes_all():
    figures = {0: 10, FIVE_MINUTES: 20, 2 * FIVE_MINUTES: 20, 3 * FIVE_MINUTES: 0}
    heatmap = after([FLAT] * 3, figures, volume=[0.0, 1e9, 1e9])
    assert heatmap.long.unplaced[1] == pytest.approx(10 * 0.02)
    assert heatmap.long.total.tolist() == [20, 20, 0]


@pytest.mark.parametrize("volume", [0.0, np.nan])
def test_without_a_volume_turnover_is_off_and_the_stretch_is_named(volume):
    moved = (100.0, 101.0, 100.0, 100.0)
    figures = {0: 10, FIVE_MINUTES: 20, 2 * FIVE_MINUTES: 20}
    heatmap = after([FLAT, moved], figures, volume=[1.0, volume])
    assert heatmap.long.created[1] == 0
    span = (START + FIVE_MINUTES, START + 2 * FIVE_MINUTES)
    assert heatmap.gaps == [Gap("volume", *span)]
    plain = replace(MODEL, turnover=0.0)
    assert after([FLAT, moved], figures, plain, volume=[1.0, volume]).gaps == []


def test_nothing_turns_over_across_a_gap():
    figures = {0: 10, FIVE_MINUTES: 20, 3 * FIVE_MINUTES: 21}
    heatmap = after([FLAT] * 3, figures, volume=[0.0, 100.0, 100.0])
    assert heatmap.long.created.tolist() == [pytest.approx(1000), 0, 0]
    assert heatmap.long.unplaced[2] == pytest.approx(11)


def test_entries_spread_over_the_range_of_the_interval():
    rows = [(100.0, 120.0, 60.0, 90.0)]
    heatmap = after(
        rows, {0: 10, FIVE_MINUTES: 11}, replace(MODEL, spread_entries=True, turnover=0.0)
    )
    assert heatmap.book.longs.entry_price.tolist() == pytest.approx([66, 75, 90, 105, 114])
    assert heatmap.book.longs.quantity.tolist() == pytest.approx([0.15, 0.2, 0.3, 0.2, 0.15])


def test_forgetting_small_cohorts_moves_no_cell_by_a_millionth(monkeypatch):
    random = np.random.default_rng(5)
    count = 40 * 288
    close = 100_000 * np.exp(np.cumsum(random.normal(0, 0.002, count)))
    opened = np.append(close[0], close[:-1])
    high, low = np.maximum(opened, close) * 1.001, np.minimum(opened, close) * 0.999
    rows = np.column_stack((opened, high, low, close)).tolist()
    candles = candles_of(rows, volume=np.full(count, 800.0))
    contracts = 80_000 + np.cumsum(random.normal(0, 100, count))
    figures = OpenInterest(candles.end_time, contracts)
    columns = candles.end_time[-1:]

    def planes() -> np.ndarray:
        heatmap = compute_heatmap(candles, figures, (ROUND_BRACKETS,), TURNOVER, columns, 100.0)
        return np.concatenate([heatmap.long_density[0], heatmap.short_density[0]]), heatmap.book

    forgotten, small = planes()
    monkeypatch.setattr("heatmap.engine.run.SMALLEST_SHARE", 0.0)
    kept, whole = planes()
    assert len(small.longs.quantity) < 0.8 * len(whole.longs.quantity)
    shown = kept > 1e-3 * kept.max()
    np.testing.assert_allclose(forgotten[shown], kept[shown], rtol=1e-6)
    np.testing.assert_allclose(forgotten, kept, atol=1e-6 * kept.max())


def fingerprint(model) -> str:
    """Of every number that comes out for a long market whose input is exact in binary."""
    i = np.arange(3000)
    close = (100_000 + ((i * 7919) % 2003) * 3.0 + ((i * 104_729) % 977)).astype(float)
    opened = np.append(close[0], close[:-1])
    high = np.maximum(opened, close) + ((i * 31) % 17) * 5.0
    low = np.minimum(opened, close) - ((i * 37) % 19) * 5.0
    volume = ((i * 13) % 101).astype(float) + 1
    prices = (opened, high, low, close)
    volumes = (volume, volume * (high + low) / 2, volume * ((i * 11) % 10) / 10)
    candles = Candles(i * FIVE_MINUTES, *prices, *volumes, interval_ms=FIVE_MINUTES)
    contracts = (50_000 + ((i * 7907) % 3001)).astype(float)
    brackets = BracketTable(
        0, [0, 3e5, 8e5], [3e5, 8e5, 3e6], [0.004, 0.005, 0.0065], [0, 300, 1500], [150, 100, 75]
    )
    columns = np.arange(2000, 3001, 10) * FIVE_MINUTES
    figures = OpenInterest((i + 1) * FIVE_MINUTES, contracts)
    heatmap = compute_heatmap(candles, figures, (brackets,), model, columns, 50.0)
    digest = hashlib.sha256()
    for side in (heatmap.long, heatmap.short):
        for name in ("density", "created", "consumed", "total", "unplaced"):
            digest.update(getattr(side, name).tobytes())
    for book in (heatmap.book.longs, heatmap.book.shorts):
        for name in ("liquidation_price", "quantity", "entry_price", "leverage"):
            digest.update(getattr(book, name).tobytes())
    return digest.hexdigest()


def test_without_turnover_and_spreading_every_bit_is_as_it_was():
    assert fingerprint(NET_OPEN_INTEREST) == GOLDEN
    assert fingerprint(TURNOVER) != GOLDEN
