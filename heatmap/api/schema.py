"""The OpenAPI description of the endpoints: what they answer, in words and examples."""

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

from heatmap.api.answer_fields import (
    CellExplanation,
    DateRange,
    Grid,
    Heatmap,
    Klines,
    LiquidationMap,
    Symbols,
)
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
from liqheat_project.kernel.symbol_names import JAVASCRIPT_PATTERN
from liqheat_project.webkit.answers import BINARY, BUSY, BUSY_WITH_YOURS, JSON

TIMESTAMPS = """**Timestamps.** A column stamped t is the book at t, made of nothing but data that
was available at t: a candle that is still open at t is not in it. Instants are UTC.
**Buckets** are labelled by their lower edge: the bucket `price` holds
[`price`, `price` + `price_bin_size`). **Densities** are in USDT: open contracts times their
liquidation price."""
CACHING = """Answers carry an `ETag` that changes with the parameters and with the symbol's data,
and with nothing else; a request with `If-None-Match` is answered 304. What was loaded or changed
shows after a second at the latest."""


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
    (401, JSON): _error(
        "The header X-API-Key holds no key that is known here. Without the header none is needed.",
        "client_error",
        code="authentication_failed",
        detail="X-API-Key is not one of API_KEYS.",
        attr=None,
    ),
    (429, JSON): _error(
        "This client has asked too often, or waits for too many answers already; ask again after "
        "`Retry-After` seconds.",
        "client_error",
        code="throttled",
        detail=BUSY_WITH_YOURS,
        attr=None,
    ),
    (503, JSON): _error(
        "All web threads but one are computing (`busy`), or the data cannot be read now "
        "(`unavailable`); ask again after `Retry-After` seconds.",
        "server_error",
        code="busy",
        detail=BUSY,
        attr=None,
    ),
}
NAME = JAVASCRIPT_PATTERN
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
