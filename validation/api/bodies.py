"""The bodies of the validation's answers."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import orjson

from liqheat_project.kernel.instants import iso_or_none
from validation.gate.decision import Policy
from validation.gate.summary import Summary
from validation.models import ValidationRun

FAILED = "The comparison failed; staff can see why."
UNREADABLE = "The reference could not be read or compared; staff can see why."
"""All that the public is told: the words of errors can name folders and addresses."""

ABOUT_THE_COMPARISON = (
    "columns",
    "tolerance",
    "bucket_size",
    "gaps",
    "remarks",
    "price_fit_residual_px",
)
ABOUT_THE_EVENTS = ("events", "hours", "usd_at_least", "entries", "placed_share")


def runs_body(runs: Iterable[ValidationRun], for_staff: bool) -> bytes:
    """`{runs: [...]}`, in the order given; the words of errors are for staff."""
    return orjson.dumps({"runs": [_run(run, for_staff) for run in runs]})


def summary_body(policy: Policy, summaries: Iterable[Summary]) -> bytes:
    """`{policy, symbols: [...]}`."""
    return orjson.dumps(
        {"policy": asdict(policy), "symbols": [_symbol(summary) for summary in summaries]}
    )


def _run(run: ValidationRun, for_staff: bool) -> dict[str, Any]:
    found = run.figures
    return {
        "id": run.pk,
        "symbol": run.symbol.name if run.symbol else None,
        "source": run.source,
        "file": {"name": run.file_name, "sha256": run.sha256},
        "model": run.model,
        "range": run.range or None,
        "our_model": found.get("our_model"),
        "meaning": found.get("meaning"),
        "created_at": iso_or_none(run.created_at),
        "finished_at": iso_or_none(run.finished_at),
        "window_start": iso_or_none(run.window_start),
        "window_end": iso_or_none(run.window_end),
        "state": run.state,
        "error": _words(run.error, UNREADABLE if run.unreadable else FAILED, for_staff),
        "passed": run.passed,
        "reasons": _reasons(run, for_staff),
        "unreadable": _words(run.unreadable, UNREADABLE, for_staff),
        "figures": _figures(found),
        "comparison": {
            name: found[name] for name in ABOUT_THE_COMPARISON + ABOUT_THE_EVENTS if name in found
        },
        "verdict": run.verdict or None,
        "verdict_reasons": run.verdict_reasons,
    }


def _reasons(run: ValidationRun, for_staff: bool) -> list[str]:
    """The gate's sentences, which hold figures alone; or why there was nothing to decide."""
    if for_staff or not run.unreadable:
        return list(run.reasons)
    return [UNREADABLE]


def _words(text: str, in_public: str, for_staff: bool) -> str | None:
    return (text if for_staff else in_public) if text else None


def _figures(found: dict[str, Any]) -> dict[str, Any]:
    """Every figure of a run beside what each null model reached."""
    nulls: dict[str, dict[str, dict[str, float | None]]] = found.get("nulls", {})
    names = next(iter(nulls.values()), {})
    return {
        name: {
            "value": figures["ours"],
            "last_column": found.get("last_column", {}).get(name),
            "by_chance": {
                null: {key: others[name][key] for key in ("chance", "lift", "low", "high")}
                for null, others in nulls.items()
            },
        }
        for name, figures in names.items()
    }


def _symbol(summary: Summary) -> dict[str, Any]:
    pair = summary.pair
    return {
        "symbol": pair.symbol.name,
        "status": pair.state,
        "validation": pair.outcome,
        "validated_at": iso_or_none(pair.symbol.validated_at),
        "approved_until": iso_or_none(pair.symbol.approved_until),
        "runs": summary.runs,
        "passed": summary.passed,
        "failed": summary.failed,
        "unreadable": summary.unreadable,
        **{name: spread and asdict(spread) for name, spread in summary.figures.items()},
    }
