"""What the exchange of a soak served, held against the lake."""

from collections.abc import Mapping

from tools.soak import lake
from tools.soak.compare import (
    MINUTE_MS,
    Span,
    compare_liquidations,
    in_none,
    length_outside,
    lost_candles,
    lost_figures,
    pauses,
    within,
)
from tools.soak.play import ARCHIVED, Stage
from tools.soak.report import Report
from tools.soak.stand_ins import UNDER_WAY_MS

LOOK_BACK_HOURS = 47
"""Candles of so long before the soak must be there at its end."""
PERIODS_OF_A_PAUSE = 2.5


def add(found: Report, stage: Stage, span: Span) -> None:
    """Hold what the exchange served against the lake."""
    kept = lake.read(stage.launcher.folder / "var")
    _add_open_interest(found, stage, kept, span)
    _add_candles(found, stage, kept, span)
    _add_archived(found, stage, kept)
    _add_liquidations(found, stage, kept, span)
    found.head("Manners")
    found.hold_none(stage.exchange.impolite, "requests sent though the exchange had said to stop")
    found.say(f"requests in all: {len(stage.exchange.requests)}")


def _add_open_interest(found: Report, stage: Stage, kept: lake.Kept, span: Span) -> None:
    found.head(f"Open interest, every {stage.period:.0f} s")
    served = stage.exchange.served_figures
    lost = lost_figures(served, kept.figures)
    found.say(f"served {_count(served)}, in the lake {_count(kept.figures)}")
    unexplained = in_none(lost, stage.record.figures_at_risk)
    found.hold_none(unexplained, "served, and lost")
    found.say(f"lost with a process that was killed: {len(lost) - len(unexplained)}")
    found.hold(not kept.doubled_rows, f"rows that are there twice: {kept.doubled_rows}")
    away = stage.record.rest_away
    share = 1 - length_outside(span, away) / (span[1] - span[0])
    found.say(f"the exchange, or what was killed, excuses pauses in {share:.0%} of the soak")
    for symbol in stage.exchange.symbols:
        instants = kept.figures.get(symbol, {})
        longest = max(end - start for start, end in pauses(instants, span, 0, []))
        alone = pauses(instants, span, round(PERIODS_OF_A_PAUSE * 1000 * stage.period), away)
        found.hold_none(
            alone, f"{symbol}: longest pause {longest / 1000:.0f} s, pauses without an excuse"
        )


def _add_candles(found: Report, stage: Stage, kept: lake.Kept, span: Span) -> None:
    found.head("Candles of one minute")
    served = {
        symbol: {opened: _candle(fields) for opened, fields in candles.items()}
        for symbol, candles in stage.exchange.served_candles.items()
    }
    found.say(f"served {_count(served)}, in the lake {_count(kept.candles)}")
    closed = (span[0] - LOOK_BACK_HOURS * 3_600_000, span[1] - 3 * MINUTE_MS)
    lost = lost_candles(served, kept.candles, stage.exchange.symbols, closed)
    found.hold_none(
        lost, f"of {LOOK_BACK_HOURS} h and the soak, or served, and not in the lake as served"
    )


def _add_archived(found: Report, stage: Stage, kept: lake.Kept) -> None:
    found.head("Files of the archive")
    expected = {(name, dataset) for name in stage.exchange.symbols for dataset, _ in ARCHIVED}
    found.hold_none(sorted(expected - kept.archived), "published, and not loaded and verified")


def _add_liquidations(found: Report, stage: Stage, kept: lake.Kept, span: Span) -> None:
    found.head("Liquidations")
    killed = stage.record.events_at_risk
    under_way = [(at - UNDER_WAY_MS, at) for at in stage.stream.ended_ms]
    sent = stage.liquidator.sent
    result = compare_liquidations(
        sent, stage.liquidator.attempted, kept.events, kept.heard, [*killed, *under_way]
    )
    on_the_way = [event for event in result.excused if not within(event.time, killed)]
    found.say(f"sent to a listener {len(sent)}, in the lake {len(kept.events)}")
    found.hold_none(result.lost, "sent, and lost")
    found.say(f"lost with the process that was killed: {len(result.excused) - len(on_the_way)}")
    found.list(on_the_way, "lost on the way to a connection that ended")
    found.hold_none(result.doubled, "there twice")
    found.hold_none(result.strangers, "never sent")
    for symbol in stage.exchange.symbols:
        heard = sum(end - start for start, end in kept.heard.get(symbol, []))
        found.say(f"{symbol}: heard {100 * heard / (span[1] - span[0]):.0f} % of the soak")


def _candle(fields: list) -> tuple[float, ...]:
    """As the lake's columns: prices, volume, quote volume, count, the taker's volumes."""
    return tuple(float(fields[number]) for number in (1, 2, 3, 4, 5, 7, 8, 9, 10))


def _count(by_symbol: Mapping[str, Mapping]) -> int:
    return sum(len(one) for one in by_symbol.values())
