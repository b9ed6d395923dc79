from datetime import timedelta

import pytest
from django.utils import timezone

from ingestion.models import Symbol
from tests.support.market import reason
from tests.support.validation_rows import BACKTEST, UNREADABLE, ended
from validation.models import GatePolicy


def summary(api, **parameters):
    rows = api("/validation/summary", **parameters).json()["symbols"]
    return {row["symbol"]: row for row in rows}


def test_runs_and_figures_by_symbol(api):
    for number, hit_rate in enumerate((0.5, 0.7, 0.9)):
        ended("ETHUSDT", number, hit_rate)
    ended("ETHUSDT", 4, **UNREADABLE)
    ended("ETHUSDT", 5, **BACKTEST)
    ended("ETHUSDT", 6, state="running", passed=None)
    rows = summary(api)
    eth = rows["ETHUSDT"]
    assert (eth["runs"], eth["passed"], eth["failed"], eth["unreadable"]) == (4, 2, 1, 1)
    assert eth["hit_rate"] == pytest.approx({"mean": 0.7, "min": 0.5, "max": 0.9})
    assert eth["price_level_overlap"] == pytest.approx({"mean": 0.75, "min": 0.75, "max": 0.75})
    btc = rows["BTCUSDT"]
    assert (btc["runs"], btc["hit_rate"], btc["validation"]) == (0, None, None)
    assert (btc["status"], rows["DOTUSDT"]["status"]) == ("candidate", "registered")


def test_an_approval_says_until_when(api):
    until = timezone.now().replace(microsecond=0) + timedelta(days=1)
    Symbol.objects.filter(name="ETHUSDT").update(
        verdict="approved", hit_rate=0.8, validated_at=until, approved_until=until
    )
    eth = summary(api, symbol="ETHUSDT")["ETHUSDT"]
    assert (eth["status"], eth["validation"]) == ("approved", "approved")
    assert eth["approved_until"] == until.isoformat().replace("+00:00", "Z")


def test_the_policy_in_force_stands_with_it(api):
    GatePolicy.objects.create(hit_rate=0.65, runs=5)
    assert api("/validation/summary").json()["policy"] == {
        "hit_rate": 0.65,
        "price_level_overlap": 0.7,
        "runs": 5,
        "valid_days": 30,
    }


def test_one_symbol_can_be_asked_for(api):
    assert list(summary(api, symbol="ETHUSDT")) == ["ETHUSDT"]
    assert "not known" in reason(api("/validation/summary", symbol="NOPEUSDT"), 404, None)
    assert reason(api("/validation/summary", limit=1), 400, "limit")
