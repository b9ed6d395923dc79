"""Instants. Programs hand them on as milliseconds since the epoch; the lake keeps them naive, in
UTC; Django keeps them aware."""

from datetime import UTC, datetime

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
DAY_SECONDS = 86_400


def milliseconds_of(instant: datetime) -> int:
    """Milliseconds since the epoch; a naive instant is UTC."""
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


def instant_of(milliseconds: float) -> datetime:
    """The same, aware, UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def naive(instant: datetime) -> datetime:
    """An aware instant as the lake keeps it: UTC, without a time zone."""
    return instant.astimezone(UTC).replace(tzinfo=None)


def iso(milliseconds: int) -> str:
    """`2025-01-31T12:00:00Z`, with milliseconds only where there are some."""
    text = instant_of(milliseconds).isoformat(timespec="milliseconds")
    return text.replace(".000", "").replace("+00:00", "Z")


def iso_or_none(instant: datetime | None) -> str | None:
    """The same of a datetime."""
    return None if instant is None else iso(milliseconds_of(instant))
