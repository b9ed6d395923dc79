"""GET /symbols: every registered symbol, and how far it has come."""

from collections.abc import Iterable
from typing import Any

import orjson
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from ingestion.symbols.states import SymbolState
from ingestion.symbols.supported_pairs import Pair, supported_pairs
from liqheat_project.kernel.instants import iso_or_none
from liqheat_project.webkit.answers import CACHE_CONTROL, JSON
from liqheat_project.webkit.query import Query, parsed
from liqheat_project.webkit.schema import ERRORS

OUTCOMES = ["approved", "expired", "rejected", "no_reference"]


class Validation(serializers.Serializer):
    state = serializers.ChoiceField(OUTCOMES)
    hit_rate = serializers.FloatField(
        allow_null=True, help_text="of the newest reference that could be compared"
    )
    validated_at = serializers.DateTimeField(allow_null=True)
    approved_until = serializers.DateTimeField(allow_null=True)


class Coverage(serializers.Serializer):
    data_start = serializers.DateTimeField(allow_null=True, help_text="open of the first candle")
    data_end = serializers.DateTimeField(allow_null=True, help_text="end of the newest candle")


SETTLED = (
    "the instant from which on the contract's open interest is 0: it was settled, and its "
    "positions are gone; null while it lives"
)


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
    settled_at = serializers.DateTimeField(allow_null=True, help_text=SETTLED)
    damaged = serializers.BooleanField(
        help_text="whether a file with its rows is damaged; GET /data/quality names the days. "
        "Where its candles cannot be read, coverage has nulls"
    )
    note = serializers.CharField(allow_blank=True)
    text = PairInWords(help_text="the same in words, as `manage.py supported_pairs` prints it")


class Symbols(serializers.Serializer):
    symbols = SupportedSymbol(many=True)


SYMBOLS = extend_schema(
    summary="Supported pairs",
    description="Every registered symbol: whether it is enabled, validated, and what is loaded. An "
    "approval that ends takes nothing away: `enabled` alone says whether a symbol is served.",
    responses={(200, JSON): Symbols}
    | {status: error for status, error in ERRORS.items() if status[0] != 404},
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
                        "settled_at": None,
                        "damaged": False,
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


@extend_schema_view(get=SYMBOLS)
class SymbolsView(APIView):
    def get(self, request: Request) -> HttpResponse:
        parsed(Query, request)
        body = symbols_body(supported_pairs(timezone.now()))
        return HttpResponse(body, content_type=JSON, headers={"Cache-Control": CACHE_CONTROL})


def symbols_body(pairs: Iterable[Pair]) -> bytes:
    """The table of supported pairs."""
    return orjson.dumps({"symbols": [_pair(pair) for pair in pairs]})


def _pair(pair: Pair) -> dict[str, Any]:
    symbol = pair.symbol
    validation = {
        "state": pair.outcome,
        "hit_rate": symbol.hit_rate,
        "validated_at": iso_or_none(symbol.validated_at),
        "approved_until": iso_or_none(symbol.approved_until),
    }
    return {
        "symbol": symbol.name,
        "enabled": symbol.enabled,
        "status": pair.state,
        "tick_size": float(symbol.tick_size),
        "validation": validation if pair.outcome else None,
        "coverage": {"data_start": iso_or_none(pair.start), "data_end": iso_or_none(pair.end)},
        "settled_at": iso_or_none(pair.settled_at),
        "damaged": pair.is_damaged,
        "note": symbol.note,
        "text": dict(zip(("symbol", "status", "validation", "coverage"), pair.cells, strict=True)),
    }
