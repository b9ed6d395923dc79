"""The life of a validation run: asked for, begun by a worker, compared, settled."""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ingestion import audit
from ingestion.errors import IngestionError
from ingestion.models import Symbol, SymbolEvent
from liqheat_project.kernel.exits import pass_on_hidden_exit
from liqheat_project.kernel.runs import ENDED_STATES, RunState
from validation import journal, missing_days, references
from validation.coinglass import Unreadable
from validation.coinglass import fetch as coinglass_api
from validation.coinglass.names import parse_range
from validation.compare import drawing
from validation.compare.check_heatmap import Comparison, check
from validation.compare.check_map import check_map
from validation.gate import approval
from validation.gate.decision import shortfalls
from validation.models import GatePolicy, ValidationRun

STEPS = 4  # the file is there, it is read, compared, drawn
MOST_ATTEMPTS = 3
LONGEST_SECONDS = 600
"""A worker is stopped after so long, so a run that began before that has no worker any more."""

logger = logging.getLogger(__name__)


def create(
    symbol: Symbol,
    file_name: str,
    content: bytes,
    source: str,
    *,
    model: int | None = None,
    range: str = "",
    time_zone: str = "",
    requested_by: Any = None,
) -> ValidationRun:
    """A run on a file, which is kept. Raises Unreadable for a size or range that cannot be."""
    most = references.most_bytes(source)
    if len(content) > most:
        raise Unreadable(f"{file_name} is larger than the {most:,} bytes allowed.")
    if range and not parse_range(range):
        raise Unreadable(f"{range[:20]!r} is no range such as 24h or 2w.")
    run = ValidationRun.objects.create(
        symbol=symbol,
        source=source,
        file_name=plain_name(file_name),
        sha256=references.keep(content),
        model=model,
        range=parse_range(range) or "",
        time_zone=time_zone,
        steps_total=STEPS,
        requested_by=requested_by,
    )
    return _recorded(run)


def create_from_api(
    symbol: Symbol, model: int, range: str, requested_by: Any = None
) -> ValidationRun:
    """A run on what Coinglass's API will answer when the run begins."""
    run = ValidationRun.objects.create(
        symbol=symbol,
        source=ValidationRun.Source.API,
        file_name=f"{symbol.name}_model{model}_{range}_{timezone.now():%Y-%m-%dT%H%M%S}.json",
        model=model,
        range=range,
        steps_total=STEPS,
        requested_by=requested_by,
    )
    return _recorded(run)


def create_refused(
    file_name: str, source: str, sha256: str, reason: str, symbol: Symbol | None = None
) -> ValidationRun:
    """The row of a file that was refused at the door and is not kept: the reason can be seen."""
    run = ValidationRun(
        symbol=symbol, file_name=plain_name(file_name), source=source, sha256=sha256
    )
    _end(run, RunState.FAILED, reason, passed=False, unreadable=reason)
    return run


def run_again(run: ValidationRun, requested_by: Any = None, time_zone: str = "") -> ValidationRun:
    """A new run on the same file, in another time zone where one is given."""
    again = ValidationRun.objects.create(
        symbol=run.symbol,
        source=run.source,
        file_name=run.file_name,
        sha256=run.sha256,
        model=run.model,
        range=run.range,
        time_zone=time_zone or run.time_zone,
        steps_total=STEPS,
        requested_by=requested_by,
    )
    return _recorded(again)


def _recorded(run: ValidationRun) -> ValidationRun:
    """Its line in the audit log: what is compared decides on the symbol's approval."""
    name = run.symbol.name if run.symbol else ""
    text = f"run {run.pk}: {run.file_name}"
    audit.record(SymbolEvent.Act.COMPARISON_ASKED, name, text, run.requested_by)
    return run


def make_again_after_loading() -> list[ValidationRun]:
    """New runs for those whose missing days are loaded now, each once."""
    loaded = ValidationRun.objects.filter(
        loading__state=RunState.SUCCEEDED, made_again_as=None
    ).values_list("pk", flat=True)
    found = []
    for run_id in loaded:
        with transaction.atomic():
            run = ValidationRun.objects.select_for_update().get(pk=run_id)
            if run.made_again_as is None:
                run.made_again_as = run_again(run, run.requested_by)
                run.save(update_fields=["made_again_as"])
                found.append(run.made_again_as)
    return found


