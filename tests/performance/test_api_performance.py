"""A short benchmark of the API as ratios; nothing fails by the clock. `make bench` has more."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest

HEATMAP = "/liquidations/heatmap-timeseries"
RUNS = 7


def seconds(ask: Callable[[int], Any], cached: str) -> float:
    """The median time of an answer, after one that is not counted."""
    times = []
    for run in range(RUNS + 1):
        started = time.perf_counter()
        response = ask(run)
        times.append(time.perf_counter() - started)
        assert (response.status_code, response["X-Cache"]) == (200, cached)
    return statistics.median(times[1:])


def test_answers_of_the_cache_and_of_two_symbols_beside_computed_ones(
    api: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {"time_window": "48h", "format": "packed"}
    eth = seconds(
        lambda run: api(HEATMAP, symbol="ETHUSDT", price_bin_size=1 + run, **asked), "miss"
    )
    btc = seconds(
        lambda run: api(HEATMAP, symbol="BTCUSDT", price_bin_size=20 + run, **asked), "miss"
    )
    kept = {"symbol": "ETHUSDT", "price_bin_size": 1, **asked}
    cached = seconds(lambda run: api(HEATMAP, **kept), "hit")
    with capsys.disabled():
        print(
            f"\n48h of ETHUSDT: {eth * 1000:.1f} ms computed, {cached / eth:.2f}x of it from the "
            f"cache; BTCUSDT {btc / eth:.2f}x"
        )
