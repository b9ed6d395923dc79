"""The gate over rows: what it writes on the symbol and into the audit log."""

from datetime import timedelta
from itertools import count

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from ingestion.models import Symbol, SymbolEvent
from validation.gate import approval
from validation.gate.decision import DECIDING
from validation.models import GatePolicy, ValidationRun

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

Act = SymbolEvent.Act
number = count()
LIFTS = {"uniform": {figure: {"low": 0.1} for figure in DECIDING}}


@pytest.fixture
def symbol() -> Symbol:
    return Symbol.objects.get(name="ETHUSDT")


def ended(symbol: Symbol, hit_rate: float | None = 0.8, **changes) -> ValidationRun:
    values = {
        "source": "api",
        "sha256": f"{next(number):064x}",
        "state": "succeeded",
        "figures": {"nulls": LIFTS},
        "hit_rate": hit_rate,
        "price_level_overlap": 0.75,
        "passed": hit_rate is not None and hit_rate > 0.6,
        "finished_at": timezone.now(),
    }
    return ValidationRun.objects.create(symbol=symbol, **(values | changes))


def approve(symbol: Symbol) -> None:
    for _ in range(3):
        ended(symbol)
    approval.settle(symbol)


def acts() -> list[str]:
    return list(SymbolEvent.objects.order_by("pk").values_list("act", flat=True))


def test_three_passing_runs_approve_and_the_audit_log_says_so_once(symbol):
    approve(symbol)
    newest = ended(symbol, hit_rate=0.9)
    approval.settle(symbol)
    symbol.refresh_from_db()
    assert symbol.is_approved(timezone.now())
    assert symbol.approved_until == newest.finished_at + timedelta(days=30)
    assert (symbol.hit_rate, symbol.validated_at) == (0.9, newest.finished_at)
    (event,) = SymbolEvent.objects.all()
    assert (event.act, event.symbol) == (Act.APPROVED, "ETHUSDT")
    assert event.text == "the newest 3 runs passed"


def test_a_failing_run_withdraws_and_the_history_stays(symbol):
    approve(symbol)
    ended(symbol, hit_rate=0.3)
    approval.settle(symbol)
    symbol.refresh_from_db()
    assert (symbol.verdict, symbol.approved_until) == (Symbol.Verdict.REJECTED, None)
    assert acts() == [Act.APPROVED, Act.APPROVAL_WITHDRAWN]
    assert "hit rate 0.30, more than 0.60" in SymbolEvent.objects.latest("pk").text
    assert ValidationRun.objects.count() == 4


def test_what_could_not_be_read_neither_approves_nor_withdraws(symbol):
    refused = {"hit_rate": None, "figures": {}, "unreadable": "no colour bar", "state": "failed"}
    ended(symbol, **refused)
    assert approval.settle(symbol).verdict == Symbol.Verdict.NO_REFERENCE
    approve(symbol)
    ended(symbol, **refused)
    approval.settle(symbol)
    symbol.refresh_from_db()
    assert symbol.is_approved(timezone.now())
    assert symbol.hit_rate == 0.8


def test_one_file_counts_once_and_its_newest_run_decides(symbol):
    for hit_rate in (0.8, 0.8, 0.8):
        ended(symbol, hit_rate=hit_rate, sha256="ab" * 32)
    decision = approval.settle(symbol)
    assert decision.reasons == ("1 of 3 passing runs within 30 days",)


def test_events_and_unfinished_runs_do_not_count(symbol):
    ended(symbol, source="events", figures={}, hit_rate=None)
    ended(symbol, state="running", passed=None, figures={}, finished_at=None)
    assert approval.settle(symbol).reasons == ("no reference within 30 days",)


def test_an_approval_never_touches_what_is_served(symbol):
    Symbol.objects.filter(pk=symbol.pk).update(enabled=True)
    approve(symbol)
    ended(symbol, hit_rate=0.1)
    approval.settle(symbol)
    symbol.refresh_from_db()
    assert symbol.enabled


def test_a_stricter_policy_is_written_down_and_decides_anew(symbol, django_user_model):
    approve(symbol)
    ada = django_user_model.objects.create(username="ada")
    approval.change_policy(GatePolicy(hit_rate=0.85, runs=2), by=ada)
    events = SymbolEvent.objects.order_by("pk")[1:]
    assert [(event.act, event.by) for event in events] == [
        (Act.POLICY_CHANGED, ada),
        (Act.APPROVAL_WITHDRAWN, ada),
    ]
    assert events[0].text == "hit rate 0.60 -> 0.85, runs 3 -> 2"
    assert GatePolicy.current().rule.hit_rate == 0.85
    approval.change_policy(GatePolicy(hit_rate=0.85, runs=2), by=ada)
    assert (GatePolicy.objects.count(), SymbolEvent.objects.count()) == (1, 3)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hit_rate", -0.1),
        ("price_level_overlap", 1.1),
        ("runs", 0),
        ("valid_days", 3651),
    ],
)
def test_the_policy_is_bounded(field, value):
    with pytest.raises(ValidationError, match=field):
        GatePolicy(**{field: value}).full_clean()
