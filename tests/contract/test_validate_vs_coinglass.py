"""The command over the loaded market: references are our own map, disturbed or not."""

import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from ingestion.models import Symbol, SymbolEvent
from tests.support.coinglass_picture import draw, encoded
from validation import journal
from validation.coinglass import Unreadable, read_screenshot
from validation.compare import drawing
from validation.models import ValidationRun


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.VALIDATION_DIR = tmp_path / "validation"
    return tmp_path


@pytest.fixture
def answer(api: Callable[..., Any]) -> dict[str, Any]:
    return drawn_by_the_rule(api, "48h")


def drawn_by_the_rule(api: Callable[..., Any], window: str) -> dict[str, Any]:
    """Our map of ETHUSDT by the rule of Coinglass's model 3, in the form of its API."""
    found = api(
        "/liquidations/heatmap-timeseries",
        symbol="ETHUSDT",
        time_window=window,
        interval="15m",
        model="coinglass-3",
        format="grid",
    ).json()
    for row in found["data"]["price_candlesticks"]:
        row[0] += 900  # candles are named by their open, but the column is the book at their end
    return {"code": "0", "data": found["data"]}


def validate(*arguments: str, symbol: str = "ETHUSDT") -> str:
    output = io.StringIO()
    call_command("validate_vs_coinglass", "--symbol", symbol, *arguments, stdout=output)
    return output.getvalue()


def saved(folder: Path, answer: dict[str, Any], name: str) -> str:
    path = folder / name
    path.write_text(json.dumps(answer))
    return str(path)


def test_a_map_that_agrees_passes_and_three_of_them_approve(answer, folder):
    for number in range(3):
        answer["data"]["liquidation_leverage_data"][0][2] += number  # three files that differ
        output = validate("--json", saved(folder, answer, f"ETHUSDT_model3_{number}.json"))
        assert "passed" in output and "does not prove that the map is true" in output
        assert "hit_rate: 1.00" in output
    assert "ETHUSDT: approved: the newest 3 runs passed" in output
    lines = [json.loads(line) for line in journal.runs_file().read_text().splitlines()]
    assert [line["hit_rate"] for line in lines] == [1.0, 1.0, 1.0]
    assert [line["verdict"] for line in lines] == ["no_reference", "no_reference", "approved"]
    symbol = Symbol.objects.get(name="ETHUSDT")
    assert (symbol.verdict, symbol.hit_rate) == ("approved", 1.0)
    acts = [event.act for event in SymbolEvent.objects.order_by("id")]
    assert acts == ["comparison_asked"] * 3 + ["approved"]
    summary = validate("--summary")
    assert "ETHUSDT: approved, validation approved; 3 runs, 3 passed, 0 failed" in summary
    assert "hit_rate: mean 1.00, min 1.00, max 1.00" in summary


def test_a_model_whose_rule_is_not_known_keeps_its_figures_and_does_not_count(answer, folder):
    with pytest.raises(CommandError, match="1 of 1 do not count"):
        validate("--json", saved(folder, answer, "ETHUSDT_model1.json"))
    run = ValidationRun.objects.get()
    assert (run.state, run.passed, run.verdict) == ("succeeded", None, "")
    assert run.figures["our_model"] == "turnover" and run.hit_rate is not None
    assert "rule of Coinglass's model 1 is not known" in run.reasons[0]
    (line,) = journal.runs_file().read_text().splitlines()
    assert json.loads(line)["our_model"] == "turnover"
    assert Symbol.objects.get(name="ETHUSDT").hit_rate is None


def test_a_picture_of_our_own_map_is_read_compared_and_drawn(api, folder):
    """The whole way of a screenshot: its axes, its colours and its browser's time zone, which is
    not said and found by the candles."""
    data = drawn_by_the_rule(api, "24h")["data"]
    levels, rows = np.array(data["y_axis"]), np.array(data["liquidation_leverage_data"])
    intensity = np.zeros((len(levels), len(data["price_candlesticks"])))
    intensity[rows[:, 1].astype(int), rows[:, 0].astype(int)] = rows[:, 2]
    shown = np.abs(levels / float(data["price_candlesticks"][-1][4]) - 1) < 0.06
    levels, intensity = levels[shown], intensity[shown]
    tokyo = timezone(timedelta(hours=9))
    end = data["price_candlesticks"][-1][0]
    hours = [datetime.fromtimestamp(end - 3600 * ago, tokyo) for ago in range(24, -1, -4)]
    klines = api("/prices/klines", symbol="ETHUSDT", interval="15m", limit=96).json()["data"]
    assert klines[0]["timestamp"].startswith(f"{hours[0].astimezone(UTC):%Y-%m-%dT%H:%M}")
    picture = draw(
        np.clip(intensity / np.quantile(intensity[intensity > 0], 0.99), 0, 1),
        # The price axis runs from the upper edge of the first cell to that of the last.
        lowest=float(levels[1]),
        highest=float(2 * levels[-1] - levels[-2]),
        title="ETH Liquidation Heatmap",
        time_labels=[f"{hour:%d, %H:%M}" for hour in hours],
        candles=np.array(
            [[float(k[name]) for name in ("open", "high", "low", "close")] for k in klines]
        ),
    )
    pictures = folder / "pictures"
    pictures.mkdir()
    (pictures / f"ETHUSDT_model3_24h_{hours[-1]:%Y-%m-%dT%H%M}.png").write_bytes(encoded(picture))
    output = validate("--screenshot-dir", str(pictures))
    assert "passed" in output
    run = ValidationRun.objects.get()
    assert (run.passed, run.reasons) == (True, [])
    assert run.figures["rank_correlation"] > 0.95  # its columns are hours, ours five minutes
    assert (run.time_zone, run.figures["time_zone"]) == ("", "UTC+09:00")
    assert any("found by the picture's candles: UTC+09:00" in x for x in run.figures["remarks"])
    assert run.hit_rate > 0.9 and run.price_level_overlap > 0.85
    assert abs(run.window_end.timestamp() - end) < 300
    with Image.open(drawing.path_of(run)) as drawn:
        assert drawn.format == "PNG" and drawn.width > 1000


