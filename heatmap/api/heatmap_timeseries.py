"""GET /liquidations/heatmap-timeseries: the book over time, column by column."""

import time
from typing import Any

import numpy as np
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiResponse,
    PolymorphicProxySerializer,
    extend_schema_view,
)
from rest_framework import serializers

from heatmap.api.json_formats import MOST_LEVELS, fitted, grid_body, levels_body
from heatmap.api.market_view import Cursor, MarketView, Parameters
from heatmap.api.model import (
    CENTS,
    TIMESTAMPS,
    Gap,
    ModelMeta,
    ModelQuery,
    PriceRange,
    calibration_for,
    coverage_meta,
    heatmap_request,
    model_meta,
)
from heatmap.api.packed import LAYOUT, packed_body
from heatmap.build import (
    LARGEST_GRID,
    LONGEST_COLUMNS,
    WINDOWS,
    Columns,
    HeatmapRequest,
    Result,
    build_heatmap,
    columns_of,
)
from heatmap.calibration import calibrated, calibration_meta
from heatmap.engine import Heatmap
from heatmap.market import Market
from ingestion.market.datasets import INTERVALS
from liqheat_project.kernel.instants import iso
from liqheat_project.webkit.answers import BINARY, JSON
from liqheat_project.webkit.query import InstantField, check_order
from liqheat_project.webkit.schema import described

FORMATS = ("json", "grid", "packed")


class HeatmapQuery(ModelQuery):
    time_window = serializers.ChoiceField(
        list(WINDOWS),
        required=False,
        help_text="length of the window, which ends at end_time or, without one, at the newest "
        "data; 24h where neither it nor start_time is given",
    )
    start_time = InstantField(required=False, help_text="first instant shown, ISO 8601; naive: UTC")
    end_time = InstantField(
        required=False,
        help_text="last instant shown, ISO 8601, naive: UTC; by default the newest data",
    )
    interval = serializers.ChoiceField(
        list(INTERVALS),
        required=False,
        help_text="distance of the columns. By default "
        + ", ".join(f"{interval} for {name}" for name, (interval, _) in WINDOWS.items())
        + "; for a range of its own the finest that gives at most 400 columns; never finer than "
        "the candles that are loaded",
    )
    format = serializers.ChoiceField(
        FORMATS, default="json", help_text="shape of the answer; see the responses"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "time_window" in attrs and "start_time" in attrs:
            raise serializers.ValidationError(
                {"time_window": ["Give it with end_time or alone, not with start_time."]}
            )
        check_order(attrs)
        return super().validate(attrs)


class Level(serializers.Serializer):
    price = serializers.FloatField(help_text="lower edge of the bucket, USDT")
    long_density = serializers.FloatField(
        help_text="USDT of open longs at this level; with meta.calibration, USD expected to be "
        "liquidated where it is swept alone"
    )
    short_density = serializers.FloatField(help_text="likewise of shorts")


class Snapshot(serializers.Serializer):
    timestamp = serializers.DateTimeField(help_text="the book at this instant")
    levels = Level(many=True, help_text="buckets that hold something, by rising price")
    positions_created = serializers.FloatField(help_text="USDT opened since the column before")
    positions_consumed = serializers.FloatField(help_text="USDT liquidated since the column before")


class Power(serializers.Serializer):
    scale = serializers.FloatField()
    power = serializers.FloatField()


class CalibrationSerializer(serializers.Serializer):
    fitted_at = serializers.DateTimeField()
    turnover = serializers.FloatField(help_text="of the model, chosen by the fit")
    long = Power(help_text="cells of longs are scale x cell^power, cell in USDT of open positions")
    short = Power(help_text="likewise of shorts")


class HeatmapMeta(ModelMeta):
    calibration = CalibrationSerializer(
        allow_null=True,
        help_text="what the cells were converted with; null: they are open positions",
    )
    start_time = serializers.DateTimeField(allow_null=True)
    end_time = serializers.DateTimeField(allow_null=True)
    interval = serializers.CharField()
    total_snapshots = serializers.IntegerField()
    price_range = PriceRange(allow_null=True)
    total_consumed = serializers.FloatField(help_text="USDT liquidated over the window")
    gaps = Gap(many=True, help_text="missing stretches of data, never interpolated")


class HeatmapSerializer(serializers.Serializer):
    meta = HeatmapMeta()
    data = Snapshot(many=True)  # type: ignore[assignment]


class GridData(serializers.Serializer):
    y_axis = serializers.ListField(child=serializers.FloatField(), help_text="bucket labels")
    liquidation_leverage_data = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField(), min_length=3, max_length=3),
        help_text="[column, row of y_axis, USDT of both sides]",
    )
    price_candlesticks = serializers.ListField(
        child=serializers.ListField(child=serializers.CharField(allow_null=True)),
        help_text="[open time in s, open, high, low, close, volume in USDT] of the candle that "
        "ends at the column; null where there is none",
    )
    update_time = serializers.IntegerField(allow_null=True, help_text="of the last column, ms")


class Grid(serializers.Serializer):
    meta = HeatmapMeta()
    code = serializers.CharField()
    msg = serializers.CharField()
    data = GridData()  # type: ignore[assignment]


