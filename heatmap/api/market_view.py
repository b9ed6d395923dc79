"""An endpoint about one enabled symbol."""

from typing import Any

import duckdb
from django.http import HttpResponse
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from heatmap.api.markets import market
from heatmap.build import BadRequest
from heatmap.market import Market
from ingestion.lake import read
from liqheat_project.webkit.answers import JSON, Answer, answer, key_of
from liqheat_project.webkit.query import Query, SymbolQuery, parsed

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
