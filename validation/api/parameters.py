"""What a request may ask the validation for."""

from rest_framework import serializers

from liqheat_project.webkit.query import Query, SymbolField
from validation.models import ValidationRun

MOST_RUNS = 500


class OneSymbolOrAll(Query):
    symbol = SymbolField(required=False)


class RunsQuery(OneSymbolOrAll):
    source = serializers.ChoiceField(  # type: ignore[assignment]
        ValidationRun.Source.values, required=False, help_text="kind of reference; by default all"
    )
    limit = serializers.IntegerField(
        min_value=1, max_value=MOST_RUNS, default=50, help_text="how many runs, the newest first"
    )
