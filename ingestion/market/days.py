"""UTC days of a symbol."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta


@dataclass(frozen=True)
class Days:
    """UTC days from `first` to `last`, both included; None leaves that side open."""

    first: date | None = None
    last: date | None = None

    @property
    def start(self) -> datetime:
        """Midnight before the first day, naive UTC as the lake keeps instants."""
        return datetime.combine(self.first or date(1970, 1, 1), time())

    @property
    def until(self) -> datetime:
        """Midnight after the last day."""
        return datetime.combine(self.last or date(2999, 12, 31), time()) + timedelta(days=1)

    @property
    def parameters(self) -> dict[str, datetime]:
        return {"start": self.start, "until": self.until}

    def __str__(self) -> str:
        if self.first is None and self.last is None:
            return "all days"
        if self.first == self.last:
            return str(self.first)
        if self.last is None:
            return f"{self.first} and later"
        return f"{self.first} to {self.last}" if self.first else f"{self.last} and earlier"


ALL_DAYS = Days()
