"""What is known of the symbol and loaded for it, and what failed on the way."""

from datetime import date, datetime, timedelta

from django.conf import settings
from django.utils import timezone

from heatmap.brackets import BadBrackets, brackets_of
from heatmap.history import history_of
from ingestion.lake import read
from ingestion.lake.settlement import settled_at
from ingestion.market.datasets import INTERVALS, parts_of
from ingestion.models import (
    FAILED_CHUNK_STATES,
    Chunk,
    ChunkState,
    CollectorState,
    DamagedFile,
    Symbol,
)
from ingestion.quality import report as quality
from liqheat_project.kernel.instants import instant_of
from liqheat_project.ops.diagnosis.findings import Finding, check, fail, ok, warn
from liqheat_project.ops.status import LATE_AFTER

STALE_DAYS = 2
CANDLES_LOOKED_AT = 1_000
DAYS_LOOKED_AT = 30
BAD_DAYS_NAMED = 3
ERRORS_IN_A_ROW = 3
OUT_OF_MEMORY = ("out of memory", "memoryerror", "bad_alloc", "its worker died")
COLLECTOR_ADVICE = {
    "429": "The request limit was reached; it waits by itself. Does another program ask too?",
    "418": "The exchange banned this address until the time named; it waits by itself.",
    "451": "The exchange refuses this location: load from the archive, which it does not refuse. "
    "After a move elsewhere: *Ask the exchange again* on the page *System status*.",
    "403": "The exchange refuses this address: load from the archive, which it does not refuse.",
}


@check("enabled")
def enabled(symbol: Symbol) -> Finding:
    if symbol.enabled:
        return ok("the API and the page serve it")
    return warn(
        "disabled: the API answers 404 and nothing is collected",
        f"`manage.py enable_symbol {symbol}`",
    )


@check("tick size")
def tick_size(symbol: Symbol) -> Finding:
    """The prices that were traded are multiples of it, unless it is too large."""
    with read.snapshot() as cursor:
        found = read.coverage(cursor, symbol.name)
        interval = read.finest_interval(cursor, symbol.name)
        if interval is None:
            return ok(f"{symbol.tick_size.normalize():f}; no candles to hold it against")
        end = found[f"klines_{interval}_history"].last_ms + 1
        start = end - CANDLES_LOOKED_AT * INTERVALS[interval]
        closes = read.candles(cursor, symbol.name, interval, start, end)["close"]
    steps = closes / float(symbol.tick_size)
    between = int((abs(steps - steps.round()) > 1e-3).sum())
    if between:
        return fail(
            f"{symbol.tick_size.normalize():f}, but {between:,} of the last {len(closes):,} "
            "closing prices lie between its steps",
            "Correct it on the symbol's page in the admin: PRICE_FILTER.tickSize of exchangeInfo.",
        )
    return ok(f"{symbol.tick_size.normalize():f}, and the prices are multiples of it")


@check("brackets")
def brackets(symbol: Symbol) -> Finding:
    advice = (
        "Save the answer of GET /fapi/v1/leverageBracket (it needs an API key of yours), then: "
        "`manage.py import_brackets FILE`"
    )
    try:
        found = brackets_of(symbol.name)
    except BadBrackets as error:
        return fail(str(error), advice)
    if found.owner != symbol.name:
        return warn(f"none of its own, those of {found.owner} are used", advice)
    return ok(f"{len(found.tables)} tables of its own")


@check("data")
def data(symbol: Symbol) -> Finding:
    """What the API would answer with nothing."""
    with read.snapshot() as cursor:
        history = history_of(cursor, symbol.name)
        covered = read.coverage(cursor, symbol.name)
    figures = covered.get("open_interest_history")
    if not history.end:
        return fail(
            "no candles: the API answers with empty data", _load_command(symbol, "klines 5m")
        )
    span = f"candles from {_day(history.start)} to {_day(history.end - 1)}"
    days = _day(history.start), _day(history.end - 1)
    if figures is None:
        return fail(f"{span}, but no open interest", _load_command(symbol, "metrics", *days))
    if figures.last_ms < history.start or figures.first_ms > history.end:
        return fail(
            f"{span}, but open interest from {_day(figures.first_ms)} to {_day(figures.last_ms)}",
            _load_command(symbol, "metrics", *days),
        )
    return ok(f"{span}, open interest from {_day(figures.first_ms)} to {_day(figures.last_ms)}")


