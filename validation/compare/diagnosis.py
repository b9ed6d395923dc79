"""Why a run may have fallen short: what the runbook looks at, looked at for this run."""

from datetime import datetime, timedelta

from validation.models import ValidationRun

MOST_NAMED = 5
KINDS = {"candles": "candles", "open_interest": "open interest"}


def diagnose(run: ValidationRun) -> list[str]:
    """What speaks for a fault of our data and what against it; empty for a run that passed or that
    compared nothing."""
    if run.passed is not False or run.hit_rate is None:
        return []
    return [*_gaps(run), *_coverage(run), _other_symbols(run)]


def _gaps(run: ValidationRun) -> list[str]:
    count = run.figures["gaps"]
    if not count:
        return ["Our data have no gaps in this window."]
    named = [
        f"{KINDS.get(gap['kind'], gap['kind'])} from {gap['start']} to {gap['end']}"
        for gap in run.figures["missing"][:MOST_NAMED]
    ]
    more = f" and {count - len(named)} more" if count > len(named) else ""
    first = "Our data have 1 gap" if count == 1 else f"Our data have {count} gaps"
    return [f"{first} in this window: {', '.join(named)}{more}. Load the days, then run it again."]


def _coverage(run: ValidationRun) -> list[str]:
    start, end = (datetime.fromisoformat(run.figures[name]) for name in ("data_start", "data_end"))
    assert run.window_start is not None and run.window_end is not None
    found = []
    if run.window_start < start:
        found.append(
            f"The reference begins at {_text(run.window_start)}, our data at {_text(start)}."
        )
    if run.window_end > end:
        found.append(f"The reference ends at {_text(run.window_end)}, our data at {_text(end)}.")
    return found or ["The reference lies within what our data cover."]


def _other_symbols(run: ValidationRun) -> str:
    """Whether only this symbol is off: the newest figures of other symbols for the same day."""
    assert run.window_end is not None
    day = run.window_end.replace(hour=0, minute=0, second=0, microsecond=0)
    others = ValidationRun.objects.filter(
        hit_rate__isnull=False, window_end__gte=day, window_end__lt=day + timedelta(days=1)
    ).exclude(symbol=run.symbol)
    newest = {
        one.symbol: one for one in others.select_related("symbol").order_by("finished_at", "pk")
    }
    if not newest:
        return f"No other symbol was compared for {day:%Y-%m-%d}."
    named = [f"{symbol} {one.hit_rate:.2f}" for symbol, one in newest.items()]
    return f"Hit rate of others for {day:%Y-%m-%d}: {', '.join(named)}."


def _text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}"
