"""From recorded liquidations to answers that say what they were converted with."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from heatmap.api import markets
from heatmap.models import Calibration
from ingestion.lake import writer
from ingestion.lake.liquidations import Heard, add_liquidations
from ingestion.market.records import Liquidation
from ingestion.models import SymbolEvent
from tests.support.market import DAYS, FIRST_MS, load_files
from validation.calibration import fit
from validation.calibration.plot import plot
from validation.calibration.run import set_active
from validation.synthetic.market import simulate_market
from validation.synthetic.parameters import MarketParameters

DAY_MS = 86_400_000
URL = "/liquidations/heatmap-timeseries"


def calibrate() -> str:
    output = io.StringIO()
    call_command("calibrate", "--symbol", "ETHUSDT", stdout=output)
    return output.getvalue()


@pytest.fixture
def recorded(lake, archive, db) -> Iterator[None]:
    """A lake of its own, in which the market's own liquidations are recorded."""
    load_files(archive, "ETHUSDT", "klines 5m", "metrics")
    parameters = MarketParameters(trades_per_day=5000)
    found = simulate_market("ETHUSDT", FIRST_MS, DAYS, 7, parameters).liquidations()
    events = [
        Liquidation("ETHUSDT", int(time), "long" if side > 0 else "short", price, price, contracts)
        for time, side, price, contracts in zip(
            found.exit_time,
            found.side,
            found.exit_price.tolist(),
            found.contracts.tolist(),
            strict=True,
        )
    ]
    heard = [Heard("ETHUSDT", FIRST_MS, FIRST_MS + DAYS * DAY_MS)]
    add_liquidations(writer(), events, heard, [], lambda: {"ETHUSDT"})
    markets.forget()
    yield
    markets.forget()


def answer(**choices: object) -> dict:
    """What the API says now."""
    markets.forget()
    response = Client().get(URL, {"symbol": "ETHUSDT", "time_window": "24h", **choices})
    assert response.status_code == 200, response.content
    return response.json()


def test_too_little_that_was_recorded_changes_nothing(recorded):
    with pytest.raises(CommandError, match=r"3 days and .* intervals with events are recorded"):
        calibrate()
    assert not Calibration.objects.exists()


def test_a_calibration_is_kept_used_named_and_taken_back(recorded, monkeypatch):
    monkeypatch.setattr(fit, "LEAST_DAYS", 2)
    monkeypatch.setattr(fit, "LEAST_INTERVALS", 10)
    raw = answer()
    assert "x swept^" in calibrate()
    (row,) = Calibration.objects.all()
    assert row.gain > row.gain_low > 0
    assert SymbolEvent.objects.get(act="calibrated").symbol == "ETHUSDT"
    Calibration.objects.update(turnover=0.3)
    used = answer()
    assert used["meta"]["calibration"]["long"] == {"scale": row.long_scale, "power": row.long_power}
    assert raw["meta"]["calibration"] is None
    np.testing.assert_allclose(
        longs(used), row.long_scale * longs(raw) ** row.long_power, rtol=1e-3, atol=0.02
    )
    assert answer(calibrated="false")["data"] == raw["data"]
    picture = io.BytesIO()
    plot(row, picture)
    assert picture.getvalue().startswith(b"\x89PNG")
    set_active(row, False)
    assert answer()["data"] == raw["data"]


def longs(answer: dict) -> np.ndarray:
    return np.array([level["long_density"] for level in answer["data"][-1]["levels"]])
