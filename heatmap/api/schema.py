"""The OpenAPI description of the endpoints: what they answer, in words, fields and examples."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    PolymorphicProxySerializer,
    extend_schema,
    extend_schema_serializer,
)
from rest_framework import serializers

from heatmap.api.answers import BINARY, BUSY, JSON
from heatmap.api.bodies import MOST_LEVELS
from heatmap.api.packed import LAYOUT
from heatmap.api.parameters import (
    ExplainQuery,
    HeatmapQuery,
    KlinesQuery,
    MapQuery,
    Query,
    SymbolQuery,
)
from heatmap.build import LARGEST_GRID, LONGEST_COLUMNS
from ingestion.states import SymbolState

TIMESTAMPS = """**Timestamps.** A column stamped t is the book at t, made of nothing but data that
was available at t: a candle that is still open at t is not in it. Instants are UTC.
**Buckets** are labelled by their lower edge: the bucket `price` holds
[`price`, `price` + `price_bin_size`). **Densities** are in USDT: open contracts times their
liquidation price."""
CACHING = """Answers carry an `ETag` that changes with the parameters and with the symbol's data,
and with nothing else; a request with `If-None-Match` is answered 304. What was loaded or changed
shows after a second at the latest."""


class Level(serializers.Serializer):
    price = serializers.FloatField(help_text="lower edge of the bucket, USDT")
    long_density = serializers.FloatField(help_text="USDT of longs liquidated in the bucket")
    short_density = serializers.FloatField(help_text="USDT of shorts liquidated in the bucket")


class Snapshot(serializers.Serializer):
    timestamp = serializers.DateTimeField(help_text="the book at this instant")
    levels = Level(many=True, help_text="buckets that hold something, by rising price")
    positions_created = serializers.FloatField(help_text="USDT opened since the column before")
    positions_consumed = serializers.FloatField(help_text="USDT liquidated since the column before")


class PriceRange(serializers.Serializer):
    min = serializers.FloatField()
    max = serializers.FloatField()


class LeverageWeight(serializers.Serializer):
    leverage = serializers.FloatField()
    weight = serializers.FloatField(help_text="share of new contracts, sums to 1")


class Model(serializers.Serializer):
    name = serializers.CharField()
    leverage_weights = LeverageWeight(many=True)
    position_notional = serializers.FloatField(help_text="size of a typical position, USDT")
    lookback_hours = serializers.IntegerField(allow_null=True, help_text="null: all that is loaded")


class BracketVersion(serializers.Serializer):
    valid_from = serializers.DateTimeField()
    source = serializers.CharField()  # type: ignore[assignment]


class BracketsUsed(serializers.Serializer):
    symbol = serializers.CharField(help_text="DEFAULT where the symbol has no brackets of its own")
    tables = BracketVersion(many=True, help_text="in force in the window; the first also before it")


class Gap(serializers.Serializer):
    kind = serializers.ChoiceField(["candles", "open_interest"])
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()


class Coverage(serializers.Serializer):
    data_start = serializers.DateTimeField(allow_null=True, help_text="open of the first candle")
    data_end = serializers.DateTimeField(allow_null=True, help_text="end of the newest candle")


class ModelMeta(Coverage):
    symbol = serializers.CharField()
    model = Model()
    brackets = BracketsUsed()
    total_long_volume = serializers.FloatField(help_text="USDT of all longs in the last book")
    total_short_volume = serializers.FloatField(help_text="USDT of all shorts in the last book")
    unplaced_share = serializers.FloatField(
        allow_null=True,
        help_text="share of the open contracts that no level shows: open before the history starts",
    )
    price_bin_size = serializers.FloatField(allow_null=True)
    computed_ms = serializers.FloatField(help_text="time it took to compute, the first time")
    cached = serializers.BooleanField()


class HeatmapMeta(ModelMeta):
    start_time = serializers.DateTimeField(allow_null=True)
    end_time = serializers.DateTimeField(allow_null=True)
    interval = serializers.CharField()
    total_snapshots = serializers.IntegerField()
    price_range = PriceRange(allow_null=True)
    total_consumed = serializers.FloatField(help_text="USDT liquidated over the window")
    gaps = Gap(many=True, help_text="missing stretches of data, never interpolated")


class Heatmap(serializers.Serializer):
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


class LiquidationMap(serializers.Serializer):
    meta = MapMeta()
    data = MapLevel(many=True)  # type: ignore[assignment]


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


class ExplanationMeta(Coverage):
    symbol = serializers.CharField()
    model = Model()
    brackets = BracketsUsed()
    price_bin_size = serializers.FloatField(allow_null=True)
    time = serializers.DateTimeField(allow_null=True)
    price = serializers.FloatField(allow_null=True, help_text="lower edge of the bucket, USDT")


class CellExplanation(serializers.Serializer):
    meta = ExplanationMeta()
    data = Cohorts()  # type: ignore[assignment]


class Kline(serializers.Serializer):
    timestamp = serializers.DateTimeField(help_text="open of the candle")
    open = serializers.FloatField()
    high = serializers.FloatField()
    low = serializers.FloatField()
    close = serializers.FloatField()
    volume = serializers.FloatField(help_text="contracts")
    quote_volume = serializers.FloatField(allow_null=True, help_text="USDT")
    taker_buy_volume = serializers.FloatField(allow_null=True, help_text="contracts")
    closed = serializers.BooleanField(help_text="whether the data reaches the candle's end")


class Klines(serializers.Serializer):
    symbol = serializers.CharField()
    interval = serializers.CharField()
    count = serializers.IntegerField()
    meta = Coverage()
    data = Kline(  # type: ignore[assignment]
        many=True, help_text="oldest first; intervals without data are left out"
    )


class LoadedTable(serializers.Serializer):
    table = serializers.CharField()
    rows = serializers.IntegerField()
    first = serializers.DateTimeField()
    last = serializers.DateTimeField()


class ComputedFrom(serializers.Serializer):
    interval = serializers.CharField()
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()


class DateRange(serializers.Serializer):
    symbol = serializers.CharField()
    start_date = serializers.DateTimeField(allow_null=True, help_text="open of the first candle")
    end_date = serializers.DateTimeField(allow_null=True, help_text="end of the newest candle")
    tables = LoadedTable(many=True)
    candles = ComputedFrom(many=True, help_text="the candles that heatmaps are computed from")


OUTCOMES = ["approved", "expired", "rejected", "no_reference"]


class Validation(serializers.Serializer):
    state = serializers.ChoiceField(OUTCOMES)
    hit_rate = serializers.FloatField(
        allow_null=True, help_text="of the newest reference that could be compared"
    )
    validated_at = serializers.DateTimeField(allow_null=True)
    approved_until = serializers.DateTimeField(allow_null=True)


class PairInWords(serializers.Serializer):
    symbol = serializers.CharField(help_text="such as BTC/USDT")
    status = serializers.CharField()
    validation = serializers.CharField(help_text="such as Hit rate: 0.75")
    coverage = serializers.CharField(help_text="such as Sep 2024 - present")


class SupportedSymbol(serializers.Serializer):
    symbol = serializers.CharField()
    enabled = serializers.BooleanField(help_text="whether the API and the page serve it")
    status = serializers.ChoiceField(list(SymbolState), help_text="how far it has come")
    tick_size = serializers.FloatField()
    validation = Validation(allow_null=True, help_text="null: never compared")
    coverage = Coverage()
    note = serializers.CharField(allow_blank=True)
    text = PairInWords(help_text="the same in words, as `manage.py supported_pairs` prints it")


class Symbols(serializers.Serializer):
    symbols = SupportedSymbol(many=True)


class ErrorItem(serializers.Serializer):
    code = serializers.CharField()
    detail = serializers.CharField(help_text="the reason")
    attr = serializers.CharField(allow_null=True, help_text="the parameter that has to change")


@extend_schema_serializer(component_name="Error")
class Error(serializers.Serializer):
    type = serializers.ChoiceField(["validation_error", "client_error", "server_error"])
    errors = ErrorItem(many=True)  # type: ignore[assignment]


def _error(description: str, kind: str, **item: str | None) -> OpenApiResponse:
    example = OpenApiExample(kind, value={"type": kind, "errors": [item]})
    return OpenApiResponse(Error, description=description, examples=[example])


ERRORS: dict[Any, Any] = {
    (400, JSON): _error(
        "A parameter is not what it must be; `attr` names it.",
        "validation_error",
        code="invalid_choice",
        detail='"7m" is not a valid choice.',
        attr="interval",
    ),
    (404, JSON): _error(
        "The symbol is not known or not enabled.",
        "client_error",
        code="not_found",
        detail="BNBUSDT is disabled. Enabled symbols: BTCUSDT, ETHUSDT.",
        attr=None,
    ),
    (503, JSON): _error(
        "All web threads but one are computing; ask again in a second.",
        "server_error",
        code="busy",
        detail=BUSY,
        attr=None,
    ),
}
NAME = r"^[A-Z0-9_]{2,30}$"
SYMBOL = OpenApiParameter(
    "symbol",
    required=True,
    description="as Binance writes it",
    pattern=NAME,
    examples=[OpenApiExample(name, value=name) for name in ("BTCUSDT", "ETHUSDT")],
)


def _described(summary: str, text: str, query: type[Query], answers: dict[Any, Any]) -> Any:
    return extend_schema(
        summary=summary,
        description=f"{text}\n\n{CACHING}",
        parameters=[query, SYMBOL],
        responses=answers | ERRORS,
    )


def _snapshots(symbol: str, price: float, long: float, short: float) -> OpenApiExample:
    value = {
        "meta": {"symbol": symbol, "interval": "1h", "total_snapshots": 168, "cached": False},
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


HEATMAP = _described(
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
                "HeatmapOrGrid", [Heatmap, Grid], resource_type_field_name=None
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
MAP = _described(
    "Liquidation map at an instant",
    "One instant of the book by price and leverage, with the two cumulative curves.\n\n"
    + TIMESTAMPS,
    MapQuery,
    {(200, JSON): LiquidationMap},
)
EXPLAIN = _described(
    "What is behind a cell",
    "The positions that would be liquidated in the bucket of `price`, by entry, the largest first, "
    "at most 200 a side.\n\n" + TIMESTAMPS,
    ExplainQuery,
    {(200, JSON): CellExplanation},
)
KLINES = _described(
    "Candles",
    "Candles of any interval, aggregated from the finest that are loaded. Without `start_time` "
    "the newest ones. A candle is stamped with its open.",
    KlinesQuery,
    {(200, JSON): Klines},
)
DATE_RANGE = _described(
    "What is loaded for a symbol",
    "First and last instant of a symbol's data, by table.",
    SymbolQuery,
    {(200, JSON): DateRange},
)
SYMBOLS = extend_schema(
    summary="Supported pairs",
    description="Every registered symbol: whether it is enabled, validated, and what is loaded. An "
    "approval that ends takes nothing away: `enabled` alone says whether a symbol is served.",
    responses={(200, JSON): Symbols},
    examples=[
        OpenApiExample(
            "BTCUSDT",
            value={
                "symbols": [
                    {
                        "symbol": "BTCUSDT",
                        "enabled": True,
                        "status": "approved",
                        "tick_size": 0.1,
                        "validation": {
                            "state": "approved",
                            "hit_rate": 0.75,
                            "validated_at": "2026-11-25T12:00:00Z",
                            "approved_until": "2026-12-25T12:00:00Z",
                        },
                        "coverage": {
                            "data_start": "2024-09-01T00:00:00Z",
                            "data_end": "2026-11-25T00:00:00Z",
                        },
                        "note": "",
                        "text": {
                            "symbol": "BTC/USDT",
                            "status": "approved",
                            "validation": "Hit rate: 0.75",
                            "coverage": "Sep 2024 - present",
                        },
                    }
                ]
            },
            response_only=True,
        )
    ],
)
