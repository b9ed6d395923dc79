"""The body of the answer to what stands behind a cell of the heatmap."""

import math
from typing import Any

import numpy as np
import orjson

from heatmap.api.bodies import CENTS, coverage_meta, model_meta
from heatmap.brackets import Brackets
from heatmap.build import HeatmapRequest
from heatmap.engine import Explanation
from heatmap.history import History
from liqheat_project.kernel.instants import iso

MOST_ENTRIES = 200


def explain_body(
    request: HeatmapRequest,
    instant: int,
    price: float,
    history: History,
    brackets: Brackets,
    found: tuple[Explanation, Explanation, float] | None,
) -> bytes:
    """`{meta, data: {long: [...], short: [...]}}`, the largest first, at most MOST_ENTRIES each.

    `meta.entries` and `meta.notional` count all of them, listed or not.
    """
    meta = {
        "symbol": history.symbol,
        "time": iso(instant) if instant else None,
        "price": None,
        "price_bin_size": None,
        "entries": {"long": 0, "short": 0},
        "notional": {"long": 0.0, "short": 0.0},
        **model_meta(request, history, brackets, instant, instant),
        **coverage_meta(history),
    }
    data: dict[str, list[dict[str, Any]]] = {"long": [], "short": []}
    if found is not None:
        long, short, bin_size = found
        meta |= {
            "price": round(math.floor(price / bin_size + 1e-9) * bin_size, 10),
            "price_bin_size": bin_size,
            "entries": {"long": len(long.notional), "short": len(short.notional)},
            "notional": {
                "long": round(float(long.notional.sum()), CENTS),
                "short": round(float(short.notional.sum()), CENTS),
            },
        }
        data = {"long": _entries(long), "short": _entries(short)}
    return orjson.dumps({"meta": meta, "data": data})


def _entries(explanation: Explanation) -> list[dict[str, Any]]:
    columns = (
        explanation.entry_time,
        explanation.entry_price,
        explanation.leverage,
        explanation.liquidation_price,
        explanation.contracts,
        np.round(explanation.notional, CENTS),
        np.round(explanation.share, 6),
    )
    return [
        {
            "entry_time": iso(entry_time),
            "entry_price": entry_price,
            "leverage": leverage,
            "liquidation_price": liquidation_price,
            "contracts": contracts,
            "notional": notional,
            "share": share,
        }
        for (
            entry_time,
            entry_price,
            leverage,
            liquidation_price,
            contracts,
            notional,
            share,
        ) in zip(*(column[:MOST_ENTRIES].tolist() for column in columns), strict=True)
    ]
