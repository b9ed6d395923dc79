"""A contract that was settled: its positions are gone, which is no gap of the source."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import caches
from django.test import Client

from heatmap.api import markets
from ingestion.lake import LakeConfig, read, writer
from ingestion.lake.live import add_open_interest
from ingestion.lake.settlement import settled_at, settlements
from ingestion.models import Symbol
from ingestion.sources.rest import OpenInterestFigure
from tests.support.archive_files import metrics_csv
from tests.support.lake_days import day, put

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

NOON = 145


def put_metrics(number: int, zeros_from: int = 289) -> None:
    """A day of open interest whose figures are 0 from a line of its file on."""
    file = day(number=number, dataset="metrics")
    header, *lines = metrics_csv(file).splitlines()
    for place in range(zeros_from - 1, len(lines)):
        cells = lines[place].split(",")
        lines[place] = ",".join([*cells[:2], "0", "0", *cells[4:]])
    put(file, content="\n".join([header, *lines]) + "\n", sha256=str(number) * 64)


def ask(path: str, **parameters: Any) -> Any:
    markets.forget()
    caches["answers"].clear()
    return Client().get(path, parameters).json()


def heatmap() -> Any:
    return ask("/liquidations/heatmap-timeseries", symbol="ETHUSDT", time_window="48h")


def status() -> tuple[str, str | None]:
    row = next(one for one in ask("/symbols")["symbols"] if one["symbol"] == "ETHUSDT")
    return row["status"], row["settled_at"]


def test_a_settled_contract_has_a_state_of_its_own_and_an_empty_book(
    lake: LakeConfig, superuser: Client
) -> None:
    Symbol.objects.filter(name="ETHUSDT").update(enabled=True)
    put(*(day(number=number, dataset="klines", interval="5m") for number in range(3)))
    put_metrics(0)
    put_metrics(1, zeros_from=NOON)
    assert status() == ("candidate", None)
    meta = heatmap()["meta"]
    assert [gap["kind"] for gap in meta["gaps"]] == ["open_interest"]
    assert meta["settled_at"] is None and meta["total_long_volume"] > 0

    put_metrics(2, zeros_from=1)
    since = "2024-11-02T12:05:00Z"
    assert status() == ("settled", since)
    found = heatmap()
    assert found["meta"]["settled_at"] == since
    assert found["meta"]["gaps"] == [] and found["meta"]["total_long_volume"] == 0
    assert [bool(column["levels"]) for column in found["data"]] == [
        column["timestamp"] < since for column in found["data"]
    ]
    assert b">settled<" in superuser.get("/admin/ingestion/symbol/").content.replace(b"\n", b"")
    pk = Symbol.objects.get(name="ETHUSDT").pk
    page = superuser.get(f"/admin/ingestion/symbol/{pk}/change/").content.decode()
    assert "open interest is 0 since 2024-11-02 12:05:00 UTC" in page

    put_metrics(3)
    assert status() == ("candidate", None)


def test_live_figures_of_0_say_it_after_twelve_hours(lake: LakeConfig) -> None:
    put_metrics(0)
    midnight = datetime(2024, 11, 2, tzinfo=UTC)

    def add(first: int, last: int) -> None:
        instants = [midnight + timedelta(minutes=5 * place) for place in range(first, last)]
        figures = [
            OpenInterestFigure("ETHUSDT", int(one.timestamp() * 1000), 0.0) for one in instants
        ]
        values: list[float | None] = [0.0] * len(figures)
        wanted: Callable[[], list[str]] = lambda: ["ETHUSDT"]  # noqa: E731
        add_open_interest(writer(), figures, values, "http://exchange", wanted, instants[-1])

    add(1, 73)
    with read.snapshot() as cursor:
        assert settled_at(cursor, "ETHUSDT") is None
    add(73, 146)
    with read.snapshot() as cursor:
        assert settlements(cursor) == {"ETHUSDT": int(midnight.timestamp() * 1000) + 300_000}
