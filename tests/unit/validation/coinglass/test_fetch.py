"""Asking Coinglass's API, which a server on loopback stands in for."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ingestion.errors import BadRequest, SourceUnavailable
from ingestion.models import Symbol
from validation import runs
from validation.coinglass import fetch as coinglass_api
from validation.models import ValidationRun

KEY = "a-secret-key"
ANSWER = {"code": "0", "data": {"y_axis": [1, 2], "liquidation_leverage_data": []}}


class Coinglass(HTTPServer):
    """Answers as it is told, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.body, self.headers = 200, json.dumps(ANSWER).encode(), {}
        self.asked: list[tuple[str, dict[str, list[str]], str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Coinglass

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        key = self.headers.get("CG-API-KEY")
        self.server.asked.append((address.path, parse_qs(address.query), key))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def coinglass() -> Any:
    server = Coinglass()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def fetch(coinglass: Coinglass, **changes: Any) -> bytes:
    values = {"base_url": coinglass.url, "key": KEY, "symbol": "ETHUSDT", "model": 2, "range": "3d"}
    return coinglass_api.fetch_heatmap(**(values | changes))


def test_the_pair_s_heatmap_is_asked_for_with_the_key(coinglass):
    assert json.loads(fetch(coinglass)) == ANSWER
    assert coinglass.asked == [
        (
            "/api/futures/liquidation/heatmap/model2",
            {"exchange": ["Binance"], "symbol": ["ETHUSDT"], "range": ["3d"]},
            KEY,
        )
    ]


@pytest.mark.parametrize(
    ("status", "body", "error", "reason"),
    [
        (200, {"code": "401", "msg": "Upgrade plan"}, BadRequest, "answered 401: Upgrade plan"),
        (401, {}, BadRequest, "answered 401"),
        (404, {}, BadRequest, "answered 404"),
        (302, {}, BadRequest, "answered 302"),
        (200, {"code": "429", "msg": "Too many"}, SourceUnavailable, "429: Too many; run it again"),
        (503, {}, SourceUnavailable, "answered 503"),
    ],
)
def test_what_coinglass_refuses_is_said_without_the_key(coinglass, status, body, error, reason):
    coinglass.status, coinglass.body = status, json.dumps(body).encode()
    coinglass.headers = {"Location": "http://127.0.0.1:9/"} if status == 302 else {}
    with pytest.raises(error, match=reason) as raised:
        fetch(coinglass)
    assert KEY not in str(raised.value)
    assert len(coinglass.asked) == 1


def test_an_answer_without_end_is_cut_off(coinglass, monkeypatch):
    monkeypatch.setattr(coinglass_api, "MAX_BYTES", 1000)
    coinglass.body = b"x" * 1001
    with pytest.raises(BadRequest, match="more than 1,000 bytes"):
        fetch(coinglass)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"key": ""}, "COINGLASS_API_KEY is not set"), ({"range": "2h"}, "ranges 12h")],
)
def test_what_cannot_be_asked_is_not(coinglass, changes, reason):
    with pytest.raises(BadRequest, match=reason):
        fetch(coinglass, **changes)
    assert coinglass.asked == []


def test_a_server_that_is_not_there_is_unavailable():
    with pytest.raises(SourceUnavailable, match="did not answer: ConnectError"):
        coinglass_api.fetch_heatmap("http://127.0.0.1:9", KEY, "ETHUSDT", 1, "24h")


@pytest.mark.django_db
def test_a_run_keeps_the_answer_as_its_file(coinglass, settings, tmp_path):
    settings.VALIDATION_DIR = tmp_path
    settings.COINGLASS_BASE_URL, settings.COINGLASS_API_KEY = coinglass.url, KEY
    run = runs.create_from_api(Symbol.objects.get(name="ETHUSDT"), 1, "24h")
    runs.execute(run.pk)
    run.refresh_from_db()
    assert run.path.read_bytes() == coinglass.body
    assert "empty" in run.unreadable  # this answer holds no amounts
    assert run.file_name.startswith("ETHUSDT_model1_24h_")


@pytest.mark.django_db
def test_a_refusal_of_coinglass_is_no_finding_about_the_symbol(coinglass, settings, tmp_path):
    settings.VALIDATION_DIR = tmp_path
    settings.COINGLASS_BASE_URL, settings.COINGLASS_API_KEY = coinglass.url, KEY
    coinglass.body = json.dumps({"code": "401", "msg": "Upgrade plan"}).encode()
    run = runs.create_from_api(Symbol.objects.get(name="ETHUSDT"), 1, "24h")
    runs.execute(run.pk)
    run = ValidationRun.objects.get()
    assert (run.state, run.passed, run.sha256) == ("failed", None, "")
    assert "Upgrade plan" in run.error
    assert Symbol.objects.get(name="ETHUSDT").verdict == ""
