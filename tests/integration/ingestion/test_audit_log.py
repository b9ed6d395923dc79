"""Every act on data, or on what they mean, is in the audit log: who, what, how many."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from heatmap import brackets
from heatmap.models import BracketTable
from ingestion.loading import jobs
from ingestion.models import ChunkState, IngestionJob, Symbol, SymbolEvent

pytestmark = pytest.mark.django_db

DAYS = (date(2024, 11, 1), date(2024, 11, 2))
TABLE = b"symbol,notional_floor,notional_cap,mmr,max_leverage,cum\nETHUSDT,0,5000,0.004,125,0\n"
FILES = "ETHUSDT-metrics-2024-11-01, ETHUSDT-metrics-2024-11-02"
Act = SymbolEvent.Act
Do = Callable[[IngestionJob, Any], object]


def load(job: IngestionJob, by: Any) -> object:
    return jobs.create_job(
        job.symbol, ["klines 5m"], *DAYS, requested_by=by, accept_fewer=True, accept_bad=True
    )


def cancel(job: IngestionJob, by: Any) -> object:
    return jobs.cancel(job, "not needed", by)


def import_brackets(job: IngestionJob, by: Any) -> object:
    tables, _ = brackets.read_file(TABLE, datetime(2024, 11, 1, tzinfo=UTC))
    return brackets.store(tables, source="a file.csv", by=by)


def edit_brackets(job: IngestionJob, by: Any) -> object:
    table = BracketTable.objects.filter(symbol="ETHUSDT").first()
    assert table
    return brackets.record_change(table, "edited", by)


@pytest.mark.parametrize(
    ("state", "error", "do", "act", "text"),
    [
        ("pending", "", load, Act.LOAD_ASKED, "to 2024-11-02; accepts fewer rows, accepts bad"),
        ("pending", "", cancel, Act.LOAD_CANCELLED, "to 2024-11-02; not needed"),
        ("failed", "NotInSource", jobs.retry_failed, Act.LOAD_RETRIED, ": metrics, 2024-11-01"),
        ("loaded", "", jobs.run_again, Act.LOAD_ASKED, "2024-11-02; replaces days"),
        ("undecided", "FewerRows", jobs.accept, Act.FILES_ACCEPTED, f", fewer rows: {FILES}"),
        ("undecided", "TooManyBadRows", jobs.accept, Act.FILES_ACCEPTED, f", bad rows: {FILES}"),
        ("pending", "", import_brackets, Act.BRACKETS_CHANGED, "imported from a file.csv"),
        ("pending", "", edit_brackets, Act.BRACKETS_CHANGED, "edited"),
    ],
    ids=["load", "cancel", "retry", "again", "fewer rows", "bad rows", "import", "edit"],
)
def test_an_act_is_in_the_audit_log(
    state: str,
    error: str,
    do: Do,
    act: Act,
    text: str,
    ethereum: Symbol,
    django_user_model: Any,
) -> None:
    ada = django_user_model.objects.create_superuser("ada")
    job = jobs.create_job(ethereum, ["metrics"], *DAYS)
    job.chunks.update(state=ChunkState(state), error_class=error)
    jobs.settle(job)
    before = SymbolEvent.objects.count()
    do(job, ada)
    (event,) = SymbolEvent.objects.order_by("pk")[before:]
    assert (event.act, event.symbol, event.by) == (act, "ETHUSDT", ada)
    assert text in event.text
    assert event.counts.get("files", 2) == 2
