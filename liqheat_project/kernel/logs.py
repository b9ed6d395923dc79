"""The log: one line an event, with its fields as key=value or as JSON."""

import logging
from typing import Any

import orjson

EVENTS = "liqheat"
"""The logger of events: a file that ended, a collector's round, an act of a person, a request."""

_events = logging.getLogger(EVENTS)


def event(name: str, level: int = logging.INFO, **fields: Any) -> None:
    """Log that something happened. Fields that are None or empty texts are left out."""
    known = {key: value for key, value in fields.items() if value not in (None, "")}
    _events.log(level, name, extra={"fields": known})


def leave_the_screen_to_a_command() -> None:
    """No events but errors in this process: a person looks at a command that tells the same."""
    _events.setLevel(logging.ERROR)


class TextFormatter(logging.Formatter):
    """`2026-11-28 12:00:00,000 INFO liqheat: file state=loaded rows=288 symbol=ETHUSDT`."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name}: {message}", style="{")

    def formatMessage(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        return " ".join([super().formatMessage(record), *map(_pair, fields, fields.values())])


class JsonFormatter(logging.Formatter):
    """An object with `time`, `level`, `logger`, `event` and the event's fields."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def _pair(key: str, value: Any) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    is_plain = text.isprintable() and not any(sign in text for sign in ' "=')
    return f"{key}={text}" if is_plain else f"{key}={orjson.dumps(text).decode()}"
