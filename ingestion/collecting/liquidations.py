"""Records the exchange's liquidations of the enabled symbols for as long as the program runs.

It is a process of its own (`manage.py collect_liquidations`) because a connection lives for a day:
a Celery task would have to be cut into minutes, with a gap in the stream at every cut. All symbols
come over the one stream, so that enabling one needs no new connection, and silence is a sign that
something is wrong and not that a small symbol is calm.
"""

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections
from django.utils import timezone
from redis.exceptions import LockError, RedisError

from ingestion import lake
from ingestion.collecting import state
from ingestion.collecting.rounds import enabled_symbols
from ingestion.errors import BadFormat, SourceUnavailable, TemporaryError
from ingestion.lake.liquidations import (
    BadMessage,
    Heard,
    add_liquidations,
    events_since,
    heard_share,
    heard_spans,
)
from ingestion.market.plausibility import instant_fault
from ingestion.market.records import Liquidation
from ingestion.models import CollectorState
from ingestion.sources.stream import LiquidationStream, parse_message
from liqheat_project.kernel.backoff import backoff
from liqheat_project.kernel.instants import DAY_MS, HOUR_MS, MINUTE_MS, instant_of

COLLECTOR = CollectorState.Collector.LIQUIDATIONS
LOCK_NAME = "liqheat:collect-liquidations"
LOCK_SECONDS = 30.0
SLICE_MS = 600_000  # coverage is written in such pieces; no piece lies across midnight
MAX_KEPT_EVENTS = 100_000
MAX_KEPT_BAD_MESSAGES = 100
MAX_RAW_BYTES = 500
WRITES_OF_ONE_LAKE = 720  # an hour: the memory of DuckDB grows with each
WARNING_MS = MINUTE_MS  # bad messages are logged once in so long
FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 1.0, 300.0

logger = logging.getLogger(__name__)


class Turn:
    """At most one process records at a time: a lock in the broker that runs out with its holder.

    It saves work and no more: two that record at once store every event once.
    """

    def __init__(self, url: str) -> None:
        client = redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5)
        self._lock = client.lock(LOCK_NAME, timeout=LOCK_SECONDS, thread_local=False)
        self._mine = False

    def take(self) -> bool:
        """Take the turn or keep it. A broker that does not answer changes nothing."""
        try:
            self._mine = self._kept() or bool(self._lock.acquire(blocking=False))
        except RedisError as error:
            logger.warning("The broker does not answer: %s", error)
        return self._mine

    def give_up(self) -> None:
        try:
            if self._mine:
                self._lock.release()
        except RedisError as error:
            logger.warning("The turn could not be given up and runs out by itself: %s", error)
        self._mine = False

    def _kept(self) -> bool:
        try:
            return self._mine and bool(self._lock.reacquire())
        except LockError:  # it ran out
            return False


