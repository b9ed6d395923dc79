"""The OpenAPI description of the validation's endpoints."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers

from ingestion.api.symbols import OUTCOMES
from ingestion.models import Symbol
from ingestion.symbols.states import SymbolState
from liqheat_project.kernel.runs import RunState
from liqheat_project.webkit.answers import JSON
from liqheat_project.webkit.schema import ERRORS, NAME
from validation.api.parameters import OneSymbolOrAll, RunsQuery
from validation.models import ValidationRun

FIGURES = """Every figure stands beside its chance level: what maps without knowledge reach by four
null models, the lift over it and the 95 % interval of the lift. docs/validation.md says what each
figure means and what it does not."""


class ByChance(serializers.Serializer):
    chance = serializers.FloatField(allow_null=True, help_text="what the null model reaches")
    lift = serializers.FloatField(allow_null=True, help_text="above 0 is better than chance")
    low = serializers.FloatField(allow_null=True, help_text="lower end of the 95 % interval")
    high = serializers.FloatField(allow_null=True, help_text="upper end")


class Figure(serializers.Serializer):
    value = serializers.FloatField(allow_null=True, help_text="mean over what was compared")
    last_column = serializers.FloatField(allow_null=True, help_text="at the newest instant")
    by_chance = serializers.DictField(child=ByChance(), help_text="by null model")


class File(serializers.Serializer):
    name = serializers.CharField()
    sha256 = serializers.CharField()


class Run(serializers.Serializer):
    id = serializers.IntegerField()
    symbol = serializers.CharField(allow_null=True)
    source = serializers.ChoiceField(ValidationRun.Source.values)  # type: ignore[assignment]
    file = File()
    model = serializers.IntegerField(allow_null=True, help_text="Coinglass's")
    range = serializers.CharField(allow_null=True)
    our_model = serializers.CharField(
        allow_null=True, help_text="the model of ours that it was compared with"
    )
    meaning = serializers.CharField(
        allow_null=True, help_text="what a pass means and what not, or why the run does not count"
    )
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    window_start = serializers.DateTimeField(allow_null=True, help_text="of the reference")
    window_end = serializers.DateTimeField(allow_null=True)
    state = serializers.ChoiceField(list(RunState), help_text="of the comparison, not its outcome")
    error = serializers.CharField(
        allow_null=True, help_text="why it failed; in public one of two sentences"
    )
    passed = serializers.BooleanField(
        allow_null=True, help_text="null: not known, or the run does not count"
    )
    reasons = serializers.ListField(
        child=serializers.CharField(), help_text="why it did not pass, each in a sentence"
    )
    unreadable = serializers.CharField(
        allow_null=True,
        help_text="why the reference could not be read or compared; in public always one sentence",
    )
    figures = serializers.DictField(child=Figure(), help_text="by name")
    comparison = serializers.DictField(help_text="what was compared, and what limits it")
    verdict = serializers.ChoiceField(
        Symbol.Verdict.values, allow_null=True, help_text="the gate's on the symbol, after this run"
    )
    verdict_reasons = serializers.ListField(child=serializers.CharField())


class Runs(serializers.Serializer):
    runs = Run(many=True, help_text="the newest first")


class Spread(serializers.Serializer):
    mean = serializers.FloatField()
    min = serializers.FloatField()
    max = serializers.FloatField()


class GateRule(serializers.Serializer):
    hit_rate = serializers.FloatField(help_text="a run passes above it")
    price_level_overlap = serializers.FloatField(help_text="a run passes above it")
    runs = serializers.IntegerField(help_text="passing runs that an approval needs")
    valid_days = serializers.IntegerField(help_text="days that it holds")


class SymbolSummary(serializers.Serializer):
    symbol = serializers.CharField()
    status = serializers.ChoiceField(list(SymbolState))
    validation = serializers.ChoiceField(OUTCOMES, allow_null=True, help_text="null: none")
    validated_at = serializers.DateTimeField(allow_null=True)
    approved_until = serializers.DateTimeField(allow_null=True)
    runs = serializers.IntegerField(help_text="that have ended, without backtests")
    passed = serializers.IntegerField()
    failed = serializers.IntegerField(help_text="compared, but fell short")
    unreadable = serializers.IntegerField()
    hit_rate = Spread(allow_null=True)
    price_level_overlap = Spread(allow_null=True)


class ValidationSummary(serializers.Serializer):
    policy = GateRule()
    symbols = SymbolSummary(many=True)


SYMBOL = OpenApiParameter(
    "symbol",
    description="as Binance writes it; by default all",
    pattern=NAME,
    examples=[OpenApiExample(name, value=name) for name in ("BTCUSDT", "ETHUSDT")],
)


def _described(summary: str, text: str, query: Any, answer: Any, example: dict[str, Any]) -> Any:
    shown = OpenApiExample("ETHUSDT", value=example, description="shortened")
    response = OpenApiResponse(answer, description="the newest first", examples=[shown])
    return extend_schema(
        summary=summary,
        description=text,
        parameters=[query, SYMBOL],
        responses={(200, JSON): response} | ERRORS,
    )


RUNS = _described(
    "Comparisons with the outside world",
    f"""The runs, the newest first, each with the file it read, its figures and the gate's verdict.

{FIGURES}

Runs of `source=events` are backtests on real liquidations; they approve nothing.""",
    RunsQuery,
    Runs,
    {
        "runs": [
            {
                "id": 17,
                "symbol": "ETHUSDT",
                "source": "screenshot",
                "file": {"name": "ETHUSDT_model3_24h_2026-11-24T1200.png", "sha256": "9f86d0…"},
                "our_model": "coinglass-3",
                "passed": False,
                "reasons": ["price level overlap 0.64, more than 0.70 is needed"],
                "figures": {
                    "hit_rate": {
                        "value": 0.71,
                        "last_column": 0.75,
                        "by_chance": {
                            "uniform": {"chance": 0.52, "lift": 0.19, "low": 0.03, "high": 0.34}
                        },
                    }
                },
                "verdict": "rejected",
            }
        ]
    },
)
SUMMARY = _described(
    "The comparisons in short, by symbol",
    "Runs, mean, least and largest figures, the symbol's state and until when an approval holds. "
    "A raw figure proves nothing: its chance level stands with the runs.",
    OneSymbolOrAll,
    ValidationSummary,
    {
        "policy": {"hit_rate": 0.6, "price_level_overlap": 0.7, "runs": 3, "valid_days": 30},
        "symbols": [
            {
                "symbol": "ETHUSDT",
                "status": "candidate",
                "validation": "rejected",
                "runs": 3,
                "passed": 0,
                "hit_rate": {"mean": 0.66, "min": 0.58, "max": 0.71},
            }
        ],
    },
)
