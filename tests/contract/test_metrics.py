import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from ingestion.collecting import state
from ingestion.models import CollectorState, IngestionJob, Symbol

pytestmark = pytest.mark.postgresql

LOCAL = {"REMOTE_ADDR": "127.0.0.1"}


def read(response):
    """The samples of an answer, by name and labels."""
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain; version=")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def value(samples, name, **labels):
    return samples.get((name, tuple(sorted(labels.items()))))


def test_figures_of_jobs_rows_lag_and_collectors(api):
    symbol = Symbol.objects.get(name="ETHUSDT")
    for state_name in ("failed", "failed", "running"):
        IngestionJob.objects.create(
            symbol=symbol, state=state_name, start_date="2025-01-01", end_date="2025-01-01"
        )
    state.failed(CollectorState.Collector.OPEN_INTEREST, "closed", "ETHUSDT")
    samples = read(Client(**LOCAL).get("/metrics"))
    assert value(samples, "liqheat_jobs", state="failed") == 2
    assert value(samples, "liqheat_jobs", state="running") == 1
    assert value(samples, "liqheat_jobs", state="queued") == 0
    labels = {"collector": "open_interest", "symbol": "ETHUSDT"}
    assert value(samples, "liqheat_collector_errors_in_a_row", **labels) == 1
    assert value(samples, "liqheat_collector_well", **labels) == 0
    loaded = value(samples, "liqheat_loaded_rows", symbol="ETHUSDT", dataset="metrics", interval="")
    assert loaded > 0
    assert value(samples, "liqheat_lag_seconds", symbol="ETHUSDT", kind="candles") > 0
    assert value(samples, "liqheat_lag_seconds", symbol="DOTUSDT", kind="candles") is None
    assert value(samples, "liqheat_lake_files") > 0
    assert value(samples, "liqheat_queued_messages", queue="ingest") is not None
    assert {part: value(samples, "liqheat_up", part=part) for part in PARTS} == dict.fromkeys(
        PARTS, 1
    )


PARTS = ("database", "lake", "broker")


@pytest.mark.django_db
def test_a_part_that_is_away_has_no_figures(settings):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    samples = read(Client(**LOCAL).get("/metrics"))
    assert value(samples, "liqheat_up", part="broker") == 0
    assert value(samples, "liqheat_queued_messages", queue="ingest") is None
    assert value(samples, "liqheat_up", part="lake") == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    "client",
    [
        {"REMOTE_ADDR": "192.0.2.7"},
        LOCAL | {"HTTP_X_FORWARDED_FOR": "192.0.2.7"},
        LOCAL | {"HTTP_FORWARDED": "for=192.0.2.7"},
    ],
)
def test_without_a_token_only_this_machine_may_ask(client):
    response = Client(**client).get("/metrics")
    assert response.status_code == 403
    assert "METRICS_TOKEN" in response.text


@pytest.mark.django_db
def test_with_a_token_whoever_has_it_may_ask_and_nobody_else(settings):
    settings.METRICS_TOKEN = "a-long-secret"
    assert Client(**LOCAL).get("/metrics").status_code == 403
    far = Client(REMOTE_ADDR="192.0.2.7")
    assert far.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 403
    assert far.get("/metrics", headers={"Authorization": "Bearer é"}).status_code == 403
    read(far.get("/metrics", headers={"Authorization": "Bearer a-long-secret"}))
