"""The command over the loaded market, whose liquidations are known."""

import io
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from heatmap.build import MODELS
from heatmap.engine import LONG, SHORT
from ingestion.lake import read, writer
from ingestion.lake.liquidations import add_liquidations
from ingestion.market.records import Liquidation
from ingestion.models import Symbol
from tests.support.market import DAYS, FIRST, FIRST_MS, LAST, load_files, register
from validation.backtest import run
from validation.backtest.events import Events
from validation.models import ValidationRun
from validation.synthetic.market import Positions, simulate_market
from validation.synthetic.parameters import MarketParameters

HEADER = "Symbol,Side,Order Type,Time,Quantity,Price"


@pytest.fixture(scope="module")
def truth() -> Positions:
    """Some of ETHUSDT's liquidations after the first day."""
    parameters = MarketParameters(trades_per_day=5000)
    found = simulate_market("ETHUSDT", FIRST_MS, DAYS, 7, parameters).liquidations()
    later = np.flatnonzero(found.exit_time > FIRST_MS + 86_400_000)
    return found.where(later[:: len(later) // 60])


@pytest.fixture
def capture(truth: Positions, tmp_path: Path) -> Path:
    rows = [
        f"ETHUSDT,{'SELL' if side == LONG else 'BUY'},LIMIT,{time},{contracts:.3f},{price:.2f}"
        for time, side, contracts, price in zip(
            truth.exit_time, truth.side, truth.contracts, truth.exit_price, strict=True
        )
    ]
    path = tmp_path / "capture.csv"
    path.write_text("\n".join([HEADER, *rows, "ETHUSDT,SELL,LIMIT,never,1,2500"]))
    return path


def backtest(*arguments: str, symbol: str = "ETHUSDT") -> str:
    output = io.StringIO()
    call_command("backtest", "--symbol", symbol, *arguments, stdout=output)
    return output.getvalue()


def test_a_capture_gives_figures_with_intervals_and_a_picture(api, capture, tmp_path):
    output = backtest("--events", str(capture), "--output", str(tmp_path / "pictures"))
    assert "1 rows set aside: time is no number of milliseconds" in output
    assert "a lower bound of what was liquidated" in output
    assert "levels by open interest" in output
    for null in ("uniform", "distance_only", "round_numbers", "shifted_in_time"):
        assert f"by chance ({null}): 0." in output
    assert output.count(", 95 % interval") == 4
    assert "short direct share of deviance" in output
    assert "long  rank correlation" in output
    assert "had a level at their price, which had stood for" in output
    (kept,) = ValidationRun.objects.all()
    assert (kept.source, kept.state, kept.passed) == ("events", "succeeded", None)
    assert kept.sha256 == sha256(capture.read_bytes()).hexdigest()
    assert kept.figures["nulls"]["uniform"]["density_percentile"]["low"] < 1
    (model,) = kept.figures["truth"]["models"].values()
    assert set(model) == {"long", "short", "both"}
    lifts = model["both"]["rank"]["lifts"]
    assert set(lifts) == {"distance_only", "another_time"}
    assert kept.figures["by_distance"]["long"][0]["events"] > 0
    assert kept.window_start < kept.window_end
    picture = tmp_path / "pictures" / "backtest-ETHUSDT.png"
    assert picture.read_bytes().startswith(b"\x89PNG\r\n")


def test_sums_per_hour_give_figures_of_two_models_and_the_runs_page_shows_them(
    api, truth, tmp_path, admin_client, settings
):
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    hours, which = np.unique(truth.exit_time // 3_600_000, return_inverse=True)
    usd = truth.contracts * truth.exit_price
    sums = [np.bincount(which, usd * (truth.side == side), len(hours)) for side in (LONG, SHORT)]
    rows = [
        f"{np.datetime64(hour * 3_600_000, 'ms')}Z,ETH,{long:.2f},{short:.2f}"
        for hour, long, short in zip(hours.tolist(), *sums, strict=True)
    ]
    path = tmp_path / "sums.csv"
    path.write_text("\n".join(["hour,coin,long_usd,short_usd", *rows]))
    models = [argument for name in MODELS for argument in ("--model", name)]
    output = backtest("--events", str(path), *models)
    assert f"{len(hours)} hours of ETHUSDT" in output
    for name in MODELS:
        assert f"  {name}\n" in output
    (kept,) = ValidationRun.objects.all()
    assert list(kept.figures["truth"]["models"]) == list(MODELS)
    page = admin_client.get(reverse("admin:validation_validationrun_change", args=[kept.pk]))
    assert "Swept against recorded liquidations" in page.content.decode()


def test_the_same_events_give_the_same_figures(api, capture, tmp_path):
    first, second = (
        backtest("--events", str(capture), "--output", str(tmp_path)) for _ in range(2)
    )
    assert first == second


def test_nothing_after_an_event_changes_what_is_said_of_it(lake, archive, db, truth):
    first_day = FIRST_MS + 86_400_000
    load_files(archive, "ETHUSDT", "klines 15m", "metrics", end=FIRST)
    times = first_day - 60_000 * np.arange(60, 0, -1)
    events = Events(times, np.full(60, 0), np.full(60, truth.entry_price[0]), np.ones(60))
    symbol = Symbol.objects.get(name="ETHUSDT")
    before = run.backtest(symbol, events, run.Entries.OPEN_INTEREST, seed=1)
    load_files(archive, "ETHUSDT", "klines 15m", "metrics", end=LAST)
    after = run.backtest(symbol, events, run.Entries.OPEN_INTEREST, seed=1)
    assert before.percentiles.tolist() == after.percentiles.tolist()
    assert before.lifts["uniform"] == after.lifts["uniform"]


def test_without_open_interest_volume_stands_for_it_only_where_it_is_asked_for(
    lake, archive, db, capture, tmp_path
):
    load_files(archive, "ETHUSDT", "klines 15m")
    arguments = ("--events", str(capture), "--output", str(tmp_path))
    with pytest.raises(CommandError, match="no open interest is loaded for their days"):
        backtest(*arguments)
    output = backtest(*arguments, "--entries", "traded-volume")
    assert "levels by TRADED VOLUME, in place of open interest" in output
    assert "95 % interval" in output


def test_traded_volume_goes_on_where_the_candles_become_finer(api, truth):
    """The last day is of 1m candles; what was opened on the days before still stands on it."""
    last_day = FIRST_MS + (DAYS - 1) * 86_400_000
    chosen = truth.exit_time > last_day + 3_600_000
    events = Events(
        truth.exit_time[chosen],
        truth.side[chosen],
        truth.exit_price[chosen],
        np.ones(int(chosen.sum())),
    )
    symbol = Symbol.objects.get(name="ETHUSDT")
    found = run.backtest(symbol, events, run.Entries.TRADED_VOLUME, seed=1)
    entered = found.ranked.time - found.lead_times
    assert np.mean(entered[np.isfinite(entered)] < last_day) > 0.2


def test_recorded_events_are_read_from_the_lake(lake, archive, db, tmp_path, truth):
    load_files(archive, "ETHUSDT", "klines 15m", "metrics")
    with pytest.raises(CommandError, match="There is no event of ETHUSDT in the lake"):
        backtest()
    recorded = [
        Liquidation("ETHUSDT", int(time), "short" if side == SHORT else "long", price, price, 1.0)
        for time, side, price in zip(
            truth.exit_time[:5], truth.side[:5], truth.exit_price[:5].tolist(), strict=True
        )
    ]
    add_liquidations(writer(), recorded, [], [], lambda: {"ETHUSDT"})
    output = backtest("--output", str(tmp_path))
    assert "ETHUSDT: 5 liquidations" in output
    longs = sum(event.side == "long" for event in recorded)
    assert f"{longs} longs and {5 - longs} shorts" in output
    assert "have a price beyond their candle" not in output


def test_an_event_right_after_the_book_of_a_month_begins_is_ranked_in_it(api, truth):
    first = FIRST_MS + 86_400_000  # 1 November
    events = Events(
        np.array([first + 1000, first + 60_000]),
        np.zeros(2),
        np.full(2, _close_before(first)),
        np.ones(2),
    )
    symbol = Symbol.objects.get(name="ETHUSDT")
    assert len(run.backtest(symbol, events, run.Entries.OPEN_INTEREST, seed=1).ranked) == 2


def _close_before(instant: int) -> float:
    with read.snapshot() as cursor:
        return float(read.candles(cursor, "ETHUSDT", "5m", instant - 300_000, instant)["close"][0])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        ("", "not a header that is known"),
        (HEADER, "There is no event of ETHUSDT in"),
        (
            f"{HEADER}\nETHUSDT,SELL,LIMIT,1700939606270,1,2000",
            "the events are from 2023-11-25T19:13:26.270Z to 2023-11-25T19:13:26.270Z, of our "
            "candles cover 2024-10-31T00:00:00Z to 2024-11-04T00:00:00Z",
        ),
    ],
)
def test_what_gives_no_figure_says_why(api, tmp_path, content, reason):
    path = tmp_path / "events.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CommandError, match=reason):
        backtest("--events", str(path))


def test_an_unknown_symbol_is_named(db):
    with pytest.raises(CommandError, match="NOPEUSDT is not registered"):
        backtest(symbol="NOPEUSDT")


@pytest.mark.real_data
def test_real_events_have_figures_from_real_candles(lake, db, real_data, tmp_path):
    """No open interest of those days is at hand, so that traded volume stands for it."""
    from datetime import date

    folder = real_data / "archive"
    register("BTCUSDT")
    load_files(folder, "BTCUSDT", "klines 1m", start=date(2025, 5, 25), end=date(2025, 5, 26))
    events = real_data / "liquidations" / "hyperliquid_BTC_ETH_2025-05-25.csv"
    arguments = ("--events", str(events), "--output", str(tmp_path))
    with pytest.raises(CommandError, match="no open interest is loaded"):
        backtest(*arguments, symbol="BTCUSDT")
    old_rule = ("--entries", "traded-volume", "--model", "net-open-interest")
    output = backtest(*arguments, *old_rule, symbol="BTCUSDT")
    assert "BTCUSDT: 468 liquidations" in output
    assert "468 do not say their side" in output
    assert "density percentile just before: mean 0.66" in output
