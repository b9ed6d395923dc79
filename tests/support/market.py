"""A small market for the session's lake, and what the tests ask of the API's answers."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from ingestion.loading import jobs, load
from ingestion.models import Symbol
from liqheat_project.kernel.runs import RunState
from validation.synthetic.archive import write_archive
from validation.synthetic.market import simulate_market
from validation.synthetic.parameters import MarketParameters

FIRST, LAST = date(2024, 10, 31), date(2024, 11, 3)
FIRST_MS, DAYS = 1_730_332_800_000, 4
TICKS = {"BTCUSDT": "0.10", "ETHUSDT": "0.01"}


def write_files(folder: Path) -> None:
    """Four days of BTCUSDT and ETHUSDT as archive files."""
    for symbol in TICKS:
        parameters = MarketParameters(trades_per_day=5000)
        write_archive(simulate_market(symbol, FIRST_MS, DAYS, 7, parameters), folder)


def load_all(folder: Path) -> None:
    """BTCUSDT from 15m candles, ETHUSDT from 5m and on its last day 1m."""
    load_files(folder, "BTCUSDT", "klines 15m", "metrics")
    load_files(folder, "ETHUSDT", "klines 5m", "klines 15m", "metrics")
    load_files(folder, "ETHUSDT", "klines 1m", start=LAST)


def register(name: str, enabled: bool = True) -> Symbol:
    tick_size = Decimal(TICKS.get(name, "0.001"))
    return Symbol.objects.update_or_create(
        name=name, defaults={"enabled": enabled, "tick_size": tick_size}
    )[0]


def load_files(
    folder: Path, symbol: str, *datasets: str, start: date = FIRST, end: date = LAST
) -> None:
    job = jobs.create_job(
        register(symbol), datasets, start, end, source="folder", folder=str(folder), reload=True
    )
    load.run_here(job, lambda job: None)
    job.refresh_from_db()
    assert job.state == RunState.SUCCEEDED, job.error


def reason(response: Any, status: int, attribute: str | None) -> str:
    """The reason of an error answer, which must name `attribute`."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    (error,) = response.json()["errors"]
    assert error["attr"] == attribute
    return str(error["detail"])
