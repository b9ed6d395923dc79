"""GET /liquidations/explain: the positions behind a cell of the heatmap."""

import math
from typing import Any

import numpy as np
import orjson
from drf_spectacular.utils import extend_schema_view
from rest_framework import serializers

from heatmap.api.liquidation_map import MapQuery
from heatmap.api.market_view import Cursor, MarketView, Parameters
from heatmap.api.model import (
    CENTS,
    TIMESTAMPS,
    BracketsUsed,
    Model,
    calibration_for,
    coverage_meta,
    heatmap_request,
    model_meta,
)
from heatmap.build import HeatmapRequest
from heatmap.engine import Explanation
from heatmap.instant import build_explanation
from heatmap.market import Market
from ingestion.api.symbols import SETTLED, Coverage
from liqheat_project.kernel.instants import iso
from liqheat_project.webkit.answers import JSON
from liqheat_project.webkit.schema import described

MOST_ENTRIES = 200


class ExplainQuery(MapQuery):
    price = serializers.FloatField(
        min_value=0, max_value=1e9, help_text="a price in the bucket to explain, USDT"
    )


class Cohort(serializers.Serializer):
    entry_time = serializers.DateTimeField(help_text="end of the candles in which it was opened")
    entry_price = serializers.FloatField(help_text="USDT")
    leverage = serializers.FloatField()
    liquidation_price = serializers.FloatField(help_text="USDT")
    contracts = serializers.FloatField(help_text="still open")
    notional = serializers.FloatField(help_text="USDT: contracts times liquidation price")
    share = serializers.FloatField(help_text="of its side in the bucket, 0 to 1")


class Cohorts(serializers.Serializer):
    long = Cohort(many=True)
    short = Cohort(many=True)


class EntriesOfSides(serializers.Serializer):
    long = serializers.IntegerField()
    short = serializers.IntegerField()


class NotionalOfSides(serializers.Serializer):
    long = serializers.FloatField(help_text="USDT")
    short = serializers.FloatField(help_text="USDT")


class ExplanationMeta(Coverage):
    entries = EntriesOfSides(help_text="how many there are; the 200 largest a side are listed")
    notional = NotionalOfSides(help_text="of all entries in the bucket, listed or not")
    symbol = serializers.CharField()
    settled_at = serializers.DateTimeField(allow_null=True, help_text=SETTLED)
    model = Model()
    brackets = BracketsUsed()
    price_bin_size = serializers.FloatField(allow_null=True)
    time = serializers.DateTimeField(allow_null=True)
    price = serializers.FloatField(allow_null=True, help_text="lower edge of the bucket, USDT")


class CellExplanation(serializers.Serializer):
    meta = ExplanationMeta()
    data = Cohorts()  # type: ignore[assignment]


EXPLAIN = described(
    "What is behind a cell",
    "The positions that would be liquidated in the bucket of `price`, by entry, the largest first, "
    "at most 200 a side.\n\n" + TIMESTAMPS,
    ExplainQuery,
    {(200, JSON): CellExplanation},
)


@extend_schema_view(get=EXPLAIN)
class ExplainView(MarketView):
    query = ExplainQuery

    def body(self, cursor: Cursor, market: Market, query: Parameters) -> bytes:
        request = heatmap_request(query, calibration_for(query, market))
        instant = min(query.get("time", market.history.end), market.history.end)
        found = build_explanation(
            cursor,
            market,
            request,
            instant,
            query["price"],
        )
        return explain_body(request, instant, query["price"], market, found)


def explain_body(
    request: HeatmapRequest,
    instant: int,
    price: float,
    market: Market,
    found: tuple[Explanation, Explanation, float] | None,
) -> bytes:
    """`{meta, data: {long: [...], short: [...]}}`, the largest first, at most MOST_ENTRIES each.

    `meta.entries` and `meta.notional` count all of them, listed or not.
    """
    meta = {
        "symbol": market.symbol,
        "time": iso(instant) if instant else None,
        "price": None,
        "price_bin_size": None,
        "entries": {"long": 0, "short": 0},
        "notional": {"long": 0.0, "short": 0.0},
        **model_meta(request, market, instant, instant),
        **coverage_meta(market.history),
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