def test_the_same_file_counts_once(answer, folder):
    for _ in range(3):
        output = validate("--json", saved(folder, answer, "ETHUSDT_model3.json"))
    assert "no_reference: 1 of 3 passing runs" in output


def test_a_random_map_fails_and_says_so_beside_its_chance(answer, folder):
    rows = np.array(answer["data"]["liquidation_leverage_data"])
    levels = np.random.default_rng(1).permutation(len(answer["data"]["y_axis"]))
    rows[:, 1] = levels[rows[:, 1].astype(int)]
    answer["data"]["liquidation_leverage_data"] = rows.tolist()
    with pytest.raises(CommandError, match="1 of 1 failed"):
        validate("--json", saved(folder, answer, "ETHUSDT_model3.json"))
    run = ValidationRun.objects.get()
    assert (run.state, run.passed) == ("succeeded", False)
    assert run.price_level_overlap < 0.3
    assert any("over uniform" in reason for reason in run.reasons)
    assert Symbol.objects.get(name="ETHUSDT").verdict == "rejected"
    told = io.StringIO()
    call_command("validate_vs_coinglass", "--summary", stdout=told)
    assert "validation rejected; 1 runs, 0 passed, 1 failed" in told.getvalue()
    with pytest.raises(CommandError, match="ETHUSDT is not approved"):
        validate()


def test_a_window_outside_of_our_data_says_what_we_cover(answer, folder):
    for row in answer["data"]["price_candlesticks"]:
        row[0] += 30 * 86_400
    with pytest.raises(CommandError):
        validate("--json", saved(folder, answer, "ETHUSDT_model3.json"))
    run = ValidationRun.objects.get()
    assert run.state == "failed"
    assert "data covers 2024-10-31T00:00:00Z to 2024-11-04T00:00:00Z" in run.unreadable


def test_what_cannot_be_read_is_kept_with_its_reason(api, folder):
    (folder / "pictures").mkdir()
    (folder / "pictures" / "ETHUSDT_model1_24h.png").write_text("no picture")
    with pytest.raises(CommandError, match="1 of 1 failed"):
        validate("--screenshot-dir", str(folder / "pictures"))
    run = ValidationRun.objects.get()
    with pytest.raises(Unreadable) as expected:
        read_screenshot(b"no picture")
    assert run.unreadable == expected.value.reason


def test_a_file_of_another_symbol_is_refused(api, folder):
    with pytest.raises(CommandError):
        validate("--json", saved(folder, {}, "BTCUSDT_24h.json"))
    assert "name says BTCUSDT, but ETHUSDT was given" in ValidationRun.objects.get().unreadable


@pytest.mark.real_data
def test_real_pictures_are_read_and_compared_as_far_as_our_data_go(api, real_data):
    """They are of October 2025, which is not loaded; the coin BTC in their names is BTCUSDT's."""
    with pytest.raises(CommandError, match="3 of 3 failed"):
        validate(
            "--screenshot-dir", str(real_data / "coinglass"), "--time-zone", "UTC", symbol="BTCUSDT"
        )
    reasons = dict(ValidationRun.objects.values_list("file_name", "unreadable"))
    the_map = reasons["BTCUSDT_binance_liquidation_map_30d_2025-10-28.png"]
    assert "On 2025-10-28 we have no candle at the map's current price, 114620" in the_map
    assert "We have no data for BTCUSDT" in reasons["BTC_model1_24h_2025-10-28.png"]
    assert "The columns have no times" in reasons["BTC_model3_2w_2025-10-28.png"]
    run = ValidationRun.objects.get(file_name="BTC_model1_24h_2025-10-28.png")
    assert (run.missing_from, run.missing_until) == (date(2025, 10, 27), date(2025, 10, 28))
    assert not run.needs_time_zone
    assert ValidationRun.objects.get(file_name__contains="model3").needs_time_zone


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "no reference: give --screenshot-dir, --json or --api, or put pictures into"),
        (["--screenshot-dir", "/nowhere"], "/nowhere is no folder"),
        (["--json", "/nowhere.json"], "/nowhere.json: No such file"),
        (["--api"], "COINGLASS_API_KEY is not set"),
        (["--json", "x", "--time-zone", "Nowhere"], "no time zone such as UTC"),
    ],
)
def test_no_reference_never_passes(api, arguments, reason):
    with pytest.raises(CommandError, match=reason):
        validate(*arguments)


def test_a_symbol_alone_is_compared_with_its_pictures_in_the_inbox(api, folder, settings):
    settings.VALIDATION_INBOX_DIR = str(folder)
    for name in ("ETHUSDT_model1_24h.png", "BTCUSDT_model1_24h.png"):
        (folder / name).write_text("no picture")
    with pytest.raises(CommandError, match="1 of 1 failed"):
        validate()
    assert ValidationRun.objects.get().file_name == "ETHUSDT_model1_24h.png"


def test_an_empty_folder_is_no_reference(api, folder):
    with pytest.raises(CommandError, match="holds no PNG or JPEG"):
        validate("--screenshot-dir", str(folder))


def test_an_unknown_symbol_is_named(api):
    with pytest.raises(CommandError, match="NOPEUSDT is not registered"):
        validate("--json", "x", symbol="NOPEUSDT")
