"""Enabling and disabling a symbol, rolling it back, and undoing that. All of it is audited."""

from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from ingestion import audit, lake
from ingestion.errors import NothingKept, OutcomeUnknown, RefusedRange
from ingestion.loading import jobs
from ingestion.models import IngestionJob, RollBack, Symbol, SymbolEvent
from ingestion.quality import damage
from ingestion.signals import history_changed
from liqheat_project.kernel.runs import ENDED_STATES

FIRST_DAY = date(2010, 1, 1)

Act = SymbolEvent.Act


@transaction.atomic
def set_enabled(symbol: Symbol, enabled: bool, by: Any = None) -> bool:
    """Serve the symbol, or stop serving it; its data stays. False when it was so already."""
    if not Symbol.objects.filter(pk=symbol.pk).exclude(enabled=enabled).update(enabled=enabled):
        symbol.enabled = enabled
        return False
    symbol.enabled = enabled
    audit.record(Act.ENABLED if enabled else Act.DISABLED, symbol.name, by=by)
    return True


def days_between(first: date | None, last: date | None) -> lake.Days:
    """The days from `first` to `last`, None for an open side. Raises RefusedRange."""
    today = timezone.now().date()
    if first and last and last < first:
        raise RefusedRange(f"The last day {last} comes before the first, {first}")
    for day in (first, last):
        if day and not FIRST_DAY <= day <= today:
            raise RefusedRange(f"{day} does not lie between {FIRST_DAY} and today, {today}")
    return lake.Days(first, last)


def unfinished_jobs(symbol: Symbol) -> QuerySet[IngestionJob]:
    """The jobs that a roll back of the symbol cancels."""
    return symbol.jobs.exclude(state__in=ENDED_STATES)


def roll_back(symbol: Symbol, days: lake.Days = lake.ALL_DAYS, by: Any = None) -> RollBack:
    """Cancel a symbol's jobs and remove its rows of these days from all tables in one transaction.

    Without days the symbol is disabled first; with them it stays enabled. A worker that is loading
    the symbol loses its lease before the rows go, and asks for it again under the lake's lock, so
    that nothing lands afterwards. What goes is kept until it is undone or given up, but for damaged
    files, which the roll back's note names. Raises TemporaryError when the lake could not be
    changed; the jobs are cancelled then.
    """
    if days == lake.ALL_DAYS:
        set_enabled(symbol, False, by)
    unfinished = list(unfinished_jobs(symbol))
    for job in unfinished:
        jobs.cancel(job, "the symbol was rolled back", by)
    # The row comes first: what a killed process has kept would have no name otherwise.
    made = RollBack.objects.create(
        symbol=symbol.name, first_day=days.first, last_day=days.last, by=by
    )
    try:
        made.note = damage.clear_for_roll_back(symbol, days, by)
        removal = lake.remove_symbol(lake.writer(), symbol.name, days, made.kept_as.hex)
    except OutcomeUnknown:
        raise  # the row names what is kept, which may be all that there is
    except Exception:
        made.delete()
        raise
    made.rows, made.files, made.quarantined = removal.rows, removal.files, removal.quarantined
    made.bytes_kept = lake.bytes_kept(lake.writer().config, made.kept_as.hex)
    counts = _counts(made) | {"jobs cancelled": len(unfinished)}
    with transaction.atomic():
        made.save()
        text = f"Roll back {made.pk}: {days}. {made.note}".strip()
        audit.record(Act.ROLLED_BACK, symbol.name, text, by, counts)
        if made.total:
            history_changed.send(RollBack, made=made, by=by)
    return made


def undo(made: RollBack, by: Any = None) -> None:
    """Bring back in one transaction what a roll back took; the symbol stays as enabled as it is.

    Raises NothingKept, RowsInTheWay when newer rows stand where these would come back,
    KeptRowsDamaged or TemporaryError, and has changed nothing then.
    """
    if not made.can_be_undone:
        ended = "was undone" if made.undone_at else "was given up"
        raise NothingKept(f"Roll back {made.pk} {ended} and cannot be undone any more")
    removed = lake.undo_removal(lake.writer(), made.kept_as.hex)
    made.rows, made.files, made.quarantined = removed.rows, removed.files, removed.quarantined
    made.undone_at, made.undone_by, made.bytes_kept = timezone.now(), by, 0
    text = f"Roll back {made.pk}: {made.days}."
    with transaction.atomic():
        made.save()
        audit.record(Act.ROLL_BACK_UNDONE, made.symbol, text, by, _counts(made))
        history_changed.send(RollBack, made=made, by=by)
    lake.discard(lake.writer().config, made.kept_as.hex)


def give_up(made: RollBack, by: Any = None, reason: str = "") -> int:
    """Give up the undo of a roll back and free the disk; returns the bytes, 0 where it was undone
    or given up meanwhile."""
    # An undo takes a while: `made` may have been read before it, and must not overwrite its end.
    standing = RollBack.objects.filter(pk=made.pk, undone_at=None, given_up_at=None)
    given_up = standing.update(given_up_at=timezone.now(), bytes_kept=0)
    made.refresh_from_db()
    if not given_up:
        return 0
    freed = lake.discard(lake.writer().config, made.kept_as.hex)
    text = f"Roll back {made.pk}: {made.days}. {reason}".strip()
    audit.record(Act.UNDO_GIVEN_UP, made.symbol, text, by, {"bytes freed": freed})
    return freed


def give_up_expired() -> None:
    """Give up the roll backs that are older than LAKE_UNDO_DAYS."""
    kept_since = timezone.now() - timedelta(days=settings.LAKE_UNDO_DAYS)
    expired = RollBack.objects.filter(at__lt=kept_since, undone_at=None, given_up_at=None)
    for made in expired:
        give_up(made, reason=f"{settings.LAKE_UNDO_DAYS} days are over.")


def _counts(made: RollBack) -> dict[str, int]:
    return {**made.rows, "files": made.files, "quarantined": made.quarantined}
