import re

import pytest
import yaml
from django.core.management import call_command
from django.test import Client

ENDPOINTS = {
    "/liquidations/heatmap-timeseries",
    "/liquidations/explain",
    "/liquidations/map",
    "/prices/klines",
    "/data/date-range",
    "/data/quality",
    "/symbols",
    "/validation/runs",
    "/validation/summary",
}
OF_ONE_SYMBOL = {path for path in ENDPOINTS if path.startswith(("/liq", "/prices", "/data"))}


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    file = tmp_path_factory.mktemp("schema") / "schema.yml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(file))
    return yaml.safe_load(file.read_text())


def test_the_schema_describes_every_endpoint(schema):
    assert set(schema["paths"]) == ENDPOINTS
    for path, item in schema["paths"].items():
        operation = item["get"]
        assert operation["summary"] and operation["description"], path
        assert {"200", "400", "401", "429", "503"} <= set(operation["responses"]), path


@pytest.mark.parametrize("path", sorted(OF_ONE_SYMBOL))
def test_every_symbol_has_examples_and_every_error_is_described(schema, path):
    operation = schema["paths"][path]["get"]
    (symbol,) = [one for one in operation["parameters"] if one["name"] == "symbol"]
    assert set(symbol["examples"]) == {"BTCUSDT", "ETHUSDT"}
    assert symbol["required"] is True
    assert {"400", "404", "503"} <= set(operation["responses"])


@pytest.mark.parametrize("path", ["/validation/runs", "/validation/summary"])
def test_the_validation_s_answers_have_examples_and_errors(schema, path):
    operation = schema["paths"][path]["get"]
    (symbol,) = [one for one in operation["parameters"] if one["name"] == "symbol"]
    assert set(symbol["examples"]) == {"BTCUSDT", "ETHUSDT"}
    assert not symbol.get("required")
    assert {"400", "404"} <= set(operation["responses"])
    assert operation["responses"]["200"]["content"]["application/json"]["examples"]


def test_it_says_what_timestamps_buckets_and_packed_bytes_are(schema):
    text = schema["paths"]["/liquidations/heatmap-timeseries"]["get"]["description"]
    assert "A column stamped t is the book at t" in text
    assert "lower edge" in text
    assert "uint16 [B, T]" in text


def test_the_schema_is_served():
    response = Client().get("/api/schema")
    assert response.status_code == 200
    assert "/liquidations/heatmap-timeseries" in yaml.safe_load(response.content)["paths"]


def test_swagger_works_without_the_internet(settings):
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    page = Client().get("/api/docs").content.decode()
    assert "swagger-ui" in page
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert loaded and all(address.startswith("/static/") for address in loaded)
    assert "https://" not in page.replace("https://github.com", "")
