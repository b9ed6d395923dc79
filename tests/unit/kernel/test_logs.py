import json
import logging

import pytest

from liqheat_project.kernel.logs import EVENTS, JsonFormatter, TextFormatter, event


@pytest.fixture
def record(caplog):
    with caplog.at_level(logging.INFO, EVENTS):
        event("file", symbol="ETHUSDT", rows=288, seconds=0.25, reason="two words", by=None)
    (found,) = caplog.records
    return found


def test_an_event_is_a_line_of_keys_and_values(record):
    line = TextFormatter().format(record)
    assert line.endswith(
        'INFO liqheat: file symbol=ETHUSDT rows=288 seconds=0.250 reason="two words"'
    )


def test_a_text_from_outside_begins_no_line_of_its_own(caplog):
    with caplog.at_level(logging.INFO, EVENTS):
        event("request", path="/x\nINFO liqheat: forged")
    assert "\n" not in TextFormatter().format(caplog.records[0])
    assert "\n" not in JsonFormatter().format(caplog.records[0])


def test_the_same_as_json(record):
    line = json.loads(JsonFormatter().format(record))
    assert line.pop("time")
    assert line == {
        "level": "INFO",
        "logger": "liqheat",
        "event": "file",
        "symbol": "ETHUSDT",
        "rows": 288,
        "seconds": 0.25,
        "reason": "two words",
    }
