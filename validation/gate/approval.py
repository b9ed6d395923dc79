"""The gate at work: a symbol's runs decide, and the symbol and the audit log say so."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from ingestion import audit
from ingestion.models import RollBack, Symbol, SymbolEvent
from validation.gate.decision import DECIDING, Decision, RunFigures, decide
from validation.models import GatePolicy, ValidationRun


def figures_of(run: ValidationRun) -> RunFigures:
    """A run that has ended as the gate sees it; what JSON keeps as null is not known."""
    at = run.finished_at or run.created_at
    if run.unreadable:
        return RunFigures(at, unreadable=run.unreadable)
    low = {
        null: {figure: _number(figures[figure]["low"]) for figure in DECIDING}
        for null, figures in run.figures["nulls"].items()
    }
    return RunFigures(at, _number(run.hit_rate), _number(run.price_level_overlap), low)


def counted_runs(symbol: Symbol) -> QuerySet[ValidationRun]:
    """The runs with a finding about what the lake holds, the oldest first.

    A map is built from all days before it, so what was compared before a roll back took rows is
    no finding any more, until that is undone. Backtests approve nothing.
    """
    runs = symbol.validation_runs.filter(passed__isnull=False).order_by("finished_at", "pk")
    runs = runs.exclude(source=ValidationRun.Source.EVENTS)
    standing = RollBack.objects.filter(symbol=symbol.name, undone_at=None).order_by("-at")
    newest = next((made for made in standing if made.total), None)
    return runs.exclude(started_at__lt=newest.at) if newest else runs


def decision_on(symbol: Symbol, now: datetime) -> Decision:
    """The gate's decision from the rows; of several runs on one file only the newest counts."""
    newest = {run.sha256: run for run in counted_runs(symbol)}
    return decide(GatePolicy.current().rule, [figures_of(run) for run in newest.values()], now)


@transaction.atomic
def settle(symbol: Symbol, by: Any = None, because: str = "") -> Decision:
    """Let the gate decide on a symbol anew, and write down what changed by it, and because of what.

    Call it in the transaction in which a run ends, so that no run is without its consequence.
    """
    now = timezone.now()
    symbol = Symbol.objects.select_for_update().get(pk=symbol.pk)
    was_approved = symbol.is_approved(now)
    decision = decision_on(symbol, now)
    newest = counted_runs(symbol).filter(hit_rate__isnull=False).last()
    symbol.verdict = decision.verdict
    symbol.approved_until = decision.until
    symbol.hit_rate = newest.hit_rate if newest else None
    symbol.validated_at = newest.finished_at if newest else None
    symbol.save(update_fields=["verdict", "approved_until", "hit_rate", "validated_at"])
    if symbol.is_approved(now) != was_approved:
        act = SymbolEvent.Act.APPROVAL_WITHDRAWN if was_approved else SymbolEvent.Act.APPROVED
        text = f"{because} {'; '.join(decision.reasons)}".strip()
        audit.record(act, symbol.name, text, by)
    return decision


@transaction.atomic
def change_policy(policy: GatePolicy, by: Any = None) -> None:
    """Put a policy in force, write down what is different in it, and decide on every symbol anew.

    Its fields must have been validated.
    """
    before = GatePolicy.current()
    fields = ("hit_rate", "price_level_overlap", "runs", "valid_days")
    changes = [
        f"{name.replace('_', ' ')} {_text(old)} -> {_text(new)}"
        for name in fields
        if (old := getattr(before, name)) != (new := getattr(policy, name))
    ]
    policy.pk = before.pk
    policy.save()
    if not changes:
        return
    audit.record(SymbolEvent.Act.POLICY_CHANGED, text=", ".join(changes), by=by)
    for symbol in Symbol.objects.filter(validation_runs__isnull=False).distinct():
        settle(symbol, by)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _text(value: float) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
