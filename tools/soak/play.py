"""What goes wrong in the course of a soak, and when, as shares of its length."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ingestion.market.files import plan_files
from tests.support.archive_files import put_zip
from tests.support.exchange import BROKEN, HANG_UP, RESTRICTED, SILENCE, TOO_MANY_REQUESTS, banned
from tests.support.launcher import Launcher
from tools.soak.compare import Span
from tools.soak.samples import PROGRAMS
from tools.soak.stand_ins import Exchange, Liquidator, Stream, now_ms

RECHECK_SECONDS = 60
LIQUIDATIONS_PERIOD_SECONDS = 5
SILENCE_SECONDS = 75
"""Above the least LIQUIDATIONS_SILENCE_MINUTES there is."""
ROUND_SECONDS = 5
"""From the first answer of a collector's round until it is written, on a busy machine."""
RESTART_SECONDS = 60
"""What a program may take to work again after kill -9, on a busy machine."""


ARCHIVED = (("klines", "1m"), ("metrics", None))
NOTICED_MS = 1000
"""What it takes at most until a kill is noticed."""
LAST_KILL = 0.24
"""Share of the soak after which the programs run on undisturbed."""


@dataclass
class Record:
    """What was done to the system: spans (ms) in which REST could bring nothing, spans whose
    figures of open interest and liquidations were in the memory of a process that was killed,
    kills by program, and a line for each act."""

    rest_away: list[Span] = field(default_factory=list)
    figures_at_risk: list[Span] = field(default_factory=list)
    events_at_risk: list[Span] = field(default_factory=list)
    kills: dict[str, int] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Stage:
    """The system, its stand-ins (of the archive the folder that it serves), and how long (seconds)
    the soak and a collector's round last."""

    launcher: Launcher
    exchange: Exchange
    stream: Stream
    archive: Path
    liquidator: Liquidator
    record: Record
    seconds: float
    period: float


@dataclass(frozen=True)
class Act:
    """Something that goes wrong at `at`, for `lasts` (shares of the soak; seconds where it must be
    so many), and is over with `end`."""

    name: str
    at: float
    begin: Callable[[Stage, float], None]
    lasts: float = 0.0
    least_seconds: float = 0.0
    end: Callable[[Stage], None] = lambda stage: None

    def span(self, seconds: float) -> tuple[float, float]:
        """Seconds from the start of the soak."""
        start = self.at * seconds
        return start, start + max(self.lasts * seconds, self.least_seconds)


