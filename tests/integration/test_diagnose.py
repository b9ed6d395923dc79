"""What `manage.py diagnose` finds, and what it says to do."""

import json
import re
import shlex
from collections.abc import Callable
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.utils import timezone

from heatmap.models import BracketTable
from ingestion.collecting import state
from ingestion.lake import LakeConfig, writer
from ingestion.loading import jobs, load
from ingestion.market.datasets import parts_of
from ingestion.market.files import ArchiveFile
from ingestion.models import Chunk, ChunkState, CollectorState, Symbol
from liqheat_project.ops.diagnosis import Finding, Outcome, system
from liqheat_project.ops.diagnosis.findings import CHECKS
from tests.support.archive_files import put_csv
from tests.support.commands import said
from tests.support.services import Worker
from validation.backtest import liquidated

pytestmark = pytest.mark.django_db(transaction=True)

FIRST = date(2024, 11, 1)
OPEN_INTEREST = CollectorState.Collector.OPEN_INTEREST
CLOSED = "redis://127.0.0.1:9/0"


@pytest.fixture
def symbol(lake: LakeConfig) -> Symbol:
    found = Symbol.objects.get(name="ETHUSDT")
    found.enabled, found.tick_size = True, "0.01"
    found.save()
    return found


@pytest.fixture
def days(symbol: Symbol, tmp_path: Path) -> Callable[..., None]:
    def load_days(*datasets: str, first: date = FIRST, count: int = 2) -> None:
        last = first + timedelta(days=count - 1)
        for name in datasets:
            for number in range(count):
                day = first + timedelta(days=number)
                put_csv(tmp_path, ArchiveFile("ETHUSDT", *parts_of(name), day))
        job = jobs.create_job(symbol, datasets, first, last, source="folder", folder=str(tmp_path))
        load.run_here(job, lambda job: None)

    return load_days


def look(subject: str, symbol: Symbol) -> Finding:
    symbol.refresh_from_db()
    finding = CHECKS[subject](symbol)
    for command in commands_in(finding.advice):
        assert_can_be_run(command)
    return finding


def commands_in(advice: str) -> list[list[str]]:
    found = re.findall(r"`manage\.py ([^`]+)`", advice)
    assert len(found) == advice.count("manage.py")
    return [shlex.split(command) for command in found]


def assert_can_be_run(command: list[str]) -> None:
    name, *arguments = command
    assert name in get_commands()
    if arguments:
        parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
        parser.parse_args(arguments)


def says(finding: Finding, outcome: Outcome, found: str, advice: str = "") -> None:
    assert finding.outcome == outcome, finding
    assert found in finding.found
    assert advice in finding.advice
    assert bool(finding.advice) == (outcome != Outcome.OK)


def test_a_disabled_symbol(symbol: Symbol) -> None:
    says(look("enabled", symbol), Outcome.OK, "serve it")
    Symbol.objects.update(enabled=False)
    says(look("enabled", symbol), Outcome.WARN, "404", "manage.py enable_symbol ETHUSDT")


def test_a_tick_size_that_is_too_large(symbol: Symbol, days: Callable[..., None]) -> None:
    says(look("tick size", symbol), Outcome.OK, "no candles")
    days("klines 5m")
    says(look("tick size", symbol), Outcome.OK, "multiples")
    Symbol.objects.update(tick_size="0.4")
    says(look("tick size", symbol), Outcome.FAIL, "of the last 576 closing prices", "exchangeInfo")


def test_brackets_of_its_own_of_others_and_of_nobody(symbol: Symbol) -> None:
    says(look("brackets", symbol), Outcome.OK, "of its own")
    BracketTable.objects.filter(symbol="ETHUSDT").delete()
    says(look("brackets", symbol), Outcome.WARN, "are used", "manage.py import_brackets FILE")
    BracketTable.objects.all().delete()
    says(look("brackets", symbol), Outcome.FAIL, "There are no brackets")


