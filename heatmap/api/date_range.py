"""GET /data/date-range: what is loaded for a symbol."""

import orjson
from drf_spectacular.utils import extend_schema_view
from rest_framework import serializers

from heatmap.api.market_view import Cursor, MarketView, Parameters
from heatmap.api.model import coverage_meta
from heatmap.history import History
from heatmap.market import Market
from ingestion.lake import read
from ingestion.lake.read import Coverage
from liqheat_project.kernel.instants import iso
from liqheat_project.webkit.answers import JSON
from liqheat_project.webkit.query import SymbolQuery
from liqheat_project.webkit.schema import described


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


DATE_RANGE = described(
    "What is loaded for a symbol",
    "First and last instant of a symbol's data, by table.",
    SymbolQuery,
    {(200, JSON): DateRange},
)


@extend_schema_view(get=DATE_RANGE)
class DateRangeView(MarketView):
    def body(self, cursor: Cursor, market: Market, query: Parameters) -> bytes:
        return date_range_body(market.history, read.coverage(cursor, market.symbol))


def date_range_body(history: History, coverage: dict[str, Coverage]) -> bytes:
    """First and last instant of a symbol's data, and of each of its tables."""
    there = coverage_meta(history)
    return orjson.dumps(
        {
            "symbol": history.symbol,
            "start_date": there["data_start"],
            "end_date": there["data_end"],
            "tables": [
                {
                    "table": table.table,
                    "rows": table.rows,
                    "first": iso(table.first_ms),
                    "last": iso(table.last_ms),
                }
                for table in coverage.values()
            ],
            "candles": [
                {
                    "interval": stretch.interval,
                    "start": iso(stretch.start),
                    "end": iso(stretch.end),
                }
                for stretch in history.stretches
            ],
        }
    )
