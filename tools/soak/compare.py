"""What the exchange served against what the lake holds. Pure: instants in ms, spans half-open."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Span = tuple[int, int]
Figures = Mapping[str, Mapping[int, float]]
Candles = Mapping[str, Mapping[int, tuple[float, ...]]]

MINUTE_MS = 60_000


@dataclass(frozen=True)
class Event:
    """A liquidation as the lake keeps it."""

    symbol: str
    time: int
    side: str
    price: float
    average_price: float
    quantity: float


@dataclass(frozen=True)
class Liquidations:
    """What became of the liquidations that were sent.

    `lost` lie within what the lake says it heard, or were sent outside of all spans that excuse a
    loss; `excused` are missing too, but were sent within one of those. `strangers` were never sent.
    """

    lost: list[Event]
    excused: list[Event]
    doubled: list[Event]
    strangers: list[Event]


def lost_figures(served: Figures, kept: Figures) -> list[tuple[str, int]]:
    """Served figures that the lake does not hold, or holds with another value."""
    return [
        (symbol, instant)
        for symbol, figures in served.items()
        for instant, figure in sorted(figures.items())
        if kept.get(symbol, {}).get(instant) != figure
    ]


def in_none(losses: Iterable[tuple[str, int]], spans: Sequence[Span]) -> list[tuple[str, int]]:
    """The losses outside of all spans."""
    return [loss for loss in losses if not within(loss[1], spans)]


def pauses(
    instants: Iterable[int], span: Span, longest: int, excused: Sequence[Span]
) -> list[Span]:
    """The pauses between instants, from the start to the end of `span`, of which more than
    `longest` lies in none of the excused spans."""
    known = [span[0], *sorted(one for one in instants if span[0] <= one < span[1]), span[1]]
    found = pairwise(known)
    return [pause for pause in found if length_outside(pause, excused) > longest]


def lost_candles(
    served: Candles, kept: Candles, symbols: Iterable[str], span: Span
) -> list[tuple[str, int]]:
    """Minutes that open in `span`, or were served, whose candle the lake does not hold as served.

    A minute that was never asked for is lost too: filling gaps is the collector's task.
    """
    lost = []
    for symbol in symbols:
        first = -(-span[0] // MINUTE_MS) * MINUTE_MS
        theirs, ours = served.get(symbol, {}), kept.get(symbol, {})
        for opened in sorted({*range(first, span[1], MINUTE_MS), *theirs}):
            if opened not in ours or ours[opened] != theirs.get(opened, ours[opened]):
                lost.append((symbol, opened))
    return lost


def compare_liquidations(
    sent: Sequence[Event],
    attempted: Sequence[Event],
    kept: Sequence[Event],
    heard: Mapping[str, Sequence[Span]],
    excuses: Sequence[Span],
) -> Liquidations:
    """`attempted` are all that may have arrived, `sent` those that a listener was there for."""
    counts = Counter(kept)
    missing = [event for event in sent if event not in counts]
    excused = [
        event
        for event in missing
        if within(event.time, excuses) and not within(event.time, heard.get(event.symbol, ()))
    ]
    return Liquidations(
        lost=[event for event in missing if event not in set(excused)],
        excused=excused,
        doubled=[event for event, count in counts.items() if count > 1],
        strangers=sorted(set(counts) - set(attempted), key=lambda event: event.time),
    )


def within(instant: int, spans: Sequence[Span]) -> bool:
    return any(start <= instant < end for start, end in spans)


def length_outside(whole: Span, spans: Sequence[Span]) -> int:
    """How much of the whole lies in none of the spans, which may overlap each other."""
    length, place = 0, whole[0]
    for start, end in sorted(spans):
        if start > place:
            length += min(start, whole[1]) - place
        place = max(place, end)
        if place >= whole[1]:
            return length
    return length + whole[1] - place
