import logging

from django.test import Client

from liqheat_project.kernel.logs import EVENTS


def test_a_request_leaves_a_line(caplog):
    with caplog.at_level(logging.INFO, EVENTS):
        Client().get("/health/live?x=1")
    (line,) = [record.fields for record in caplog.records if record.getMessage() == "request"]
    assert line.pop("milliseconds") >= 0
    assert line == {
        "method": "GET",
        "path": "/health/live",
        "query": "x=1",
        "status": 200,
        "client": "127.0.0.1",
    }
