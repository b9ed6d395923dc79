"""What the validation does when something happens elsewhere."""

from typing import Any

from django.dispatch import receiver

from ingestion.models import RollBack, Symbol
from ingestion.signals import history_changed
from validation.gate import approval


@receiver(history_changed)
def decide_on_another_history(made: RollBack, by: Any, **_: Any) -> None:
    """An approval does not outlive the data on which it was given, and comes back with them."""
    symbol = Symbol.objects.filter(name=made.symbol).first()
    if symbol is not None and symbol.validation_runs.exists():
        what = f"Roll back {made.pk}, {made.days}{', was undone' if made.undone_at else ''}:"
        approval.settle(symbol, by, because=what)
