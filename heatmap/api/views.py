"""The endpoints: parameters in, an answer out. What is in the answers stands in bodies."""

import time
from dataclasses import replace
from typing import Any

import duckdb
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema_view
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from heatmap.api import bodies, packed, schema
from heatmap.api.explanation import explain_body
from heatmap.api.markets import Market, market
from heatmap.api.parameters import (
    ExplainQuery,
    HeatmapQuery,
    KlinesQuery,
    MapQuery,
    Query,
    SymbolQuery,
    parsed,
)
from heatmap.api.quality import QUALITY, QualityQuery, quality_body
from heatmap.build import (
    MODELS,
    BadRequest,
    HeatmapRequest,
    build_heatmap,
    columns_of,
)
from heatmap.calibration import calibrated, calibration_meta, parameters_of
from heatmap.coinglass import is_coinglass
from heatmap.instant import build_explanation, build_map
from heatmap.models import Calibration
from ingestion.errors import FileDamaged
from ingestion.lake import read
from ingestion.quality.report import version_of_attempts
from ingestion.symbols.supported_pairs import supported_pairs
from liqheat_project.webkit.answers import BINARY, CACHE_CONTROL, JSON, Answer, answer, key_of

MODEL_CHOICES = ("turnover", "spread_entries", "taker_tilt", "smear")
Cursor = duckdb.DuckDBPyConnection
Parameters = dict[str, Any]


class MarketView(APIView):
    """An endpoint about one enabled symbol, all of it from one snapshot of the lake."""

    query: type[Query] = SymbolQuery

    def get(self, request: Request) -> HttpResponse:
        query = parsed(self.query, request)
        found = market(query["symbol"])

        def compute() -> Answer:
            with read.snapshot() as cursor:
                seen = found.seen_by(cursor)
                try:
                    return Answer(self._key(query, seen), self.body(cursor, seen, query))
                except BadRequest as error:
                    raise ValidationError({error.parameter: [error.reason]}) from error

        return answer(request, self._key(query, found), self.content_type(query), compute)

    def body(self, cursor: Cursor, market: Market, query: Parameters) -> bytes:
        raise NotImplementedError

    def content_type(self, query: Parameters) -> str:
        return JSON

    def _key(self, query: Parameters, market: Market) -> str:
        return key_of(type(self).__name__, sorted(query.items()), market.version)


@extend_schema_view(get=schema.HEATMAP)
class HeatmapView(MarketView):
    query = HeatmapQuery

    def content_type(self, query: Parameters) -> str:
        return BINARY if query["format"] == "packed" else JSON

    def body(self, cursor: Cursor, market: Market, query: Parameters) -> bytes:
        started = time.perf_counter()
        calibration = _calibration(query, market)
        request = _heatmap_request(query, calibration)
        columns = columns_of(request, market.history)
        result = build_heatmap(
            cursor, market.history, market.brackets, market.tick_size, request, columns
        )
        if query["format"] != "packed":
            result = bodies.fitted(result, adjustable=request.bin_size is None)
        if result is not None and calibration is not None:
            result = calibrated(result, calibration)
        milliseconds = (time.perf_counter() - started) * 1000
        meta = bodies.heatmap_meta(
            request, columns, market.history, market.brackets, result, milliseconds
        )
        meta["calibration"] = calibration_meta(calibration)
        shape = {
            "json": bodies.levels_body,
            "grid": bodies.grid_body,
            "packed": packed.packed_body,
        }[query["format"]]
        return shape(meta, result)


@extend_schema_view(get=schema.MAP)
class MapView(MarketView):
    query = MapQuery

    def body(self, cursor: Cursor, market: Market, query: Parameters) -> bytes:
        started = time.perf_counter()
        request = _heatmap_request(query, _calibration(query, market))
        instant = min(query.get("time", market.history.end), market.history.end)
        found = build_map(
            cursor, market.history, market.brackets, market.tick_size, request, instant
        )
        milliseconds = (time.perf_counter() - started) * 1000
        return bodies.map_body(
            request, instant, market.history, market.brackets, found, milliseconds
        )


@extend_schema_view(get=schema.EXPLAIN)
class ExplainView(MarketView):
    query = ExplainQuery

    def body(self, cursor: Cursor, market: Market, query: Parameters) -> bytes:
        request = _heatmap_request(query, _calibration(query, market))
        instant = min(query.get("time", market.history.end), market.history.end)
        found = build_explanation(
            cursor,
            market.history,
            market.brackets,
            market.tick_size,
            request,
            instant,
            query["price"],
        )
        return explain_body(
            request, instant, query["price"], market.history, market.brackets, found
        )


@extend_schema_view(get=schema.KLINES)
class KlinesView(MarketView):
    query = KlinesQuery

    def body(self, cursor: Cursor, market: Market, query: Parameters) -> bytes:
        return bodies.klines_body(cursor, market.history, query)


@extend_schema_view(get=schema.DATE_RANGE)
class DateRangeView(MarketView):
    def body(self, cursor: Cursor, market: Market, query: Parameters) -> bytes:
        return bodies.date_range_body(market.history, read.coverage(cursor, market.symbol))


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


@extend_schema_view(get=schema.SYMBOLS)
class SymbolsView(APIView):
    def get(self, request: Request) -> HttpResponse:
        parsed(Query, request)
        body = bodies.symbols_body(supported_pairs(timezone.now()))
        return HttpResponse(body, content_type=JSON, headers={"Cache-Control": CACHE_CONTROL})


def _calibration(query: Parameters, market: Market) -> Calibration | None:
    """The symbol's, where it holds: a fit is of one model as it stands, with no other choices."""
    found = market.calibration
    if found is None or not query["calibrated"] or query["model"] != found.model:
        return None
    asked = _heatmap_request(query, None).parameters
    return found if "turnover" not in query and asked == MODELS[found.model] else None


def _heatmap_request(query: Parameters, calibration: Calibration | None) -> HeatmapRequest:
    chosen = {name: query[name] for name in MODEL_CHOICES if name in query}
    parameters = parameters_of(calibration) if calibration else MODELS[query["model"]]
    refused = [name for name, value in chosen.items() if value and is_coinglass(parameters)]
    if refused:
        raise BadRequest(
            refused[0],
            f"{parameters.name} has no such choice; it takes leverage_weights and lookback",
        )
    if not is_coinglass(parameters):
        parameters = replace(parameters, **chosen)
    if "leverage_weights" in query:
        weights = query["leverage_weights"]
        parameters = replace(
            parameters, long_leverage_weights=weights, short_leverage_weights=weights
        )
    return HeatmapRequest(
        window=query.get("time_window"),
        start=query.get("start_time"),
        end=query.get("end_time"),
        interval=query.get("interval"),
        bin_size=query.get("price_bin_size"),
        parameters=parameters,
        lookback=query["lookback"],
    )
