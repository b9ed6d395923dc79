"""Windows in which the price falls a hundredfold and more are answered as any other."""

from itertools import pairwise
from typing import Any

import pytest
from django.core.cache import caches
from django.test import Client

from heatmap.api import markets
from ingestion.lake import LakeConfig
from ingestion.market.files import ArchiveFile
from ingestion.models import Symbol
from tests.support.archive_files import KLINES_HEADER
from tests.support.lake_days import day, put

pytestmark = pytest.mark.django_db

HEATMAP = "/liquidations/heatmap-timeseries"
CANDLES = 288


def csv_between(file: ArchiveFile, prices: list[float]) -> str:
    """A day of candles from each of the prices to the next."""
    start = int(file.start_instant.timestamp() * 1000)
    lines = []
    for place, (first, last) in enumerate(pairwise(prices)):
        opened, quote = start + place * 300_000, 10 * (first + last) / 2
        low, high = sorted((first, last))
        lines.append(
            f"{opened},{first},{high},{low},{last},10,{opened + 299_999},{quote},5,6,{quote / 2},0"
        )
    return "\n".join([KLINES_HEADER, *lines]) + "\n"


def steadily(start: float, end: float) -> list[float]:
    return [start * (end / start) ** (place / CANDLES) for place in range(CANDLES + 1)]


def at_once(start: float, end: float) -> list[float]:
    return [start] * (CANDLES // 2) + [end] * (CANDLES // 2 + 1)


@pytest.mark.parametrize(
    "prices",
    [at_once(75.0, 0.75), steadily(80.0, 0.00002)],
    ids=["redenominated", "fallen by four million times"],
)
def test_the_default_bin_always_answers(prices: list[float], lake: LakeConfig) -> None:
    Symbol.objects.filter(name="ETHUSDT").update(enabled=True, tick_size="0.00001")
    for number, of_day in enumerate((prices, [prices[-1]] * (CANDLES + 1))):
        file = day(number=number, dataset="klines", interval="5m")
        put(file, content=csv_between(file, of_day), accept_bad=True)
        put(day(number=number, dataset="metrics"))
    markets.forget()
    caches["answers"].clear()
    client = Client()

    def ask(path: str, **parameters: Any) -> Any:
        answer = client.get(path, {"symbol": "ETHUSDT", **parameters})
        assert answer.status_code == 200, (parameters, answer.content)
        return answer

    for form in ("json", "grid", "packed"):
        ask(HEATMAP, time_window="48h", format=form)
    ask(HEATMAP, time_window="1y")
    ask(HEATMAP, time_window="48h", model="coinglass-3")
    meta = ask(HEATMAP, start_time="2024-11-01T00:00:00", end_time="2024-11-01T23:59:59").json()[
        "meta"
    ]
    assert meta["price_range"]["min"] < min(prices) and meta["price_range"]["max"] > max(prices)
    for instant in ("2024-11-01T18:00:00", "2024-11-02T12:00:00"):
        assert ask("/liquidations/map", time=instant).json()["data"]
        ask("/liquidations/explain", time=instant, price=prices[-1])
