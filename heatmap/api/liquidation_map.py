"""GET /liquidations/map: one instant of the book by price and leverage."""

import time
from typing import Any

import numpy as np
import orjson
from drf_spectacular.utils import extend_schema_view
from rest_framework import serializers

from heatmap.api.market_view import Cursor, MarketView, Parameters
from heatmap.api.model import (
    CENTS,
    TIMESTAMPS,
    ModelMeta,
    ModelQuery,
    calibration_for,
    coverage_meta,
    heatmap_request,
    model_meta,
)
from heatmap.build import HeatmapRequest
from heatmap.engine import Book, LiquidationMap
from heatmap.instant import build_map
from heatmap.market import Market
from liqheat_project.kernel.instants import iso
from liqheat_project.webkit.answers import JSON
from liqheat_project.webkit.query import InstantField
from liqheat_project.webkit.schema import described


class MapQuery(ModelQuery):
    time = InstantField(
        required=False,
        help_text="the instant, ISO 8601, naive: UTC; by default the newest data",
    )


class MapLevel(serializers.Serializer):
    price = serializers.FloatField(help_text="lower edge of the bucket, USDT")
    long = serializers.ListField(
        child=serializers.FloatField(), help_text="USDT for each of meta.leverages"
    )
    short = serializers.ListField(
        child=serializers.FloatField(), help_text="USDT for each of meta.leverages"
    )
    cumulative_long = serializers.FloatField(
        help_text="USDT liquidated when the price falls to the bucket's lower edge"
    )
    cumulative_short = serializers.FloatField(
        help_text="USDT liquidated when the price rises through the bucket"
    )


class MapMeta(ModelMeta):
    time = serializers.DateTimeField(allow_null=True)
    price = serializers.FloatField(allow_null=True, help_text="last close")
    leverages = serializers.ListField(child=serializers.FloatField())


class LiquidationMapSerializer(serializers.Serializer):
    meta = MapMeta()
    data = MapLevel(many=True)  # type: ignore[assignment]


MAP = described(
    "Liquidation map at an instant",
    "One instant of the book by price and leverage, with the two cumulative curves.\n\n"
    + TIMESTAMPS,
    MapQuery,
    {(200, JSON): LiquidationMapSerializer},
)


@extend_schema_view(get=MAP)
class MapView(MarketView):
    query = MapQuery

    def body(self, cursor: Cursor, market: Market, query: Parameters) -> bytes:
        started = time.perf_counter()
        request = heatmap_request(query, calibration_for(query, market))
        instant = min(query.get("time", market.history.end), market.history.end)
        found = build_map(cursor, market, request, instant)
        milliseconds = (time.perf_counter() - started) * 1000
        return map_body(request, instant, market, found, milliseconds)


def map_body(
    request: HeatmapRequest,
    instant: int,
    market: Market,
    found: tuple[LiquidationMap, Book, float] | None,
    computed_ms: float,
) -> bytes:
    """`{meta, data: [{price, long, short, cumulative_long, cumulative_short}]}`."""
    meta = {
        "symbol": market.symbol,
        "time": iso(instant) if instant else None,
        "price": None,
        "price_bin_size": None,
        "leverages": [],
        "total_long_volume": 0.0,
        "total_short_volume": 0.0,
        "unplaced_share": None,
        **model_meta(request, market, instant, instant),
        **coverage_meta(market.history),
    }
    data: list[dict[str, Any]] = []
    if found is not None:
        levels, book, price = found
        meta |= {
            "price": price,
            "price_bin_size": levels.bin_size,
            "leverages": levels.leverages.tolist(),
            "total_long_volume": round(float(book.longs.notional.sum()), CENTS),
            "total_short_volume": round(float(book.shorts.notional.sum()), CENTS),
            "unplaced_share": round(book.unplaced_share, 6),
        }
        columns = (
            levels.prices,
            np.round(levels.long.T, CENTS),
            np.round(levels.short.T, CENTS),
            np.round(levels.cumulative_long, CENTS),
            np.round(levels.cumulative_short, CENTS),
        )
        data = [
            {
                "price": price,
                "long": long,
                "short": short,
                "cumulative_long": below,
                "cumulative_short": above,
            }
            for price, long, short, below, above in zip(
                *(column.tolist() for column in columns), strict=True
            )
        ]
    meta["computed_ms"] = round(computed_ms, 1)
    return orjson.dumps({"meta": meta, "data": data})
