"""What the OpenAPI descriptions of all endpoints share."""

from typing import Any

from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_serializer,
)
from rest_framework import serializers

from liqheat_project.kernel.symbol_names import JAVASCRIPT_PATTERN
from liqheat_project.webkit.answers import BUSY, BUSY_WITH_YOURS, JSON
from liqheat_project.webkit.query import Query

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


def described(summary: str, text: str, query: type[Query], answers: dict[Any, Any]) -> Any:
    """The description of an endpoint about one symbol."""
    return extend_schema(
        summary=summary,
        description=f"{text}\n\n{CACHING}",
        parameters=[query, SYMBOL],
        responses=answers | ERRORS,
    )