class Recorder:
    """What was heard and is not in the lake yet. It outlives connections, so that what one brought
    is not lost with it."""

    def __init__(self) -> None:
        self.symbols: frozenset[str] = frozenset()
        self.connected_ms: int | None = None
        self.last_message_ms: int | None = None  # of this connection, like the next one
        self.bad_messages = 0
        self._events: list[Liquidation] = []
        self._bad: list[BadMessage] = []
        self._heard: list[Heard] = []
        self._since: dict[str, int] = {}
        self._warned_ms = 0
        self._writes = 0

    @property
    def is_full(self) -> bool:
        return len(self._events) > MAX_KEPT_EVENTS

    def connected(self, now_ms: int) -> None:
        self.connected_ms, self.last_message_ms, self.bad_messages = now_ms, None, 0
        self._since = dict.fromkeys(self.symbols, now_ms)

    def follow(self, symbols: Iterable[str], now_ms: int) -> None:
        """Record these symbols from now on."""
        self.symbols = frozenset(symbols)
        if self.connected_ms is None:
            return
        self._cut(set(self._since) - self.symbols)
        self._since |= dict.fromkeys(self.symbols - set(self._since), now_ms)

    def hear(self, message: bytes, now_ms: int) -> None:
        """Keep the events of the followed symbols in a message, or the message if it is bad."""
        try:
            events = parse_message(message)
            for event in events:
                if fault := instant_fault(event.time_ms, now_ms):
                    raise BadFormat(fault)
        except BadFormat as error:
            self.bad_messages += 1
            self._warn_of_bad_messages(str(error), now_ms)
            if self.bad_messages <= MAX_KEPT_BAD_MESSAGES:
                raw = message[:MAX_RAW_BYTES].decode(errors="replace")
                raw = raw.replace("\0", "\ufffd")  # PostgreSQL, where it may go, takes no NUL
                self._bad.append(BadMessage(now_ms, str(error)[:MAX_RAW_BYTES], raw))
            return
        self.last_message_ms = now_ms
        self._events += [event for event in events if event.symbol in self.symbols]
        if self.is_full:
            raise TemporaryError(
                f"{len(self._events):,} liquidations wait to be written to the lake: nothing more "
                "is recorded until they are."
            )

    def disconnected(self) -> None:
        """The connection ended: what it covered ends with the last message that it brought."""
        self._cut(set(self._since))
        self.connected_ms = None

    def write(self) -> None:
        """Put into the lake what there is, with the coverage up to the last whole piece.

        Raises TemporaryError, with everything kept for the next time.
        """
        self._cut_whole_slices()
        add_liquidations(lake.writer(), self._events, self._heard, self._bad, enabled_symbols)
        self._events, self._bad, self._heard = [], [], []
        self._writes += 1
        if self._writes % WRITES_OF_ONE_LAKE == 0:
            lake.close()

    def unwritten(self) -> dict[str, list[tuple[int, int]]]:
        """By symbol, the span heard since the last whole piece (ms)."""
        until = self.last_message_ms or 0
        return {name: [(start, until)] for name, start in self._since.items() if start < until}

    def _warn_of_bad_messages(self, reason: str, now_ms: int) -> None:
        if now_ms - self._warned_ms >= WARNING_MS:
            self._warned_ms = now_ms
            logger.warning(
                "Not understood and left out: %d messages of this connection, the last for: %s",
                self.bad_messages,
                reason,
            )

    def _cut(self, symbols: set[str]) -> None:
        until = self.last_message_ms or 0
        for symbol in symbols:
            self._heard += slices(symbol, self._since.pop(symbol), until)

    def _cut_whole_slices(self) -> None:
        until = (self.last_message_ms or 0) // SLICE_MS * SLICE_MS
        for symbol, start in self._since.items():
            if start < until:
                self._heard += slices(symbol, start, until)
                self._since[symbol] = until