@check("files of the lake")
def files_of_the_lake(symbol: Symbol) -> Finding:
    """Files that are not what they were, as the last round of the night found them."""
    damaged = DamagedFile.objects.filter(symbol__in=["", symbol.name])
    if not damaged:
        return ok("none is known to be damaged")
    first = damaged[0]
    named = "; ".join(f"{file}: {file.reason} ({file.path})" for file in damaged[:BAD_DAYS_NAMED])
    more = f" and {len(damaged) - BAD_DAYS_NAMED:,} more" if damaged[BAD_DAYS_NAMED:] else ""
    advice = (
        "Put the file of the same name from `data/` of a backup in its place, then: "
        "`manage.py data_quality --verify`"
    )
    if first.dataset:
        command = _load_command(symbol, first.dataset, first.first_day, first.last_day)
        reload = f"{command[:-1]} --reload`"
        advice = f"*Load anew* under *Damaged files* in the admin, or {reload}. {advice}"
    return fail(f"damaged: {named}{more}", advice)


@check("open interest of 0")
def open_interest_of_zero(symbol: Symbol) -> Finding:
    """Rows that older versions let in, and the end of a contract."""
    with read.snapshot() as cursor:
        zeros = read.open_interest_of_zero(cursor, symbol.name)
        settled = settled_at(cursor, symbol.name)
    if zeros:
        days = _day(zeros.first_ms - 1), _day(zeros.last_ms - 1)
        return fail(
            f"{zeros.rows:,} rows from {days[0]} to {days[1]}, each of which empties the book",
            f"{_load_command(symbol, 'metrics', *days)[:-1]} --reload`",
        )
    if settled:
        return warn(
            f"settled: its open interest is 0 since {_minute(settled)} UTC, and its book is empty",
            f"Nothing more comes; to stop serving it: `manage.py disable_symbol {symbol}`",
        )
    return ok("none")


@check("newest data")
def newest_data(symbol: Symbol) -> Finding:
    with read.snapshot() as cursor:
        end = history_of(cursor, symbol.name).end
    if not end or not symbol.enabled:
        return ok("not looked at: it is disabled or has no candles")
    last, today = _day(end - 1), timezone.now().date()
    if (today - last).days <= STALE_DAYS:
        return ok(f"candles until {last}")
    return warn(
        f"the candles end on {last}",
        _load_command(symbol, "klines 5m", last, today - timedelta(days=1)),
    )


@check("gaps")
def gaps(symbol: Symbol) -> Finding:
    with read.snapshot() as cursor:
        known = quality.known_days(cursor, symbol.name)
        if known is None:
            return ok("nothing is loaded")
        first = max(known[0], known[1] - timedelta(days=DAYS_LOOKED_AT - 1))
        found = quality.check(cursor, symbol.name, first, known[1])
    bad = [f"{one.dataset} {day.day} {day.state.label}" for one in found for day in one.bad_days]
    if not bad:
        return ok(f"none from {first} to {known[1]}")
    more = f" and {len(bad) - BAD_DAYS_NAMED:,} more" if len(bad) > BAD_DAYS_NAMED else ""
    return warn(
        f"{len(bad):,} bad days from {first} to {known[1]}: "
        f"{', '.join(bad[:BAD_DAYS_NAMED])}{more}",
        f"`manage.py data_quality --symbol {symbol}`; the symbol's calendar repairs them",
    )


