"""The file of runs, one JSON line each, as the runbook reads it. The rows decide, not this file."""

import fcntl
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings

from validation.models import ValidationRun


def note(run: ValidationRun) -> None:
    """Append a run that has ended."""
    path = runs_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as lines:
        fcntl.flock(lines, fcntl.LOCK_EX)
        lines.write(orjson.dumps(_line(run)) + b"\n")


def runs_file() -> Path:
    """Where the runs are noted."""
    return Path(settings.VALIDATION_DIR) / "price_level_comparison.jsonl"


def _line(run: ValidationRun) -> dict[str, Any]:
    return {
        "run": run.pk,
        "symbol": run.symbol.name if run.symbol else None,
        "at": run.finished_at,
        "file": run.file_name,
        "sha256": run.sha256,
        **run.figures,
        "source": run.source,
        "passed": run.passed,
        "unreadable": run.unreadable or None,
        "reasons": run.reasons,
        "verdict": run.verdict,
    }
