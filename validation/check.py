"""The use case: a reference map against ours, kept as one JSON line a run."""

import fcntl
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from django.conf import settings

from heatmap.api.bodies import iso
from heatmap.brackets import brackets_of
from heatmap.build import MODELS, HeatmapRequest, Result, build_heatmap, columns_of
from heatmap.history import History, history_of
from ingestion.lake import read
from ingestion.models import Symbol
from validation.coinglass import Reference, Unreadable
from validation.gate import Decision, Policy, RunFigures, decide, shortfalls
from validation.metrics import DEFAULT_TOLERANCE, FloatArray, Grid, common_grid, compare, resample
from validation.nulls import Column, Lift, lifts

COMPARED_COLUMNS = 5
MOST_OTHER_TIMES = 20
LEAST_SHIFT = 0.25
"""Share of the window by which our own map must be older or newer to be one at another time."""

GATED = ("hit_rate", "price_level_overlap")


@dataclass(frozen=True)
class File:
    """Where a reference came from."""

    name: str
    sha256: str


def check(symbol: Symbol, reference: Reference, file: File, now: datetime) -> dict[str, Any]:
    """Compare a reference with our map of the same window; returns the run, which is not kept yet.

    Raises Unreadable, with what to do, where the two have nothing in common.
    """
    if not len(reference.times):
        raise Unreadable(
            "The columns have no times, so they can't be compared with ours: state the browser's "
            "time zone. " + " ".join(reference.remarks)
        )
    with read.snapshot() as cursor:
        history = history_of(cursor, symbol.name)
        ours = _our_map(cursor, symbol, history, reference)
    columns = _columns(reference, ours)
    seed = int(file.sha256[:8], 16)
    found = lifts(columns, seed=seed)
    last = columns[-1]
    run = _described(symbol.name, file, now) | {
        "source": reference.source,
        "model": reference.model,
        "range": reference.range,
        "window_start": _iso(int(reference.times[0])),
        "window_end": _iso(int(reference.times[-1])),
        "columns": len(columns),
        "tolerance": DEFAULT_TOLERANCE,
        "price_fit_residual_px": reference.price_fit_residual_px,
        "remarks": list(reference.remarks),
        "last_column": asdict(compare(last.grid, last.reference, last.ours, last.price)),
        "gaps": len(ours.heatmap.gaps),
    }
    run |= {figure: lift.ours for figure, lift in found["uniform"].items()}
    run["nulls"] = {null: _rows(figures) for null, figures in found.items()}
    why = shortfalls(Policy(), _figures(run))
    return run | {"passed": not why, "reasons": why}


def unreadable(symbol: str, file: File, error: Unreadable, now: datetime) -> dict[str, Any]:
    """The run of a reference that could not be read or compared."""
    return _described(symbol, file, now) | {
        "passed": False,
        "unreadable": error.reason,
        "reasons": [error.reason],
    }


def keep(run: dict[str, Any]) -> None:
    """Append a run to the file of runs, as one line."""
    path = runs_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as lines:
        fcntl.flock(lines, fcntl.LOCK_EX)
        lines.write(orjson.dumps(run) + b"\n")


def kept_runs(symbol: str | None = None) -> list[dict[str, Any]]:
    """The runs so far, oldest first, of one symbol or of all."""
    if not runs_file().is_file():
        return []
    runs = [orjson.loads(line) for line in runs_file().read_bytes().splitlines() if line]
    return [run for run in runs if symbol in (None, run["symbol"])]


def decision_on(runs: Sequence[dict[str, Any]], now: datetime) -> Decision:
    """The gate's decision; of several runs on one file only the newest counts."""
    newest = {run["sha256"]: run for run in runs}
    return decide(Policy(), [_figures(run) for run in newest.values()], now)


def runs_file() -> Path:
    """Where the runs are kept, as the runbook names it."""
    return Path(settings.VALIDATION_DIR) / "price_level_comparison.jsonl"