@check("memory")
def memory(symbol: Symbol) -> Finding:
    """Files that failed because there was too little of it, and have not been loaded since."""
    failed = Chunk.objects.filter(job__symbol=symbol, state__in=FAILED_CHUNK_STATES).order_by("-pk")
    for chunk in failed.select_related("job__symbol"):
        wanted = any(sign in chunk.reason.lower() for sign in OUT_OF_MEMORY)
        if wanted and not _loaded_since(chunk):
            name = f"{chunk.dataset} {chunk.interval}".strip()
            days = chunk.start, chunk.file.end - timedelta(days=1)
            return fail(
                f"{chunk.file.name} of job {chunk.job_id} failed: {chunk.reason}",
                f"Raise LAKE_MEMORY_LIMIT_MB ({settings.LAKE_MEMORY_LIMIT_MB}) or set "
                f"WORKER_CONCURRENCY=1 ({settings.WORKER_CONCURRENCY}), then in small pieces, "
                f"daily files: {_load_command(symbol, name, *days)}",
            )
    return ok("no file failed for want of it")


@check("collectors")
def collectors(symbol: Symbol) -> Finding:
    states = CollectorState.objects.filter(symbol__in=["", symbol.name])
    if not symbol.enabled:
        return ok("none runs for a disabled symbol")
    if not settings.COLLECT:
        return warn("nothing is collected", "Set COLLECT=true and start the programs again.")
    if not states:
        return warn("none has ever run", "`make run` starts them for every enabled symbol.")
    now = timezone.now()
    troubled = [state for state in states if state.errors_in_a_row]
    if troubled:
        worst = max(troubled, key=lambda state: state.errors_in_a_row)
        text = f"{worst}: {worst.errors_in_a_row:,} errors in a row, the last: {worst.last_error}"
        advice = _collector_advice(worst)
        often = worst.errors_in_a_row >= ERRORS_IN_A_ROW
        return fail(text, advice) if often else warn(text, advice)
    late = [state for state in states if state.next_run and state.next_run < now - LATE_AFTER]
    if late:
        return fail(
            f"{late[0]} should have run at {late[0].next_run:%Y-%m-%d %H:%M} UTC",
            "Are beat and the workers there? `make run` starts and supervises them; logs: var/log.",
        )
    return ok(", ".join(f"{state}: {_since(state.last_success)}" for state in states))


def _collector_advice(state: CollectorState) -> str:
    for sign, advice in COLLECTOR_ADVICE.items():
        if sign in state.last_error:
            return advice
    return "It tries again with growing pauses. Is the network there? Logs: var/log."


def _loaded_since(chunk: Chunk) -> bool:
    return Chunk.objects.filter(
        pk__gt=chunk.pk,
        job__symbol=chunk.job.symbol,
        dataset=chunk.dataset,
        interval=chunk.interval,
        start=chunk.start,
        state__in=[ChunkState.LOADED, ChunkState.UNCHANGED],
    ).exists()


def _load_command(
    symbol: Symbol, dataset: str, first: date | None = None, last: date | None = None
) -> str:
    """The command that loads days of a dataset (of SERIES), by default the last month."""
    yesterday = timezone.now().date() - timedelta(days=1)
    first, last = first or yesterday - timedelta(days=29), last or yesterday
    name, interval = parts_of(dataset)
    command = {"aggTrades": "ingest_aggtrades", "metrics": "ingest_oi"}.get(name, "ingest_klines")
    options = f"--symbol {symbol} --start-date {first} --end-date {last}"
    if interval:
        options += f" --interval {interval}"
    if name == "markPriceKlines":
        options += " --mark-price"
    return f"`manage.py {command} {options}`"


def _since(instant: datetime | None) -> str:
    return f"last success {instant:%Y-%m-%d %H:%M} UTC" if instant else "no success yet"


def _minute(milliseconds: int) -> str:
    return f"{instant_of(milliseconds):%Y-%m-%d %H:%M}"


def _day(milliseconds: int) -> date:
    return instant_of(milliseconds).date()
