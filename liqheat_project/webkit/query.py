"""What a request may ask for: every parameter is known and bounded."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from liqheat_project.kernel.instants import milliseconds_of
from liqheat_project.kernel.validators import validate_symbol_name

UNENCODED_PLUS = re.compile(r"(?a)\A(\d{4}-\d\d-\d\d[T ]\d\d:\d\d\S*) (\d\d(:?\d\d)?)\Z")


class Query(serializers.Serializer):
    """Parameters of a query string; one that is not known is refused by name."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(set(data) - set(self.fields))
        if unknown:
            known = ", ".join(self.fields)
            raise serializers.ValidationError(
                {name: [f"Unknown parameter; known are {known}."] for name in unknown}
            )
        return super().to_internal_value(data)


def parsed(query: type[Query], request: Request) -> dict[str, Any]:
    """The parameters of a request; answered 400, with the one that has to change, if it has to."""
    return dict(_parsed(query, tuple(request.query_params.dict().items())))


@lru_cache(maxsize=1024)
def _parsed(query: type[Query], parameters: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Remembers what is valid: checking it takes a third of the time of an answer that is kept."""
    serializer = query(data=dict(parameters))
    serializer.is_valid(raise_exception=True)
    validated: dict[str, Any] = serializer.validated_data
    return validated


class SymbolField(serializers.CharField):
    def __init__(self, **options: Any) -> None:
        options.setdefault("help_text", "as Binance writes it, such as BTCUSDT or ETHUSDT")
        options.setdefault("validators", [validate_symbol_name])
        super().__init__(trim_whitespace=False, **options)


class SymbolQuery(Query):
    symbol = SymbolField()


class InstantField(serializers.DateTimeField):
    """ISO 8601, naive means UTC; becomes ms since the epoch.

    The plus of an offset that was not encoded comes as a space.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(default_timezone=UTC, **options)

    def to_internal_value(self, value: Any) -> Any:
        if isinstance(value, str):
            value = UNENCODED_PLUS.sub(r"\1+\2", value)
        instant: datetime = super().to_internal_value(value)
        if not 2000 <= instant.year < 2100:
            raise serializers.ValidationError("The year must be from 2000 to 2099.")
        return milliseconds_of(instant)


def check_order(attrs: dict[str, Any]) -> None:
    if "start_time" in attrs and "end_time" in attrs and attrs["start_time"] >= attrs["end_time"]:
        raise serializers.ValidationError({"start_time": ["Must lie before end_time."]})