def _our_map(cursor: Any, symbol: Symbol, history: History, reference: Reference) -> Result:
    request = HeatmapRequest(
        window=None,
        start=int(reference.times[0]),
        end=int(reference.times[-1]),
        interval=None,
        bin_size=None,
        parameters=MODELS["two-sided"],
        lookback=None,
    )
    columns = columns_of(request, history)
    brackets = brackets_of(symbol.name)
    result = build_heatmap(cursor, history, brackets, symbol.tick_size, request, columns)
    if result is None:
        covered = (
            f"data covers {_iso(history.start)} to {_iso(history.end)}"
            if history.end
            else "nothing is loaded"
        )
        raise Unreadable(
            f"We have no data for {symbol.name} in the reference's window, "
            f"{_iso(request.start or 0)} to {_iso(request.end or 0)}; {covered}. Load the days."
        )
    return result


def _columns(reference: Reference, ours: Result) -> list[Column]:
    """Some of the reference's columns with ours of the same instants, the last one included."""
    heatmap, times = ours.heatmap, ours.columns.times
    planes = (heatmap.long_density + heatmap.short_density).astype(np.float64)
    size = max(heatmap.bin_size, reference.bin_size)
    try:
        grid = common_grid(reference.prices, heatmap.prices, size, reference.bin_size)
    except ValueError as error:
        raise Unreadable(f"The reference can't be compared with ours: {error}.") from error
    matching = _matching_columns(reference, ours)
    if not len(matching):
        raise Unreadable("No column of the reference lies within our data; load its days.")
    found = []
    spread = np.unique(np.linspace(0, len(matching) - 1, COMPARED_COLUMNS).astype(int))
    for theirs, own in matching[spread].tolist():
        apart = np.abs(times - times[own]) >= LEAST_SHIFT * (times[-1] - times[0])
        others = np.flatnonzero(apart & (times != times[own]))
        others = others[:: max(1, math.ceil(len(others) / MOST_OTHER_TIMES))]
        shifted = [_on(grid, ours, planes[other]) for other in others]
        found.append(
            Column(
                grid=grid,
                reference=resample(
                    reference.prices, reference.bin_size, reference.intensity[:, theirs], grid
                ),
                ours=_on(grid, ours, planes[own]),
                other_times=np.column_stack(shifted) if shifted else np.empty((grid.count, 0)),
                price=float(ours.candles["close"][own]),
            )
        )
    return found


def _matching_columns(reference: Reference, ours: Result) -> Any:
    """Pairs of column numbers [N, 2]: for each of ours the nearest of theirs, where it is near."""
    times = ours.columns.times
    right = np.clip(np.searchsorted(reference.times, times), 1, max(len(reference.times) - 1, 1))
    candidates = np.stack([right - 1, np.minimum(right, len(reference.times) - 1)])
    distance = np.abs(reference.times[candidates] - times)
    nearest = candidates[distance.argmin(axis=0), np.arange(len(times))]
    usable = (distance.min(axis=0) <= ours.columns.interval_ms) & np.isfinite(ours.candles["close"])
    return np.column_stack([nearest, np.arange(len(times))])[usable]


def _on(grid: Grid, ours: Result, values: FloatArray) -> FloatArray:
    return resample(ours.heatmap.prices, ours.heatmap.bin_size, values, grid)


def _figures(run: dict[str, Any]) -> RunFigures:
    """A kept run as the gate sees it; what JSON keeps as null is not known."""
    at = datetime.fromisoformat(run["at"])
    if run.get("unreadable"):
        return RunFigures(at, unreadable=run["unreadable"])
    low = {
        f"{figure} over {null}": _number(figures[figure]["low"])
        for null, figures in run["nulls"].items()
        for figure in GATED
    }
    return RunFigures(at, _number(run["hit_rate"]), _number(run["price_level_overlap"]), low)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _rows(figures: dict[str, Lift]) -> dict[str, dict[str, float]]:
    return {figure: asdict(lift) for figure, lift in figures.items()}


def _described(symbol: str, file: File, now: datetime) -> dict[str, Any]:
    at = now.astimezone(UTC).isoformat()
    return {"symbol": symbol, "at": at, "file": file.name, "sha256": file.sha256}


def _iso(milliseconds: int) -> str:
    return iso(milliseconds // 1000 * 1000)  # to the second
