from types import SimpleNamespace
from typing import Any

import pytest
from django.http import QueryDict
from rest_framework.exceptions import ValidationError

from heatmap.api.liquidation_map import MapQuery
from liqheat_project.webkit.query import Query, SymbolQuery, parsed


class Counted(SymbolQuery):
    made = 0

    def __init__(self, **options: Any) -> None:
        Counted.made += 1
        super().__init__(**options)


def ask(query: type[Query], text: str) -> dict[str, Any]:
    return parsed(query, SimpleNamespace(query_params=QueryDict(text)))  # type: ignore[arg-type]


def test_what_was_valid_is_not_checked_again_and_what_was_not_is():
    first = ask(Counted, "symbol=BTCUSDT")
    first["symbol"] = "changed by a caller"
    assert ask(Counted, "symbol=BTCUSDT") == {"symbol": "BTCUSDT"}
    assert Counted.made == 1
    assert ask(Counted, "symbol=ETHUSDT") == {"symbol": "ETHUSDT"}
    for made in (3, 4):
        with pytest.raises(ValidationError):
            ask(Counted, "symbol=BTCUSDT&other=1")
        assert Counted.made == made
    assert ask(MapQuery, "symbol=BTCUSDT") != ask(SymbolQuery, "symbol=BTCUSDT")