def execute(run_id: int) -> None:
    """Read, compare and settle a run; leaves one alone that has ended.

    Begins from the start when a worker before died in the middle. Whatever goes wrong is the run's
    reason of failure.
    """
    run = _begin(run_id)
    if run is None:
        return
    try:
        comparison = _compare(run)
    except Unreadable as error:
        run.needs_time_zone = error.needs_time_zone
        _end(run, RunState.FAILED, error.reason, passed=False, unreadable=error.reason)
    except IngestionError as error:
        _end(run, RunState.FAILED, str(error))
    except Exception as error:
        pass_on_hidden_exit(error)
        logger.exception("validation run %s ended in an unforeseen way", run.pk)
        _end(run, RunState.FAILED, f"unexpected: {error!r}")
    else:
        _settle(run, comparison)


def forgotten(now: datetime) -> list[int]:
    """Ids of unfinished runs whose message may be lost; one told of twice does no harm."""
    past = now - timedelta(seconds=LONGEST_SECONDS)
    unfinished = ValidationRun.objects.exclude(state__in=ENDED_STATES).filter(created_at__lt=past)
    return [run.pk for run in unfinished if (run.started_at or run.created_at) < past]


def plain_name(file_name: str) -> str:
    """A file's name without folders and without what can't be shown."""
    name = file_name.replace("\\", "/").rpartition("/")[2]
    return "".join(one if one.isprintable() else "?" for one in name)[-255:] or "unnamed"


@transaction.atomic
def _begin(run_id: int) -> ValidationRun | None:
    run = ValidationRun.objects.select_for_update().filter(pk=run_id).first()
    if run is None or run.has_ended:
        return None
    if run.attempts >= MOST_ATTEMPTS:
        _end(run, RunState.FAILED, f"its worker died {run.attempts} times; run it again")
        return None
    run.attempts += 1
    run.state, run.started_at, run.steps_done = RunState.RUNNING, timezone.now(), 0
    run.save()
    return run


def _compare(run: ValidationRun) -> Comparison:
    assert run.symbol is not None, f"run {run.pk} has no symbol"
    if not run.sha256:
        assert run.model is not None, f"run {run.pk} has no model"
        content = coinglass_api.fetch_heatmap(
            settings.COINGLASS_BASE_URL,
            settings.COINGLASS_API_KEY,
            run.symbol.name,
            run.model,
            run.range,
        )
        run.sha256 = references.keep(content)
    _step(run, 1)
    reference = references.read(run)
    run.model, run.range = reference.model, reference.range
    missing_days.note(run, reference)
    _step(run, 2)
    compare = check if reference.map_at is None else check_map
    comparison = compare(run.symbol, reference, seed=int(run.sha256[:8], 16))
    _step(run, 3)
    drawing.keep(run, comparison.maps)
    return comparison


def _step(run: ValidationRun, done: int) -> None:
    run.steps_done = done
    run.save()


def _settle(run: ValidationRun, comparison: Comparison) -> None:
    run.figures = comparison.figures
    run.hit_rate = comparison.figures["hit_rate"]
    run.price_level_overlap = comparison.figures["price_level_overlap"]
    run.window_start = datetime.fromisoformat(comparison.figures["window_start"])
    run.window_end = datetime.fromisoformat(comparison.figures["window_end"])
    run.steps_done = STEPS
    if not comparison.figures["counted"]:
        run.reasons = [comparison.figures["meaning"]]
        _end(run, RunState.SUCCEEDED)
        return
    run.reasons = shortfalls(GatePolicy.current().rule, approval.figures_of(run))
    _end(run, RunState.SUCCEEDED, passed=not run.reasons)


def _end(
    run: ValidationRun,
    state: RunState,
    error: str = "",
    *,
    passed: bool | None = None,
    unreadable: str = "",
) -> None:
    """The run's end and its consequence for the symbol, in one transaction; then the journal."""
    run.state, run.error, run.finished_at = state, error, timezone.now()
    run.passed, run.unreadable = passed, unreadable
    if unreadable:
        run.reasons = [unreadable]
    with transaction.atomic():
        run.save()
        if run.symbol is not None and passed is not None:
            decision = approval.settle(run.symbol, run.requested_by)
            run.verdict, run.verdict_reasons = decision.verdict, list(decision.reasons)
            run.save(update_fields=["verdict", "verdict_reasons"])
    journal.note(run)