def test_open_interest_of_0(symbol: Symbol, days: Callable[..., None], tmp_path: Path) -> None:
    days("metrics")
    says(look("open interest of 0", symbol), Outcome.OK, "none")
    last = FIRST + timedelta(days=2)
    settled = put_csv(tmp_path, ArchiveFile("ETHUSDT", "metrics", None, last))
    header, *lines = settled.read_text().splitlines()
    zeros = [",".join([*line.split(",")[:2], "0", "0", ",,,"]) for line in lines]
    settled.write_text("\n".join([header, *zeros]))
    job = jobs.create_job(
        symbol, ["metrics"], last, last, source="folder", folder=str(tmp_path), accept_bad=True
    )
    load.run_here(job, lambda job: None)
    says(look("open interest of 0", symbol), Outcome.WARN, f"since {last}", "disable_symbol")
    writer().cursor().execute(
        "UPDATE lake.open_interest_history SET open_interest_contracts = 0 "
        "WHERE timestamp = TIMESTAMP '2024-11-02 00:00:00'"
    )
    says(look("open interest of 0", symbol), Outcome.FAIL, f"1 rows from {FIRST}", "--reload")


def test_what_lets_the_api_answer_with_nothing(symbol: Symbol, days: Callable[..., None]) -> None:
    says(look("data", symbol), Outcome.FAIL, "no candles", "manage.py ingest_klines")
    days("klines 5m")
    advice = "ingest_oi --symbol ETHUSDT --start-date 2024-11-01 --end-date 2024-11-02"
    says(look("data", symbol), Outcome.FAIL, "no open interest", advice)
    days("metrics", first=date(2024, 12, 1))
    says(look("data", symbol), Outcome.FAIL, "open interest from 2024-12-01", advice)
    days("metrics")
    says(look("data", symbol), Outcome.OK, "candles from 2024-11-01 to 2024-11-02")


def test_candles_that_end_long_ago(symbol: Symbol, days: Callable[..., None]) -> None:
    says(look("newest data", symbol), Outcome.OK, "no candles")
    days("klines 5m")
    says(look("newest data", symbol), Outcome.WARN, "2024-11-02", "--start-date 2024-11-02")
    days("klines 5m", first=timezone.now().date() - timedelta(days=1), count=1)
    says(look("newest data", symbol), Outcome.OK, "candles until")


def test_bad_days(symbol: Symbol, days: Callable[..., None], tmp_path: Path) -> None:
    says(look("gaps", symbol), Outcome.OK, "nothing is loaded")
    days("metrics")
    says(look("gaps", symbol), Outcome.OK, "none from 2024-11-01 to 2024-11-02")
    days("metrics", first=date(2024, 11, 9), count=1)
    finding = look("gaps", symbol)
    says(finding, Outcome.WARN, "6 bad days", "manage.py data_quality --symbol ETHUSDT")
    assert "metrics 2024-11-03 not loaded" in finding.found
    assert "and 3 more" in finding.found


def test_files_that_ran_out_of_memory(symbol: Symbol, days: Callable[..., None]) -> None:
    says(look("memory", symbol), Outcome.OK, "no file")
    job = jobs.create_job(symbol, ["markPriceKlines 15m"], FIRST, FIRST, period="monthly")
    reason = "gave up after 5 attempts; the last: its worker died"
    job.chunks.update(state=ChunkState.FAILED, reason=reason, finished_at=timezone.now())
    finding = look("memory", symbol)
    says(finding, Outcome.FAIL, reason, "LAKE_MEMORY_LIMIT_MB")
    assert "--start-date 2024-11-01 --end-date 2024-11-30 --interval 15m --mark-price" in (
        finding.advice
    )
    again = jobs.create_job(symbol, ["markPriceKlines 15m"], FIRST, FIRST, period="monthly")
    again.chunks.update(state=ChunkState.LOADED, finished_at=timezone.now())
    says(look("memory", symbol), Outcome.OK, "no file")
    assert Chunk.objects.filter(state=ChunkState.FAILED).count() == 1


def test_collectors_that_fail_or_do_not_run(symbol: Symbol) -> None:
    says(look("collectors", symbol), Outcome.WARN, "none has ever run", "make run")
    now = timezone.now()
    state.succeeded(OPEN_INTEREST, "ETHUSDT", next_run=now + timedelta(seconds=30))
    state.failed(OPEN_INTEREST, "of another symbol", "BTCUSDT")
    says(look("collectors", symbol), Outcome.OK, "Open interest ETHUSDT: last success")
    state.failed(OPEN_INTEREST, "answered 451 Unavailable", "ETHUSDT")
    says(look("collectors", symbol), Outcome.WARN, "answered 451", "archive")
    for _ in range(2):
        state.failed(OPEN_INTEREST, "did not answer", "ETHUSDT")
    says(look("collectors", symbol), Outcome.FAIL, "3 errors in a row", "network")
    state.succeeded(OPEN_INTEREST, "ETHUSDT", next_run=now - timedelta(hours=1))
    says(look("collectors", symbol), Outcome.FAIL, "should have run at", "beat")
    Symbol.objects.update(enabled=False)
    says(look("collectors", symbol), Outcome.OK, "disabled")


