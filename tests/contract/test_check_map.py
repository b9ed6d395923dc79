"""A liquidation map against ours of the same instant: our own map is found again."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from ingestion.models import Symbol
from tests.support.market import FIRST_MS
from validation.coinglass import MapMoment, Reference, Unreadable
from validation.compare.check_map import check_map

DAY_MS = 86_400_000


@pytest.fixture
def own_map(api) -> Reference:
    """Ours by Coinglass's rule, 24 hours before the end of the third day."""
    instant = FIRST_MS + 3 * DAY_MS
    body = api(
        "/liquidations/map",
        symbol="ETHUSDT",
        time="2024-11-03T00:00:00Z",
        model="coinglass-3",
        lookback="24h",
        price_bin_size="2",
    ).json()
    prices = np.array([row["price"] for row in body["data"]])
    usd = np.array([sum(row["long"]) + sum(row["short"]) for row in body["data"]])
    return Reference(
        source="screenshot",
        symbol="ETHUSDT",
        model=None,
        range="24h",
        times=np.array([instant]),
        prices=prices,
        bin_size=2.0,
        cell_lower=float(prices[0]),
        cell_size=2.0,
        intensity=usd[:, None],
        maximum_usd=float(usd.max()),
        remarks=(),
        price_fit_residual_px=None,
        map_at=MapMoment(date(2024, 11, 3), body["meta"]["price"]),
    )


def test_our_own_map_is_found_again(own_map):
    figures = check_map(Symbol.objects.get(name="ETHUSDT"), own_map, seed=1).figures
    assert figures["hit_rate"] > 0.95 and figures["price_level_overlap"] > 0.95
    assert (figures["kind"], figures["our_model"]) == ("liquidation map", "coinglass-3")
    assert "counts neither for nor against" in figures["meaning"]


def test_without_its_instant_the_day_and_the_price_say_it(own_map):
    unsaid = replace(own_map, times=np.zeros(0, np.int64))
    figures = check_map(Symbol.objects.get(name="ETHUSDT"), unsaid, seed=1).figures
    assert figures["window_end"] >= "2024-11-02T10:00:00Z"
    assert any("The instant was not stated" in remark for remark in figures["remarks"])
    nowhere = replace(unsaid, map_at=MapMoment(date(2024, 11, 3), 1.0))
    with pytest.raises(Unreadable, match="no candle at the map's current price, 1"):
        check_map(Symbol.objects.get(name="ETHUSDT"), nowhere, seed=1)
