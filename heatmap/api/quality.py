"""GET /data/quality: what is asked, what is answered, and its description."""

from typing import Any

import duckdb
import orjson
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request

from heatmap.api.market_view import Cursor, MarketView, Parameters
from heatmap.market import Market
from ingestion.errors import FileDamaged
from ingestion.lake import read
from ingestion.quality.report import DayState, check, version_of_attempts
from liqheat_project.webkit.answers import JSON, Answer, answer, key_of
from liqheat_project.webkit.query import SymbolQuery, parsed
from liqheat_project.webkit.schema import CACHING, ERRORS, SYMBOL


class QualityQuery(SymbolQuery):
    start_date = serializers.DateField(
        required=False, help_text="first day, UTC; by default the first of which anything is known"
    )
    end_date = serializers.DateField(required=False, help_text="last day, included")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        for name in ("start_date", "end_date"):
            if name in attrs and not 2019 <= attrs[name].year < 2100:
                raise serializers.ValidationError({name: ["The year must be from 2019 to 2099."]})
        if (
            "start_date" in attrs
            and "end_date" in attrs
            and attrs["end_date"] < attrs["start_date"]
        ):
            raise serializers.ValidationError({"start_date": ["Must not be after end_date."]})
        return attrs


def quality_body(cursor: duckdb.DuckDBPyConnection, query: dict[str, Any]) -> bytes:
    """The answer, as `manage.py data_quality --json` prints it but for the reasons in words."""
    found = check(cursor, query["symbol"], query.get("start_date"), query.get("end_date"))
    return orjson.dumps(
        {
            "symbol": query["symbol"],
            "datasets": [quality.as_json(in_public=True) for quality in found],
        }
    )


class QualityDay(serializers.Serializer):
    day = serializers.DateField(help_text="UTC")
    state = serializers.ChoiceField([str(state) for state in DayState])
    rows = serializers.IntegerField()
    filled = serializers.IntegerField(help_text="slots of the day that hold rows")
    slots = serializers.IntegerField(
        help_text="candles or five minutes of open interest of a whole day; of trades its hours"
    )
    quarantined = serializers.IntegerField(help_text="rows of the day's file that were set aside")
    error = serializers.CharField(
        help_text="why the newest attempt to load it failed, such as NotInSource, or nothing"
    )


class QualityGap(serializers.Serializer):
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()


class QualityDataset(serializers.Serializer):
    dataset = serializers.CharField(help_text="such as metrics (open interest) or klines 5m")
    first_day = serializers.DateField()
    last_day = serializers.DateField()
    rows = serializers.IntegerField(help_text="in the lake on these days")
    files = serializers.IntegerField(help_text="of the archive or a folder, that gave the rows")
    quarantined = serializers.IntegerField(help_text="rows of these files that were set aside")
    duplicates = serializers.IntegerField(
        help_text="exact repetitions in these files that were left out"
    )
    unverified = serializers.IntegerField(help_text="of these files, those without a checksum")
    counts = serializers.DictField(
        child=serializers.IntegerField(), help_text="days by state; states without any left out"
    )
    days = QualityDay(many=True, help_text="all that are neither verified nor replaced")
    gaps = QualityGap(many=True, help_text="stretches without rows between the first and the last")


class Quality(serializers.Serializer):
    symbol = serializers.CharField()
    datasets = QualityDataset(many=True)


QUALITY = extend_schema(
    summary="Data quality, day by day",
    description=(
        "Each day of each dataset is in one state; where several hold, the one that a person must "
        "act on first:\n\n"
        + "\n".join(f"- `{state}`: {state.meaning}" for state in DayState)
        + f"\n\n{CACHING}"
    ),
    parameters=[QualityQuery, SYMBOL],
    responses={(200, JSON): Quality} | ERRORS,
)


@extend_schema_view(get=QUALITY)
class QualityView(MarketView):
    query = QualityQuery

    def get(self, request: Request) -> HttpResponse:
        try:
            return super().get(request)
        except FileDamaged:
            # Where candles are damaged nothing is known of the market, but of its days there is.
            with read.snapshot() as cursor:
                body = quality_body(cursor, parsed(self.query, request))
            key = key_of(body)
            return answer(request, key, JSON, lambda: Answer(key, body))

    def body(self, cursor: Cursor, market: Market, query: Parameters) -> bytes:
        return quality_body(cursor, query)

    def _key(self, query: Parameters, market: Market) -> str:
        return key_of(super()._key(query, market), version_of_attempts(market.symbol))
