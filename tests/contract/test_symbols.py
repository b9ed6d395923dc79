from datetime import timedelta

import pytest
from django.utils import timezone

from ingestion.models import Symbol
from tests.support.market import reason

pytestmark = pytest.mark.postgresql


def row(api, name):
    return next(one for one in api("/symbols").json()["symbols"] if one["symbol"] == name)


def test_every_registered_symbol_is_listed_with_its_state_and_coverage(api):
    rows = {row["symbol"]: row for row in api("/symbols").json()["symbols"]}
    eth, dot = rows["ETHUSDT"], rows["DOTUSDT"]
    assert (eth["enabled"], eth["status"], eth["tick_size"]) == (True, "candidate", 0.01)
    assert eth["coverage"] == {
        "data_start": "2024-10-31T00:00:00Z",
        "data_end": "2024-11-04T00:00:00Z",
    }
    assert (dot["enabled"], dot["status"]) == (False, "registered")
    assert dot["coverage"] == {"data_start": None, "data_end": None}
    assert eth["validation"] is None
    assert list(rows) == sorted(rows)


def test_an_approval_is_shown_and_its_end_takes_nothing_away(api):
    now = timezone.now()
    eth = Symbol.objects.filter(name="ETHUSDT")
    eth.update(
        verdict="approved", hit_rate=0.75, validated_at=now, approved_until=now + timedelta(days=1)
    )
    found = row(api, "ETHUSDT")
    assert found["status"] == "approved"
    assert (found["validation"]["state"], found["validation"]["hit_rate"]) == ("approved", 0.75)
    assert found["text"] == {
        "symbol": "ETH/USDT",
        "status": "approved",
        "validation": "Hit rate: 0.75",
        "coverage": "Oct 2024 - Nov 2024",
    }
    eth.update(approved_until=now - timedelta(seconds=1))
    found = row(api, "ETHUSDT")
    assert (found["enabled"], found["status"]) == (True, "candidate")
    assert found["validation"]["state"] == "expired"
    assert api("/data/date-range", symbol="ETHUSDT").status_code == 200


def test_it_takes_no_parameters(api):
    assert reason(api("/symbols", symbol="ETHUSDT"), 400, "symbol")
