"""The table of supported pairs: one for the API, the page and `manage.py supported_pairs`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ingestion import requests
from ingestion.errors import FileDamaged
from ingestion.lake import read
from ingestion.lake.settlement import settlements
from ingestion.models import DamagedFile, Symbol
from ingestion.symbols.states import SymbolState, states_of
from liqheat_project.kernel.instants import instant_of

QUOTES = ("USDT", "USDC")
STILL_COMING = timedelta(days=2)
"""Data this young count as reaching the present: the archive has a day on the day after it."""
HEADINGS = ("Symbol", "Status", "Validation", "Coverage")


@dataclass(frozen=True)
class Pair:
    """A registered symbol, how far it has come, and when its candles begin and end. `is_damaged`:
    some of its files are; where its candles cannot be read for it, they have no beginning.
    `settled_at`: since when its contract's open interest is 0."""

    symbol: Symbol
    state: SymbolState
    start: datetime | None
    end: datetime | None
    now: datetime
    is_damaged: bool = False
    settled_at: datetime | None = None

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
            return "damaged" if self.is_damaged else "no data"
        inside = self.end - datetime.resolution  # data until midnight are of the day before
        last = "present" if self.now - self.end <= STILL_COMING else f"{inside:%b %Y}"
        return f"{self.start:%b %Y} - {last}" + (", damaged" if self.is_damaged else "")


def supported_pairs(now: datetime) -> list[Pair]:
    """Every registered symbol by name. A file that cannot be read hides its own symbol's candles
    alone, and a worker is told to look for it."""
    symbols = list(Symbol.objects.all())
    with read.snapshot() as cursor:
        loaded = read.loaded_series(cursor)
        settled = settlements(cursor)
    unreadable: list[str] = []
    try:
        with read.snapshot() as cursor:
            ranges = read.candle_ranges(cursor)
    except FileDamaged:
        ranges, unreadable = _readable_ranges([symbol.name for symbol in symbols])
    for name in unreadable:
        requests.look_for_damage(name)
    damaged = {*unreadable, *DamagedFile.objects.values_list("symbol", flat=True)}
    states = states_of(symbols, {*ranges, *unreadable, *loaded}, settled, now)
    return [
        Pair(
            symbol,
            states[symbol.name],
            *_instants(ranges.get(symbol.name)),
            now,
            symbol.name in damaged,
            _instant(settled.get(symbol.name)),
        )
        for symbol in symbols
    ]


def markdown(pairs: Iterable[Pair]) -> str:
    """The table as the README has it."""
    rows = [HEADINGS, ["---"] * len(HEADINGS), *(pair.cells for pair in pairs)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _readable_ranges(names: Sequence[str]) -> tuple[dict[str, tuple[int, int]], list[str]]:
    """The ranges by symbol, and the symbols with a file that cannot be read: found by halves, for
    what DuckDB says does not always name the file."""
    try:
        with read.snapshot() as cursor:
            return read.candle_ranges(cursor, names), []
    except FileDamaged:
        if len(names) < 2:
            return {}, list(names)
    middle = len(names) // 2
    (first, bad), (second, worse) = map(_readable_ranges, (names[:middle], names[middle:]))
    return first | second, bad + worse


def _slashed(name: str) -> str:
    quote = next((quote for quote in QUOTES if name.endswith(quote)), "")
    base = name.removesuffix(quote)
    return f"{base}/{quote}" if base and quote else name


def _instants(milliseconds: tuple[int, int] | None) -> tuple[datetime | None, datetime | None]:
    start, end = milliseconds or (None, None)
    return _instant(start), _instant(end)


def _instant(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else instant_of(milliseconds)