def publish(stage: Stage, lasts: float) -> None:
    """The archive's files of yesterday, with the candles that REST serves too."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    for symbol in stage.exchange.symbols:
        for dataset, interval in ARCHIVED:
            (file,) = plan_files(symbol, dataset, interval, yesterday, yesterday)
            put_zip(stage.archive, file, stage.exchange.archived(file) if interval else None)


def too_many_requests(stage: Stage, lasts: float) -> None:
    fault = replace(TOO_MANY_REQUESTS, retry_after=str(round(max(lasts, 2))))
    stage.exchange.script(fault)
    _rest_away(stage, lasts + stage.period)


def ban(stage: Stage, lasts: float) -> None:
    until = now_ms() + round(1000 * lasts)
    stage.exchange.script(banned(until), times=None)
    # It is noticed with the next request.
    stage.exchange.say_stop(now_ms() + round(1000 * stage.period), until)
    _rest_away(stage, lasts)


def restrict(stage: Stage, lasts: float) -> None:
    stage.exchange.script(RESTRICTED, times=None)
    _rest_away(stage, lasts + RECHECK_SECONDS)


def answer_with_errors(stage: Stage, lasts: float) -> None:
    stage.exchange.script(BROKEN, times=None)
    _rest_away(stage, 2 * lasts)  # the pauses double, so the last is no longer than all before


def fail_at_mark_prices(stage: Stage, lasts: float) -> None:
    stage.exchange.script(BROKEN, times=None, path="/fapi/v1/premiumIndex")
    _rest_away(stage, 2 * lasts)


def fall_silent(stage: Stage, lasts: float) -> None:
    stage.exchange.script(SILENCE, times=None)
    _rest_away(stage, 2 * lasts)


def hang_up(stage: Stage, lasts: float) -> None:
    stage.exchange.script(HANG_UP, times=None)
    _rest_away(stage, 2 * lasts)


def heal(stage: Stage) -> None:
    stage.exchange.heal()


def cut_stream(stage: Stage, lasts: float) -> None:
    stage.stream.disconnect()


def silence_stream(stage: Stage, lasts: float) -> None:
    stage.liquidator.quiet.set()


def refuse_stream(stage: Stage, lasts: float) -> None:
    stage.stream.refuse(451)
    stage.stream.disconnect()


def heal_stream(stage: Stage) -> None:
    stage.stream.refuse(None)
    stage.liquidator.quiet.clear()


def kill(name: str) -> Callable[[Stage, float], None]:
    """kill -9 of a supervised program."""

    def begin(stage: Stage, lasts: float) -> None:
        stage.launcher.program(PROGRAMS[name]).kill()
        _killed(stage, name)

    return begin


def kill_children(name: str) -> Callable[[Stage, float], None]:
    """kill -9 of the processes that a program works with; it starts others itself."""

    def begin(stage: Stage, lasts: float) -> None:
        for child in stage.launcher.program(PROGRAMS[name]).children():
            child.kill()
        if name == "live":
            _collectors_killed(stage)

    return begin


ACTS = (
    Act("the archive publishes yesterday's files", 0.01, publish),
    Act("kill -9 of the processes of the collectors' worker", 0.09, kill_children("live")),
    Act("kill -9 of the collectors' worker", 0.12, kill("live")),
    Act("kill -9 of the broker", 0.15, kill("broker")),
    Act("kill -9 of the recorder of liquidations", 0.18, kill("liquidations")),
    Act("kill -9 of beat", 0.20, kill("beat")),
    Act("kill -9 of the web processes", 0.22, kill_children("web")),
    Act("kill -9 of the worker that loads files", LAST_KILL, kill("ingest")),
    Act("REST answers 429 with Retry-After", 0.27, too_many_requests, 0.01, 5, heal),
    Act("the stream is cut", 0.29, cut_stream),
    Act("the stream is silent", 0.32, silence_stream, 0.02, SILENCE_SECONDS, heal_stream),
    Act("REST answers 503", 0.34, answer_with_errors, 0.02, 0, heal),
    Act("REST never answers", 0.42, fall_silent, 0.02, 0, heal),
    Act("REST hangs up", 0.50, hang_up, 0.02, 0, heal),
    Act("REST answers 418 with the end of the ban", 0.58, ban, 0.03, 0, heal),
    Act("REST answers 451", 0.66, restrict, 0.02, 0, heal),
    Act("REST answers 503 about mark prices", 0.74, fail_at_mark_prices, 0.02, 0, heal),
    Act("the stream is cut", 0.78, cut_stream),
    Act("the stream answers 451", 0.80, refuse_stream, 0.02, 0, heal_stream),
)
"""The archive comes first, so that the worker that loads its files is warm when memory is first
looked at. Then the programs are killed, so that their memory can be watched from then on; from 0.85
of the soak on there is time to catch up."""


def steps(stage: Stage, acts: tuple[Act, ...] = ACTS) -> Iterator[tuple[float, Callable[[], None]]]:
    """What is to be done at which second of the soak, in order."""
    found: list[tuple[float, Callable[[], None]]] = []
    for act in acts:
        start, end = act.span(stage.seconds)

        def begin(act: Act = act, lasts: float = end - start) -> None:
            stage.record.lines.append(_line(stage, act, lasts))
            act.begin(stage, lasts)

        found.append((start, begin))
        if end > start:
            found.append((end, lambda act=act: act.end(stage)))
    return iter(sorted(found, key=lambda step: step[0]))


def _line(stage: Stage, act: Act, lasts: float) -> str:
    minute = act.at * stage.seconds / 60
    text = f"{datetime.now(UTC):%H:%M:%S}, minute {minute:4.1f}: {act.name}"
    return "  " + text + (f", for {lasts:.0f} s" if lasts else "")


def _rest_away(stage: Stage, seconds: float) -> None:
    """REST brings nothing from now, for so long, until a collector's next round after it."""
    start = now_ms()
    stage.record.rest_away.append((start, start + round(1000 * (seconds + 2 * stage.period))))


def _killed(stage: Stage, name: str) -> None:
    stage.record.kills[name] = stage.record.kills.get(name, 0) + 1
    if name == "liquidations":
        stage.record.events_at_risk.append(_around_now(LIQUIDATIONS_PERIOD_SECONDS + 2))
    if name in ("live", "broker"):  # a worker that lost its broker gives up what it does
        _collectors_killed(stage)
    if name == "beat":
        _rest_away(stage, RESTART_SECONDS)


def _collectors_killed(stage: Stage) -> None:
    stage.record.figures_at_risk.append(_around_now(ROUND_SECONDS))
    _rest_away(stage, RESTART_SECONDS)


def _around_now(seconds_before: float) -> Span:
    now = now_ms()
    return now - round(1000 * seconds_before), now + NOTICED_MS
