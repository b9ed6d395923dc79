"""A history of the archive's coarse candles that goes on with live one-minute candles."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from django.test import Client

from heatmap.api import markets
from heatmap.history import Stretch, history_of, load_open_interest
from ingestion import lake
from ingestion.lake import LakeConfig
from ingestion.lake.live import add_candles, add_open_interest
from ingestion.market.records import Candle, OpenInterestFigure
from ingestion.models import Symbol
from liqheat_project.kernel.instants import MINUTE_MS
from tests.support.lake_days import day, put

HOUR_MS = 3_600_000
MIDNIGHT = int(datetime(2024, 11, 2, tzinfo=UTC).timestamp()) * 1000
"""The seam: the archive's only day ends here."""
LIVE_SINCE = MIDNIGHT - 6 * HOUR_MS
LIVE_UNTIL = MIDNIGHT + 3 * HOUR_MS


@pytest.fixture
def mixed(db: None, lake: LakeConfig) -> Iterator[None]:
    Symbol.objects.update_or_create(name="ETHUSDT", defaults={"enabled": True, "tick_size": "0.01"})
    for interval in ("5m", "15m"):
        put(day(dataset="klines", interval=interval))
    collect_candles(LIVE_SINCE, LIVE_UNTIL)
    collect_open_interest(LIVE_SINCE, LIVE_UNTIL)
    put(day(dataset="metrics"))
    markets.forget()
    yield
    markets.forget()


def collect_candles(start: int, until: int) -> None:
    opens = range(start, until, MINUTE_MS)
    candles = [
        Candle("ETHUSDT", at, 105.0, 106.0, 104.0, 105.0, 3.0, 315.0, 2, 1.0, 105.0) for at in opens
    ]
    assert add_candles(lake.writer(), candles, *told()) == len(opens)


def collect_open_interest(start: int, until: int) -> None:
    times = range(start, until, 30_000)
    figures = [OpenInterestFigure("ETHUSDT", at, 2000.0 + at // 30_000 % 10) for at in times]
    assert add_open_interest(lake.writer(), figures, [None] * len(figures), *told()) == len(times)


def told() -> tuple:
    return "http://exchange", lambda: ["ETHUSDT"], datetime.now(UTC)


def ask(path: str, **parameters: Any) -> Any:
    answer = Client().get(path, {"symbol": "ETHUSDT", **parameters})
    assert answer.status_code == 200, answer.content
    return answer.json()


@pytest.mark.parametrize(("interval", "hours"), [("15m", 0.25), ("1h", 1)])
def test_candles_go_on_over_the_seam_and_no_volume_counts_twice(
    mixed: None, interval: str, hours: float
) -> None:
    found = ask("/prices/klines", interval=interval, limit=1500)["data"]
    times = [int(datetime.fromisoformat(one["timestamp"]).timestamp()) * 1000 for one in found]
    step = int(hours * HOUR_MS)
    assert times == list(range(MIDNIGHT - 24 * HOUR_MS, LIVE_UNTIL, step))
    archive, live = 12 * 10.0 * hours, 60 * 3.0 * hours
    assert [one["volume"] for one in found] == pytest.approx(
        [archive if at < MIDNIGHT else live for at in times]
    )


def test_the_heatmap_has_no_gap_at_the_seam_and_ends_with_the_live_figures(mixed: None) -> None:
    found = ask("/liquidations/heatmap-timeseries", time_window="24h", interval="15m")
    assert found["meta"]["gaps"] == []
    assert found["meta"]["data_end"] == "2024-11-02T03:00:00Z"
    assert (found["meta"]["total_snapshots"], len(found["data"])) == (96, 96)
    with lake.read.snapshot() as cursor:
        history = history_of(cursor, "ETHUSDT")
        figures = load_open_interest(cursor, history, history.start, history.end)
    assert history.stretches == (
        Stretch("5m", MIDNIGHT - 24 * HOUR_MS, MIDNIGHT),
        Stretch("1m", MIDNIGHT, LIVE_UNTIL),
    )
    archive, live = 288, (LIVE_UNTIL - MIDNIGHT) // 30_000 - 1  # the archive has midnight
    assert len(figures.time) == archive + live
    assert np.all(np.diff(figures.time) > 0)
