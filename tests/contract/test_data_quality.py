from datetime import date

from django.utils import timezone

from ingestion.loading import jobs, load
from ingestion.models import Symbol
from tests.support.market import reason, register

PATH = "/data/quality"


def test_days_are_counted_by_state_and_named_where_they_are_not_fine(api):
    answer = api(PATH, symbol="ETHUSDT").json()
    assert answer["symbol"] == "ETHUSDT"
    datasets = {one["dataset"]: one for one in answer["datasets"]}
    assert set(datasets) == {"metrics", "klines 1m", "klines 5m", "klines 15m"}
    assert (datasets["metrics"]["first_day"], datasets["metrics"]["last_day"]) == (
        "2024-10-31",
        "2024-11-03",
    )
    candles = datasets["klines 1m"]
    assert candles["counts"] == {"verified": 1, "not_loaded": 3}
    assert [one["day"] for one in candles["days"]] == ["2024-10-31", "2024-11-01", "2024-11-02"]
    assert candles["days"][0] == {
        "day": "2024-10-31",
        "state": "not_loaded",
        "rows": 0,
        "filled": 0,
        "slots": 1440,
        "quarantined": 0,
        "error": "",
    }
    assert candles["gaps"] == []


def test_days_may_be_chosen(api):
    answer = api(PATH, symbol="BTCUSDT", start_date="2024-11-03", end_date="2024-11-04").json()
    counts = {one["dataset"]: one["counts"] for one in answer["datasets"]}
    assert counts == {name: {"verified": 1, "not_loaded": 1} for name in ("metrics", "klines 15m")}


def test_days_to_come_are_not_missing(api):
    answer = api(PATH, symbol="BTCUSDT", start_date="2024-11-03", end_date="2099-12-31").json()
    today = timezone.now().date().isoformat()
    assert {one["last_day"] for one in answer["datasets"]} == {today}


def test_a_failed_attempt_changes_the_answer_and_its_tag(api, tmp_path):
    before = api(PATH, symbol="ETHUSDT")
    tag = {"If-None-Match": before["ETag"]}
    assert api(PATH, headers=tag, symbol="ETHUSDT").status_code == 304
    symbol, day = Symbol.objects.get(name="ETHUSDT"), date(2024, 11, 5)
    job = jobs.create_job(symbol, ["metrics"], day, day, source="folder", folder=str(tmp_path))
    load.run_here(job, lambda job: None)
    after = api(PATH, headers=tag, symbol="ETHUSDT")
    assert after.status_code == 200
    (metrics,) = (one for one in after.json()["datasets"] if one["dataset"] == "metrics")
    assert metrics["counts"] == {"verified": 4, "missing_upstream": 1, "not_loaded": 1}
    assert metrics["days"][-1]["error"] == "NotInSource"
    assert str(tmp_path) not in after.content.decode()  # the reason names the folder


def test_a_symbol_without_data_has_no_datasets(api):
    register("EMPTYUSDT")
    assert api(PATH, symbol="EMPTYUSDT").json() == {"symbol": "EMPTYUSDT", "datasets": []}


def test_what_is_asked_wrongly_is_named(api):
    assert "DOTUSDT is disabled" in reason(api(PATH, symbol="DOTUSDT"), 404, None)
    assert reason(api(PATH, symbol="ETHUSDT", start_date="yesterday"), 400, "start_date")
    assert reason(api(PATH, symbol="ETHUSDT", start_date="1999-01-01"), 400, "start_date")
    late = {"start_date": "2024-11-02", "end_date": "2024-11-01"}
    assert "after end_date" in reason(api(PATH, symbol="ETHUSDT", **late), 400, "start_date")
