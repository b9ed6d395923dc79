"""GET /prices/klines: candles of any interval."""

from typing import Any

import duckdb
import orjson
from drf_spectacular.utils import extend_schema_view
from rest_framework import serializers

from heatmap.api.market_view import Cursor, MarketView, Parameters
from heatmap.api.model import coverage_meta
from heatmap.build import build_candles
from heatmap.history import History
from heatmap.market import Market
from ingestion.api.symbols import Coverage
from ingestion.market.datasets import INTERVALS
from liqheat_project.kernel.instants import iso
from liqheat_project.webkit.answers import JSON
from liqheat_project.webkit.query import InstantField, SymbolQuery, check_order
from liqheat_project.webkit.schema import described


class KlinesQuery(SymbolQuery):
    interval = serializers.ChoiceField(list(INTERVALS), default="15m")
    start_time = InstantField(
        required=False, help_text="candles that open at or after it; then the oldest come first"
    )
    end_time = InstantField(required=False, help_text="candles that open before it")
    limit = serializers.IntegerField(
        min_value=1,
        max_value=1500,
        default=500,
        help_text="how many candles: the newest ones, or the first ones from start_time on",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        check_order(attrs)
        return attrs


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


KLINES = described(
    "Candles",
    "Candles of any interval, aggregated from the finest that are loaded. Without `start_time` "
    "the newest ones. A candle is stamped with its open.",
    KlinesQuery,
    {(200, JSON): Klines},
)


@extend_schema_view(get=KLINES)
class KlinesView(MarketView):
    query = KlinesQuery

    def body(self, cursor: Cursor, market: Market, query: Parameters) -> bytes:
        return klines_body(cursor, market.history, query)


def klines_body(
    cursor: duckdb.DuckDBPyConnection, history: History, query: dict[str, Any]
) -> bytes:
    """`{symbol, interval, count, data: [{timestamp, open, …}], meta}`, oldest first."""
    interval, limit = query["interval"], query["limit"]
    step = INTERVALS[interval]
    start, end = query.get("start_time"), query.get("end_time")
    end = min(end or history.end, history.end)
    if start is None:
        # The newest `limit` candles; where some are missing, there are fewer.
        start = -(-end // step) * step - limit * step
    start = -(-max(start, history.start // step * step) // step) * step
    end = min(-(-end // step) * step, start + limit * step)
    found = build_candles(cursor, history, interval, start, end) if start < end else {}
    names = ("open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume")
    opens = found["open_time"].tolist() if found else []
    lines = zip(*(found[name].tolist() for name in names), strict=True) if found else []
    data = [
        {
            "timestamp": iso(opened),
            **{
                name: None if value != value else value
                for name, value in zip(names, line, strict=True)
            },
            "closed": opened + step <= history.end,
        }
        for opened, line in zip(opens, lines, strict=True)
    ]
    head = {"symbol": history.symbol, "interval": interval, "count": len(data)}
    return orjson.dumps({**head, "meta": coverage_meta(history), "data": data})
