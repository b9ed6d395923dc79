"""The table of supported pairs: one for the API, the page and `manage.py supported_pairs`."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ingestion.lake import read
from ingestion.models import Symbol
from ingestion.symbols.states import SymbolState, states_of
from liqheat_project.kernel.instants import instant_of

QUOTES = ("USDT", "USDC")
STILL_COMING = timedelta(days=2)
"""Data this young count as reaching the present: the archive has a day on the day after it."""
HEADINGS = ("Symbol", "Status", "Validation", "Coverage")


@dataclass(frozen=True)
class Pair:
    """A registered symbol, how far it has come, and when its candles begin and end."""

    symbol: Symbol
    state: SymbolState
    start: datetime | None
    end: datetime | None
    now: datetime

    @property
    def outcome(self) -> str | None:
        """What the comparison with the outside world came to; None where there was none."""
        if self.symbol.verdict == Symbol.Verdict.APPROVED and not self.symbol.is_approved(self.now):
            return "expired"
        return self.symbol.verdict or None

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """The row of the table, in the order of HEADINGS."""
        return _slashed(self.symbol.name), self.state, self._validation(), self._coverage()

    def _validation(self) -> str:
        if self.outcome is None:
            return "not validated"
        words = self.outcome.replace("_", " ")
        if self.symbol.hit_rate is None:
            return words
        text = f"Hit rate: {self.symbol.hit_rate:.2f}"
        return text if self.outcome == Symbol.Verdict.APPROVED else f"{text}, {words}"

    def _coverage(self) -> str:
        if self.start is None or self.end is None:
            return "no data"
        inside = self.end - datetime.resolution  # data until midnight are of the day before
        last = "present" if self.now - self.end <= STILL_COMING else f"{inside:%b %Y}"
        return f"{self.start:%b %Y} - {last}"


def supported_pairs(now: datetime) -> list[Pair]:
    """Every registered symbol by name."""
    with read.snapshot() as cursor:
        ranges = read.candle_ranges(cursor)
        with_data = {*ranges, *read.loaded_series(cursor)}
    symbols = list(Symbol.objects.all())
    states = states_of(symbols, with_data, now)
    return [
        Pair(symbol, states[symbol.name], *_instants(ranges.get(symbol.name)), now)
        for symbol in symbols
    ]


def markdown(pairs: Iterable[Pair]) -> str:
    """The table as the README has it."""
    rows = [HEADINGS, ["---"] * len(HEADINGS), *(pair.cells for pair in pairs)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _slashed(name: str) -> str:
    quote = next((quote for quote in QUOTES if name.endswith(quote)), "")
    base = name.removesuffix(quote)
    return f"{base}/{quote}" if base and quote else name


def _instants(milliseconds: tuple[int, int] | None) -> tuple[datetime | None, datetime | None]:
    if milliseconds is None:
        return None, None
    start, end = (instant_of(instant) for instant in milliseconds)
    return start, end
