import pytest

from tests.support.market import reason
from tests.support.validation_rows import BACKTEST, LIFT, UNREADABLE, ended

pytestmark = pytest.mark.postgresql


def test_a_run_stands_with_its_file_its_figures_beside_chance_and_its_verdict(api):
    ended("ETHUSDT")
    response = api("/validation/runs")
    assert response["Content-Type"] == "application/json"
    (run,) = response.json()["runs"]
    assert (run["symbol"], run["source"], run["state"], run["passed"]) == (
        "ETHUSDT",
        "screenshot",
        "succeeded",
        True,
    )
    assert run["file"] == {"name": "ETHUSDT_0.png", "sha256": "0" * 64}
    assert run["created_at"] == "2026-11-25T12:00:00Z"
    chance = {key: LIFT[key] for key in ("chance", "lift", "low", "high")}
    assert run["figures"] == {
        "hit_rate": {"value": 0.7, "last_column": 0.8, "by_chance": {"uniform": chance}}
    }
    assert run["comparison"] == {"tolerance": 0.005, "columns": 5}
    assert run["verdict"] == "no_reference"
    assert run["verdict_reasons"] == ["1 of 3 passing runs within 30 days"]
    assert "requested_by" not in run


def test_a_run_that_fell_short_says_why(api):
    ended("ETHUSDT", hit_rate=0.5)
    (run,) = api("/validation/runs").json()["runs"]
    assert (run["passed"], run["reasons"]) == (False, ["hit rate, more than 0.60 is needed"])


def test_what_could_not_be_read_has_its_reason_and_no_figures(api):
    ended("ETHUSDT", **UNREADABLE)
    (run,) = api("/validation/runs").json()["runs"]
    assert run["unreadable"] == UNREADABLE["unreadable"]
    assert run["reasons"] == [run["unreadable"]]
    assert (run["passed"], run["figures"], run["comparison"]) == (False, {}, {})


def test_a_backtest_passes_and_fails_nothing(api):
    ended("ETHUSDT", **BACKTEST)
    (run,) = api("/validation/runs", source="events").json()["runs"]
    assert (run["passed"], run["verdict"]) == (None, None)
    assert list(run["figures"]) == ["density_percentile"]
    assert run["comparison"] == {"events": 271, "entries": "open interest"}
    assert api("/validation/runs", source="api").json() == {"runs": []}


def test_the_newest_come_first_and_no_more_than_asked_for(api):
    for number in (1, 3, 2):
        ended("ETHUSDT", number)
    ended("BTCUSDT", 9)

    def files(**parameters):
        runs = api("/validation/runs", **parameters).json()["runs"]
        return [run["file"]["name"] for run in runs]

    assert files(symbol="ETHUSDT") == ["ETHUSDT_3.png", "ETHUSDT_2.png", "ETHUSDT_1.png"]
    assert files(limit=2) == ["BTCUSDT_9.png", "ETHUSDT_3.png"]


def test_a_disabled_symbol_s_history_can_be_asked_for(api):
    ended("DOTUSDT")
    assert len(api("/validation/runs", symbol="DOTUSDT").json()["runs"]) == 1


def test_what_can_t_be_answered_says_why(api):
    assert "NOPEUSDT is not known" in reason(api("/validation/runs", symbol="NOPEUSDT"), 404, None)
    assert "capital letters" in reason(api("/validation/runs", symbol="../etc"), 400, "symbol")
    assert "less than or equal to 500" in reason(api("/validation/runs", limit=501), 400, "limit")
    assert "Unknown parameter" in reason(api("/validation/runs", page=2), 400, "page")
    assert "not a valid choice" in reason(api("/validation/runs", source="x"), 400, "source")


def test_it_asks_the_database_once_for_all_runs(api, django_assert_max_num_queries):
    for number in range(5):
        ended("ETHUSDT", number)
    with django_assert_max_num_queries(1):
        assert len(api("/validation/runs").json()["runs"]) == 5
