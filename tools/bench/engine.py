"""Benchmark of the engine: medians, memory, and ratios measured in the same run.

    python -m tools.bench.engine

The market is a seeded random walk; its figures are the engine's rows of the speed table.
"""

import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from heatmap.engine import (
    NET_OPEN_INTEREST,
    TURNOVER,
    Book,
    BracketTable,
    Candles,
    OpenInterest,
    checkpoints,
    compute_heatmap,
)

MINUTE, DAY = 60_000, 86_400_000
START = 1_672_531_200_000
BRACKETS = (
    BracketTable(
        0,
        floors=np.array([0, 300_000, 800_000, 3_000_000]),
        caps=np.array([300_000, 800_000, 3_000_000, 12_000_000]),
        maintenance_margin_rates=np.array([0.004, 0.005, 0.0065, 0.01]),
        cums=np.array([0, 300, 1_500, 12_000]),
        max_leverages=np.array([150, 100, 75, 50]),
    ),
)
MODEL = TURNOVER


def random_market(days: int, interval_ms: int, seed: int = 1) -> tuple[Candles, OpenInterest]:
    """A price with 55 % volatility a year, open interest that moves like BTCUSDT's, and 2.5 times
    as much traded a day."""
    rng = np.random.default_rng(seed)
    minutes = days * DAY // MINUTE
    steps = rng.standard_normal(minutes) * 0.55 / np.sqrt(525_600)
    price = (60_000 * np.exp(np.cumsum(steps))).reshape(-1, interval_ms // MINUTE)
    wick = 1 + np.abs(rng.standard_normal((2, len(price)))) * 0.0003
    volume = rng.gamma(2.0, 82.5 * interval_ms / MINUTE, len(price))
    candles = Candles(
        START + interval_ms * np.arange(len(price)),
        price[:, 0],
        price.max(axis=1) * wick[0],
        price.min(axis=1) / wick[1],
        price[:, -1],
        volume,
        volume * price.mean(axis=1),
        volume * rng.uniform(0.3, 0.7, len(price)),
        interval_ms,
    )
    figures = days * DAY // 300_000 + 1
    noise = rng.standard_normal(figures) * 0.0012
    contracts = 95_000 * np.exp(np.cumsum(noise - 0.00001 * np.cumsum(noise)))
    return candles, OpenInterest(START + 300_000 * np.arange(figures), contracts)


def median(
    run: Callable[[], object], times: int = 7, clock: Callable[[], float] = time.process_time
) -> float:
    """Median seconds of some runs, after one to warm up; by default of CPU.

    Longs and shorts have a thread each, so on two idle cores the clock shows about half of it.
    """
    run()
    seconds = []
    for _ in range(times):
        start = clock()
        run()
        seconds.append(clock() - start)
    return statistics.median(seconds)


def bins_of(candles: Candles, count: int) -> float:
    """A bin size with which the default range of all candles has about `count` bins."""
    return (candles.high.max() * 1.25 - candles.low.min() * 0.75) / count


def week_of_minutes() -> None:
    candles, open_interest = random_market(37, MINUTE)
    end = int(candles.end_time[-1])
    columns = np.arange(end - 7 * DAY, end + 1, 5 * MINUTE)
    size = bins_of(candles.slice(30 * 1440, 37 * 1440), 400)
    args = (candles, open_interest, BRACKETS, MODEL, columns, size)
    plain = (*args[:3], NET_OPEN_INTEREST, *args[4:])
    seconds, old = median(lambda: compute_heatmap(*args)), median(lambda: compute_heatmap(*plain))
    report(
        "7 d of 1m after 30 d of history, 400 bins, 2,017 columns", seconds, beside(old, seconds)
    )
    (book,) = checkpoints(Book(), *args[:4], np.array([end - 7 * DAY - 15 * DAY]))
    report("the same from a checkpoint 15 d before", median(lambda: compute_heatmap(*args, book)))


def day_against_the_oracle() -> None:
    from tests.support.oracle import Market

    # The oracle remembers every position; a week of them takes it minutes.
    candles, open_interest = random_market(1, 5 * MINUTE)
    columns = candles.end_time[11::12]
    size = bins_of(candles, 400)
    args = (candles, open_interest, BRACKETS, MODEL)
    engine = median(lambda: compute_heatmap(*args, columns, size))
    start = time.process_time()
    Market(candles, open_interest, list(BRACKETS), MODEL, size).columns(columns.tolist())
    oracle = time.process_time() - start
    report(
        "288 candles of 5m (1 d), hourly columns",
        engine,
        f"oracle {oracle:.1f} s, {oracle / engine:,.0f}x",
    )


def three_years() -> None:
    candles, open_interest = random_market(1096, MINUTE)
    months = START + 30 * DAY * np.arange(1, 37)
    start, size, count = time.process_time(), 0, 0
    for book in checkpoints(Book(), candles, open_interest, BRACKETS, MODEL, months):
        arrays = book.to_arrays()
        size += sum(array.nbytes for array in arrays.values())
        count = len(book.longs.quantity) + len(book.shorts.quantity)
    seconds = time.process_time() - start
    report(
        "3 y of 1m, 36 checkpoints",
        seconds,
        f"{size / 36e6:.0f} MB a checkpoint, {count:,} cohorts in the last",
    )


def year_of_columns() -> None:
    candles, open_interest = random_market(365, 5 * MINUTE)
    columns = candles.end_time[287::288]
    size = bins_of(candles, 1000)
    args = (candles, open_interest, BRACKETS, MODEL)
    old_rule = partial(compute_heatmap, *args[:3], NET_OPEN_INTEREST, columns, size)
    turnover = partial(compute_heatmap, *args, columns, size)
    year, clock = median(turnover, 5), median(turnover, 5, time.perf_counter)
    note = f"{1000 * clock:.0f} ms by the clock; {beside(median(old_rule, 5), year)}"
    report("1 y of 5m (105,120) as 365 columns, 1,000 bins", year, note)
    month = candles.slice(0, 8640)
    part = median(lambda: compute_heatmap(month, *args[1:], columns[:30], size))
    report(
        "30 d of 5m (8,640) as 30 columns",
        part,
        f"growth {year / part / (105_120 / 8640):.2f}x linear",
    )


def month_at_five_minutes() -> None:
    candles, open_interest = random_market(60, 5 * MINUTE)
    columns = candles.end_time[-8640:]
    size = bins_of(candles.slice(8640, 17280), 1000)
    args = (candles, open_interest, BRACKETS, MODEL, columns, size)
    report(
        "30 d at 5m as 8,640 columns, 1,000 bins, 30 d before",
        median(lambda: compute_heatmap(*args), 5),
    )


def beside(old: float, seconds: float) -> str:
    return f"net-open-interest {1000 * old:.0f} ms, {seconds / old:.1f}x"


def report(case: str, seconds: float, note: str = "") -> None:
    shown = f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"| {case} | {shown} | {memory:.0f} MB | {note} |", flush=True)


CASES = {
    case.__name__: case
    for case in (
        day_against_the_oracle,
        week_of_minutes,
        three_years,
        year_of_columns,
        month_at_five_minutes,
    )
}


def main() -> None:
    """Every case in a process of its own, so that its peak memory is its own."""
    if len(sys.argv) > 1:
        CASES[sys.argv[1]]()
        return
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    print(
        "| case | median | peak memory of the process | beside it |\n|---|---|---|---|", flush=True
    )
    for case in CASES:
        subprocess.run([sys.executable, "-m", "tools.bench.engine", case], check=True)


if __name__ == "__main__":
    main()