def test_a_low_hit_rate_is_held_against_another_symbol(symbol: Symbol) -> None:
    says(look("hit rate", symbol), Outcome.WARN, "never compared", "validate_vs_coinglass")
    Symbol.objects.filter(pk=symbol.pk).update(hit_rate=0.61)
    says(look("hit rate", symbol), Outcome.OK, "0.61")
    Symbol.objects.filter(pk=symbol.pk).update(hit_rate=0.5)
    says(look("hit rate", symbol), Outcome.FAIL, "0.50", "Compare BTCUSDT too")
    Symbol.objects.filter(name="BTCUSDT").update(hit_rate=0.7)
    says(look("hit rate", symbol), Outcome.FAIL, "0.50", "Only ETHUSDT is low, so it is its data")
    Symbol.objects.filter(name="BTCUSDT").update(hit_rate=0.4)
    says(look("hit rate", symbol), Outcome.FAIL, "low too", "score_engine")


def test_amounts_that_are_far_off_what_left_the_market(
    symbol: Symbol, days: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    says(look("amounts", symbol), Outcome.OK, "no whole day")
    days("klines 5m", "metrics", count=3)
    monkeypatch.setattr(liquidated, "FACTOR", 1e12)
    says(look("amounts", symbol), Outcome.OK, "recorded not known")
    monkeypatch.setattr(liquidated, "FACTOR", 1.0)
    says(look("amounts", symbol), Outcome.WARN, "times the fall of open interest", "open positions")


def test_the_disk(symbol: Symbol, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "SCARCE_BYTES", 0)
    monkeypatch.setattr(system, "LEAST_FREE_BYTES", 0)
    says(look("disk", symbol), Outcome.OK, "GB free below /")
    monkeypatch.setattr(system, "SCARCE_BYTES", 10**18)
    says(look("disk", symbol), Outcome.WARN, "free", "LAKE_DATA_PATH")
    monkeypatch.setattr(system, "LEAST_FREE_BYTES", 10**18)
    says(look("disk", symbol), Outcome.FAIL, "free", "LAKE_DATA_PATH")


def test_broker_and_workers(symbol: Symbol, worker: Worker, settings: Any) -> None:
    says(look("broker", symbol), Outcome.OK, "answers")
    says(look("workers", symbol), Outcome.OK, "1 answer, for the queues ingest, live")
    worker.kill()
    says(look("workers", symbol), Outcome.FAIL, "no worker answers", "make run")
    settings.REDIS_URL = CLOSED
    says(look("broker", symbol), Outcome.FAIL, "does not answer", "REDIS_URL")


def test_the_command_says_all_of_it_and_fails_if_something_fails(
    symbol: Symbol, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = CLOSED

    def broken(symbol: Symbol) -> Finding:
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setitem(CHECKS, "workers", lambda symbol: Finding(Outcome.OK, "not asked"))
    monkeypatch.setitem(CHECKS, "gaps", broken)
    output = StringIO()
    with pytest.raises(CommandError, match=r"ETHUSDT: data, gaps, broker"):
        call_command("diagnose", "--symbol", "ETHUSDT", stdout=output, no_color=True)
    text = output.getvalue()
    assert "fail  broker: does not answer" in text
    assert "fail  gaps: could not be looked at: ZeroDivisionError" in text
    assert "ok    enabled: the API" in text
    output = StringIO()
    with pytest.raises(CommandError):
        call_command("diagnose", "--symbol", "ETHUSDT", "--json", stdout=output)
    rows = json.loads(output.getvalue())
    assert [row["check"] for row in rows] == list(CHECKS)
    assert {row["outcome"] for row in rows} == {"ok", "warn", "fail"}


def test_it_ends_well_if_nothing_fails(symbol: Symbol, monkeypatch: pytest.MonkeyPatch) -> None:
    for subject in CHECKS:
        monkeypatch.setitem(CHECKS, subject, lambda symbol: Finding(Outcome.WARN, "so so", "wait"))
    text = said("diagnose", "--symbol", "ETHUSDT")
    assert text.count("warn  ") == len(CHECKS)
    with pytest.raises(CommandError, match="register_symbol"):
        said("diagnose", "--symbol", "NOSUCHUSDT")
