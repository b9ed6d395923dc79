"""What becomes of an approval when the data go on which it was given."""

from typing import Any

import pytest
from django.utils import timezone

from ingestion.lake import Days, LakeConfig
from ingestion.models import Symbol, SymbolEvent
from ingestion.symbols import rollback
from ingestion.symbols.states import SymbolState, states_of
from tests.support.lake_days import FIRST, day, put
from validation.gate import approval
from validation.gate.decision import DECIDING
from validation.models import ValidationRun

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

Act = SymbolEvent.Act
LIFTS = {"uniform": {figure: {"low": 0.1} for figure in DECIDING}}


def passing(symbol: Symbol, number: int) -> None:
    now = timezone.now()
    ValidationRun.objects.create(
        symbol=symbol,
        source="api",
        sha256=f"{number:064x}",
        state="succeeded",
        figures={"nulls": LIFTS},
        hit_rate=0.8,
        price_level_overlap=0.75,
        passed=True,
        started_at=now,
        finished_at=now,
    )
    approval.settle(symbol)


@pytest.fixture
def symbol(lake: LakeConfig) -> Symbol:
    """Approved on three days of data."""
    for number in range(3):
        put(day("ETHUSDT", number))
    symbol = Symbol.objects.get(name="ETHUSDT")
    for number in range(3):
        passing(symbol, number)
    return known(symbol)


def known(symbol: Symbol) -> Symbol:
    return Symbol.objects.get(pk=symbol.pk)


def acts() -> list[str]:
    return list(SymbolEvent.objects.order_by("pk").values_list("act", flat=True))


def test_it_is_withdrawn_and_an_undo_brings_it_back(symbol: Symbol, django_user_model: Any) -> None:
    ada = django_user_model.objects.create_user("ada")
    until = symbol.approved_until
    made = rollback.roll_back(symbol, by=ada)
    gone = known(symbol)
    assert (gone.verdict, gone.approved_until, gone.hit_rate) == ("no_reference", None, None)
    assert states_of([gone], set(), set(), timezone.now()) == {"ETHUSDT": SymbolState.REGISTERED}
    assert acts() == [Act.APPROVED, Act.ROLLED_BACK, Act.APPROVAL_WITHDRAWN]
    event = SymbolEvent.objects.latest("pk")
    assert event.text == f"Roll back {made.pk}, all days: no reference within 30 days"
    assert event.by == ada
    rollback.undo(made, by=ada)
    back = known(symbol)
    assert (back.verdict, back.approved_until) == ("approved", until)
    assert acts()[3:] == [Act.ROLL_BACK_UNDONE, Act.APPROVED]
    text = f"Roll back {made.pk}, all days, was undone: the newest 3 runs passed"
    assert SymbolEvent.objects.latest("pk").text == text


def test_days_that_go_take_it_along_and_what_was_compared_before_counts_no_more(
    symbol: Symbol,
) -> None:
    rollback.roll_back(symbol, Days(FIRST, FIRST))
    left = known(symbol)
    assert not left.is_approved(timezone.now())
    state = states_of([left], {"ETHUSDT"}, set(), timezone.now())
    assert state == {"ETHUSDT": SymbolState.CANDIDATE}
    passing(symbol, 7)
    decision = approval.decision_on(symbol, timezone.now())
    assert decision.reasons == ("1 of 3 passing runs within 30 days",)


def test_a_roll_back_that_takes_nothing_withdraws_nothing(symbol: Symbol) -> None:
    later = FIRST.replace(year=FIRST.year + 1)
    rollback.roll_back(symbol, Days(later, later))
    assert known(symbol).is_approved(timezone.now())


def test_other_symbols_keep_theirs(symbol: Symbol) -> None:
    put(day("BTCUSDT"))
    rollback.roll_back(Symbol.objects.get(name="BTCUSDT"))
    assert known(symbol).is_approved(timezone.now())
