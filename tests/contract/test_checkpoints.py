"""Checkpoints make answers fast, and change nothing in them."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from heatmap import build, checkpoints
from heatmap.engine import Book
from ingestion.models import IngestionJob
from tests.support.market import LAST, load_files, register

PATH = "/liquidations/heatmap-timeseries"
ASKED = {"symbol": "BTCUSDT", "time_window": "24h", "price_bin_size": 50}


@pytest.fixture
def folder(settings):
    found = settings.VAR_DIR / "checkpoints"
    shutil.rmtree(found, ignore_errors=True)
    return found


def answer(api, **more):
    from django.core.cache import caches

    caches["answers"].clear()
    found = api(PATH, **ASKED, **more).json()
    return found["data"], found["meta"]["total_long_volume"], found["meta"]["unplaced_share"]


def test_an_answer_is_the_same_with_and_without_them(api, folder, monkeypatch):
    written = answer(api)
    (file,) = folder.glob("BTCUSDT/*.npz")
    assert file.name.startswith("2024-11_")
    assert answer(api) == written
    monkeypatch.setattr(
        build, "book_before", lambda cursor, market, *rest, **more: (market.history.start, Book())
    )
    whole = answer(api)
    assert [column["timestamp"] for column in whole[0]] == [c["timestamp"] for c in written[0]]
    for ours, theirs in zip(whole[0], written[0], strict=True):
        assert [one["price"] for one in ours["levels"]] == [
            one["price"] for one in theirs["levels"]
        ]
        for one, other in zip(ours["levels"], theirs["levels"], strict=True):
            assert one == pytest.approx(other, rel=1e-6, abs=0.02)
    assert whole[1:] == pytest.approx(written[1:], rel=1e-6)


def test_a_checkpoint_is_really_used(api, folder):
    written = answer(api)
    (file,) = folder.glob("BTCUSDT/*.npz")
    with file.open("wb") as target:
        np.savez(target, **Book().to_arrays())
    assert answer(api)[2] > written[2]


def test_a_broken_file_is_computed_again(api, folder):
    written = answer(api)
    (file,) = folder.glob("BTCUSDT/*.npz")
    for rubbish in (b"", b"PK\x03\x04rubbish", file.read_bytes()[:1000]):
        file.write_bytes(rubbish)
        assert answer(api) == written


def test_weights_of_ones_own_are_not_kept(api, folder):
    answer(api, leverage_weights="10:1")
    assert not list(folder.glob("**/*.npz"))


def test_new_data_before_it_replaces_it_and_later_data_does_not(api, folder, archive):
    def load(**days):
        load_files(archive, "BTCUSDT", "klines 15m", **days)
        IngestionJob.objects.all().delete()
        from heatmap.api import markets

        markets.forget()
        answer(api)
        return [path.name for path in folder.glob("BTCUSDT/*.npz")]

    register("BTCUSDT")
    first = load(start=LAST, end=LAST)
    assert len(first) == 1
    assert load(start=LAST, end=LAST) == first
    later = load()
    assert len(later) == 1 and later != first


def test_months_start_on_their_first():
    day = 86_400_000
    found = list(checkpoints.month_starts(1_700_000_000_000, 1_709_251_200_000))
    assert found == [1_701_388_800_000, 1_704_067_200_000, 1_706_745_600_000, 1_709_251_200_000]
    assert list(checkpoints.month_starts(found[0], found[0] + day)) == found[:1]


def test_of_the_last_month_weeks_are_kept_too():
    day, first = 86_400_000, 1_701_388_800_000  # 2023-12-01
    assert checkpoints.checkpoint_times(first - day, first + 20 * day) == [
        first,
        first + 7 * day,
        first + 14 * day,
    ]
    assert checkpoints.checkpoint_times(first + 10 * day, first + 31 * day) == [first + 31 * day]


def test_an_older_window_keeps_no_weeks_of_its_own(monkeypatch):
    day, first = 86_400_000, 1_701_388_800_000  # 2023-12-01
    seen = []
    monkeypatch.setattr(checkpoints, "model_fingerprint", lambda *given: "abc")
    monkeypatch.setattr(checkpoints, "_advanced", lambda *given: seen.append(given[-1]) or Book())
    history = SimpleNamespace(start=first - day, end=first + 41 * day)
    market = SimpleNamespace(history=history, brackets=SimpleNamespace(tables=()))
    for instant in (first + 30 * day, first + 40 * day):
        checkpoints.book_before(None, market, None, instant, keep=False)
    assert seen == [first, first, first + 31 * day, first + 38 * day]


def test_weeks_of_other_months_go_and_other_models_stay(tmp_path):
    kept = {"2024-10_abc-1", "2024-11_abc-1", "2024-11-08_abc-1", "2024-10-22_def-1"}
    for name in kept | {"2024-10-22_abc-1"}:
        (tmp_path / f"{name}.npz").touch()
    checkpoints.drop_weeks_of_other_months(tmp_path, "abc", "2024-11")
    assert {path.stem for path in tmp_path.iterdir()} == kept


@pytest.mark.real_data
@pytest.mark.django_db(transaction=True)
def test_an_instant_is_the_same_through_every_window_of_real_data(
    lake, real_data: Path, settings, tmp_path
):
    from datetime import date

    from django.test import Client

    from heatmap.api import markets

    settings.VAR_DIR = tmp_path
    archive = real_data / "archive"
    days = {"start": date(2025, 12, 1), "end": date(2026, 1, 28)}
    load_files(archive, "BTCUSDT", "klines 5m", "metrics", **days)
    markets.forget()
    asked = {"symbol": "BTCUSDT", "price_bin_size": 100}
    seen = []
    for window in (
        {"time_window": "48h", "interval": "1h"},
        {"time_window": "7d"},
        {"time_window": "30d"},
        {"start_time": "2025-12-20T00:00", "interval": "4h"},
    ):
        data = Client().get(PATH, asked | window).json()["data"]
        column = {c["timestamp"]: c for c in data}["2026-01-28T16:00:00Z"]
        seen.append({one["price"]: one for one in column["levels"]})
    shared = set.intersection(*(set(levels) for levels in seen))
    assert len(shared) > 400
    for price in shared:
        for levels in seen[1:]:
            assert levels[price] == pytest.approx(seen[0][price], rel=1e-6, abs=0.02)
    markets.forget()
