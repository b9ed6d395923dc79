from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from ingestion import audit
from ingestion.models import IngestionJob, Symbol, SymbolEvent
from ingestion.symbols.states import SymbolState, state_of, states_of
from validation.gate.decision import Verdict

pytestmark = pytest.mark.postgresql

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
NOTHING = {
    "holds_data": False,
    "loading": False,
    "approved": False,
    "enabled": False,
    "was_disabled": False,
    "settled": False,
}


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({}, "registered"),
        ({"loading": True}, "ingesting"),
        ({"loading": True, "holds_data": True}, "ingesting"),
        ({"holds_data": True}, "candidate"),
        ({"holds_data": True, "enabled": True}, "candidate"),
        ({"holds_data": True, "approved": True}, "approved"),
        ({"holds_data": True, "approved": True, "loading": True}, "approved"),
        ({"holds_data": True, "approved": True, "was_disabled": True}, "disabled"),
        ({"holds_data": True, "approved": True, "was_disabled": True, "enabled": True}, "approved"),
        ({"approved": True, "was_disabled": True}, "registered"),
        ({"holds_data": True, "approved": True, "settled": True}, "settled"),
        ({"holds_data": True, "was_disabled": True, "settled": True}, "disabled"),
    ],
)
def test_a_symbol_s_way(facts, state):
    assert state_of(**(NOTHING | facts)) == state


def test_without_data_nothing_is_more_than_registered_or_ingesting():
    for loading, approved, enabled, was_disabled, settled in product((False, True), repeat=5):
        state = state_of(
            holds_data=False,
            loading=loading,
            approved=approved,
            enabled=enabled,
            was_disabled=was_disabled,
            settled=settled,
        )
        assert state == (SymbolState.INGESTING if loading else SymbolState.REGISTERED)


def test_an_approval_ends_by_itself():
    symbol = Symbol(verdict=Symbol.Verdict.APPROVED, approved_until=NOW)
    assert symbol.is_approved(NOW - timedelta(seconds=1))
    assert not symbol.is_approved(NOW)
    symbol.verdict = Symbol.Verdict.REJECTED
    assert not symbol.is_approved(NOW - timedelta(seconds=1))


def test_the_symbol_knows_every_verdict_of_the_gate():
    assert set(Symbol.Verdict.values) == {str(verdict) for verdict in Verdict}


@pytest.mark.django_db
def test_the_states_come_from_the_lake_the_jobs_and_the_audit_log():
    names = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT"]
    symbols = {symbol.name: symbol for symbol in Symbol.objects.filter(name__in=names)}
    IngestionJob.objects.create(
        symbol=symbols["ETHUSDT"], start_date="2026-01-01", end_date="2026-01-01"
    )
    IngestionJob.objects.create(
        symbol=symbols["BNBUSDT"], start_date="2026-01-01", end_date="2026-01-01", state="succeeded"
    )
    audit.record(SymbolEvent.Act.DISABLED, "SOLUSDT")
    symbols["XRPUSDT"].verdict = "approved"
    symbols["XRPUSDT"].approved_until = NOW + timedelta(days=1)
    found = states_of(symbols.values(), {"SOLUSDT", "BNBUSDT", "XRPUSDT"}, {"BNBUSDT"}, NOW)
    assert found == {
        "BTCUSDT": "registered",
        "ETHUSDT": "ingesting",
        "SOLUSDT": "disabled",
        "BNBUSDT": "settled",
        "XRPUSDT": "approved",
    }
