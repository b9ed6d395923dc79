"""Readers of the lake: in other processes, in threads, after a fork, while writing goes on."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingestion.lake import LakeConfig, read, remove_symbol, writer
from ingestion.lake.schema import LEDGER
from tests.support.archive_files import agg_trades_csv
from tests.support.lake_days import PATIENCE_SECONDS, count, day, put, run_in_processes, running

SIZES = (100, 37)


def watch(stop: Path) -> list[tuple]:
    """All different states that are seen until the file `stop` exists."""
    seen = set()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not stop.exists() and time.monotonic() < deadline:
        with read.snapshot() as cursor:
            trades = cursor.execute(
                "SELECT count(*) FROM lake.aggtrades_history WHERE symbol = 'ETHUSDT'"
            ).fetchone()
            interest = cursor.execute(
                "SELECT count(*) FROM lake.open_interest_history WHERE symbol = 'ETHUSDT'"
            ).fetchone()
            ledger = cursor.execute(
                f"SELECT sum(row_count) FROM {LEDGER} WHERE symbol = 'ETHUSDT'"
            ).fetchone()
        seen.add((trades[0], interest[0], int(ledger[0] or 0)))
    return sorted(seen)


def test_readers_see_all_or_nothing_of_a_replaced_day_and_of_a_removal(
    lake: LakeConfig, tmp_path: Path
) -> None:
    put(day())
    stop = tmp_path / "stop"
    with running(lake, [(watch, (stop,)), (watch, (stop,)), (time.sleep, (0,))]) as futures:
        futures[2].result(PATIENCE_SECONDS)  # all have begun
        try:
            for number in range(8):
                put(day(), content=agg_trades_csv(day(), rows=SIZES[number % 2]))
                put(day(dataset="metrics"))
                if number % 4 == 3:
                    remove_symbol(writer(), "ETHUSDT")
        finally:
            stop.touch()
    allowed = {(0, 0, 0)}
    allowed |= {(size, interest, size + interest) for size in SIZES for interest in (0, 288)}
    for future in futures[:2]:
        seen = future.result()
        assert set(seen) <= allowed
        assert len(seen) >= 2, "the reader saw nothing happen"


def test_eight_threads_read_what_they_ask_for(lake: LakeConfig) -> None:
    symbols = [f"COIN{number}USDT" for number in range(8)]
    for number, symbol in enumerate(symbols):
        put(day(symbol), content=agg_trades_csv(day(symbol), rows=10 + number))
    together = threading.Barrier(8, timeout=PATIENCE_SECONDS)

    def ask(number: int) -> set[tuple]:
        together.wait()
        answers = set()
        for _ in range(10):
            with read.snapshot() as cursor:
                answers.add(
                    cursor.execute(
                        "SELECT count(*), min(symbol), max(symbol), max(agg_trade_id) "
                        "FROM lake.aggtrades_history WHERE symbol = ?",
                        [symbols[number]],
                    ).fetchone()
                )
        return answers

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(ask, range(8)))
    assert results == [{(10 + i, symbols[i], symbols[i], 10 + i)} for i in range(8)]


def fork_and_use() -> tuple[int, int, int]:
    """In a process that has the lake open: a forked child opens its own, the parent keeps its."""
    put(day())
    count()
    child = os.fork()
    if not child:
        try:
            if count() == 100:
                put(day(number=1))
            os._exit(0 if count() == 200 else 2)
        finally:
            os._exit(1)
    deadline = time.monotonic() + PATIENCE_SECONDS / 2
    ended, status = 0, -1
    while not ended and time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.05)
    if not ended:
        os.kill(child, 9)
    before = count()
    put(day(number=2))
    return status, before, count()


def test_a_forked_process_opens_its_own_lake(lake: LakeConfig) -> None:
    assert run_in_processes(lake, [(fork_and_use, ())]) == [(0, 200, 300)]


def time_zones() -> set[str]:
    cursors = [read.reader().cursor(), writer().cursor()]
    return {
        cursor.execute("SELECT current_setting('TimeZone')").fetchone()[0] for cursor in cursors
    }


def test_every_cursor_keeps_time_in_utc(lake: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert run_in_processes(lake, [(time_zones, ())]) == [{"UTC"}]