def _snapshots(symbol: str, price: float, long: float, short: float) -> OpenApiExample:
    value = {
        "meta": {"symbol": symbol, "interval": "1h", "total_snapshots": 168},
        "data": [
            {
                "timestamp": "2026-01-22T01:00:00Z",
                "levels": [{"price": price, "long_density": long, "short_density": short}],
                "positions_created": 41203551.2,
                "positions_consumed": 1250338.9,
            }
        ],
    }
    return OpenApiExample(symbol, value=value, description="shortened")


HEATMAP = described(
    "Liquidation heatmap over time",
    f"""Where the open positions would be liquidated, column by column.

{TIMESTAMPS}

**Window.** `time_window` ends at `end_time` or, without one, at the newest data, not at the clock;
a window of n intervals has n columns. `start_time` and `end_time` are both included. Columns are
multiples of `interval`; the book is computed from the finest candles that are loaded, whatever
`interval` shows of it. A window without data is answered with empty `data`;
`meta.data_start` and `meta.data_end` say what there is.

**Totals** describe the last column's whole book, also what lies beyond `meta.price_range`.

**Size.** At most {LONGEST_COLUMNS:,} columns and {LARGEST_GRID:,} cells (columns x buckets);
`json` and `grid` hold at most {MOST_LEVELS:,} levels above zero. Where `price_bin_size` is not
given they use the next 1-2-5 step that fits, and `meta.price_bin_size` names it; otherwise the
answer is 400: ask for a coarser `price_bin_size` or `interval`, or for `format=packed`.

**format=grid** is the sparse shape of Coinglass's API v4.

**format=packed** is `application/octet-stream`. {LAYOUT}""",
    HeatmapQuery,
    {
        (200, JSON): OpenApiResponse(
            PolymorphicProxySerializer(
                "HeatmapOrGrid", [HeatmapSerializer, Grid], resource_type_field_name=None
            ),
            description="`format=json`, `format=grid` or `format=packed`",
            examples=[
                _snapshots("BTCUSDT", 88650.0, 3312085.4, 0.0),
                _snapshots("ETHUSDT", 2922.0, 1508560.8, 0.0),
            ],
        ),
        (200, BINARY): OpenApiResponse(OpenApiTypes.BINARY, description="`format=packed`"),
    },
)


@extend_schema_view(get=HEATMAP)
class HeatmapView(MarketView):
    query = HeatmapQuery

    def content_type(self, query: Parameters) -> str:
        return BINARY if query["format"] == "packed" else JSON

    def body(self, cursor: Cursor, market: Market, query: Parameters) -> bytes:
        started = time.perf_counter()
        calibration = calibration_for(query, market)
        request = heatmap_request(query, calibration)
        columns = columns_of(request, market.history)
        result = build_heatmap(cursor, market, request, columns)
        if query["format"] != "packed":
            result = fitted(result, adjustable=request.bin_size is None)
        if result is not None and calibration is not None:
            result = calibrated(result, calibration)
        milliseconds = (time.perf_counter() - started) * 1000
        meta = heatmap_meta(request, columns, market, result, milliseconds)
        meta["calibration"] = calibration_meta(calibration)
        shape = {
            "json": levels_body,
            "grid": grid_body,
            "packed": packed_body,
        }[query["format"]]
        return shape(meta, result)


def heatmap_meta(
    request: HeatmapRequest,
    columns: Columns,
    market: Market,
    result: Result | None,
    computed_ms: float,
) -> dict[str, Any]:
    """The `meta` of a heatmap; without a result all that can be said without one."""
    heatmap = result.heatmap if result else None
    return {
        "symbol": market.symbol,
        "start_time": iso(columns.start) if columns.end else None,
        "end_time": iso(columns.end) if columns.end else None,
        "interval": columns.interval,
        "total_snapshots": len(heatmap.times) if heatmap else 0,
        **_totals(heatmap),
        # The book begins one interval before the first column.
        **model_meta(request, market, columns.start - columns.interval_ms, columns.end),
        **coverage_meta(market.history),
        "computed_ms": round(computed_ms, 1),
    }


def _totals(heatmap: Heatmap | None) -> dict[str, Any]:
    if heatmap is None:
        return {
            "price_range": None,
            "price_bin_size": None,
            "total_long_volume": 0.0,
            "total_short_volume": 0.0,
            "total_consumed": 0.0,
            "unplaced_share": None,
            "gaps": [],
        }
    return {
        "price_range": {
            "min": float(heatmap.prices[0]),
            "max": float(np.round(heatmap.prices[-1] + heatmap.bin_size, 10)),
        },
        "price_bin_size": heatmap.bin_size,
        "total_long_volume": round(heatmap.total_long, CENTS),
        "total_short_volume": round(heatmap.total_short, CENTS),
        "total_consumed": round(float(heatmap.positions_consumed.sum()), CENTS),
        "unplaced_share": round(float(heatmap.unplaced_share[-1]), 6),
        "gaps": [
            {"kind": gap.kind, "start": iso(gap.start), "end": iso(gap.end)} for gap in heatmap.gaps
        ],
    }