def slices(symbol: str, start_ms: int, end_ms: int) -> Iterator[Heard]:
    """[start, end) cut at the multiples of `SLICE_MS`."""
    while start_ms < end_ms:
        until = min((start_ms // SLICE_MS + 1) * SLICE_MS, end_ms)
        yield Heard(symbol, start_ms, until)
        start_ms = until


def collect(stop: threading.Event) -> None:
    """Record until `stop` is set: one connection after the other, with growing pauses while the
    exchange cannot be reached."""
    turn, recorder, failures = Turn(settings.REDIS_URL), Recorder(), 0
    try:
        while not stop.is_set():
            wait = float(settings.LIQUIDATIONS_PERIOD_SECONDS)
            try:
                _write_rest(recorder)
                if not turn.take():
                    logger.info("Another process records the liquidations; waiting for its end.")
                elif not _follow_enabled(recorder):
                    why = "idle: no symbol is enabled" if settings.COLLECT else "off: COLLECT=false"
                    state.succeeded(COLLECTOR, next_run=_after(wait), status=why)
                else:
                    _record_connection(recorder, turn, stop)
            except (TemporaryError, DatabaseError, InterfaceError) as error:
                failures = 1 if recorder.last_message_ms else failures + 1
                wait = backoff(failures, FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS)
                _say_failed(error, wait)
            stop.wait(wait)
    finally:
        turn.give_up()


def _write_rest(recorder: Recorder) -> None:
    """Write what the last connection left. A lake that is away keeps nobody from listening, unless
    there is no room for more."""
    try:
        recorder.write()
    except TemporaryError as error:
        if recorder.is_full:
            raise
        logger.warning("Not written yet: %s", error)


def _record_connection(recorder: Recorder, turn: Turn, stop: threading.Event) -> None:
    """Record what one connection brings, until it ends or there is no reason to go on."""
    recorder.last_message_ms = None  # one that does not come about has brought nothing
    period = settings.LIQUIDATIONS_PERIOD_SECONDS
    with LiquidationStream(settings.STREAM_BASE_URL) as stream:
        recorder.connected(_now_ms())
        logger.info("Connected to %s", stream.url)
        try:
            due = time.monotonic()
            while not stop.is_set():
                if time.monotonic() >= due:
                    if not _go_on(recorder, turn):
                        break
                    due = time.monotonic() + period
                message = stream.receive(min(due - time.monotonic(), 0.5))
                if message is not None:
                    recorder.hear(message, _now_ms())
            while (message := stream.receive(0)) is not None:  # came while a period's work was done
                recorder.hear(message, _now_ms())
        finally:
            recorder.disconnected()
            recorder.write()


def _go_on(recorder: Recorder, turn: Turn) -> bool:
    """The work of every period; False when nothing is to be recorded here any more.

    A lake or a database that is away for a while does not end the connection.
    """
    if not turn.take():
        return False
    try:
        if not _follow_enabled(recorder):
            return False
        recorder.write()
        _say_well(recorder)
    except (TemporaryError, DatabaseError, InterfaceError) as error:
        _say_failed(error, settings.LIQUIDATIONS_PERIOD_SECONDS)
    _check_silence(recorder)
    return True


def _follow_enabled(recorder: Recorder) -> bool:
    close_old_connections()
    recorder.follow(enabled_symbols(), _now_ms())
    return bool(recorder.symbols)


def _check_silence(recorder: Recorder) -> None:
    """Raises SourceUnavailable when the connection stands but brings nothing."""
    assert recorder.connected_ms is not None
    heard_ms = recorder.last_message_ms or recorder.connected_ms
    silent = timedelta(milliseconds=_now_ms() - heard_ms)
    if silent > timedelta(minutes=settings.LIQUIDATIONS_SILENCE_MINUTES):
        raise SourceUnavailable(
            f"Connected to {settings.STREAM_BASE_URL}, but no liquidation of any symbol came for "
            f"{settings.LIQUIDATIONS_SILENCE_MINUTES} min. The connection is made anew; if that "
            "does not help, the exchange may have moved the stream (STREAM_BASE_URL)."
        )


def _say_well(recorder: Recorder) -> None:
    next_run = _after(settings.LIQUIDATIONS_PERIOD_SECONDS)
    state.succeeded(COLLECTOR, next_run=next_run, **_figures(recorder, _now_ms()))


def _figures(recorder: Recorder, now_ms: int) -> dict[str, Any]:
    with lake.read.snapshot() as cursor:
        spans = heard_spans(cursor, now_ms - DAY_MS, now_ms)
        events = events_since(cursor, now_ms - HOUR_MS)
    for symbol, unwritten in recorder.unwritten().items():
        spans.setdefault(symbol, []).extend(unwritten)
    return {
        "status": "connected",
        "connected_since": _text(recorder.connected_ms),
        "last_message": _text(recorder.last_message_ms),
        "rows_last_hour": sum(events.values()),
        "bad_messages": recorder.bad_messages,
        "coverage_percent": {
            symbol: round(100 * heard_share(spans.get(symbol, []), now_ms - DAY_MS, now_ms), 1)
            for symbol in sorted(recorder.symbols)
        },
    }


def _say_failed(error: Exception, wait: float) -> None:
    logger.warning("%s Next attempt in %.0f s.", error, wait)
    try:
        state.failed(COLLECTOR, str(error), next_run=_after(wait))
    except (DatabaseError, InterfaceError) as database_error:
        logger.warning("This could not be noted in the database: %s", database_error)


def _after(seconds: float) -> datetime:
    return timezone.now() + timedelta(seconds=seconds)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _text(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return f"{instant_of(milliseconds):%Y-%m-%d %H:%M:%S}"
