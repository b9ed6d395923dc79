"""What a request may ask for: one serializer per endpoint, every parameter bounded."""

import re
from datetime import UTC, datetime
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from heatmap.build import DEFAULT_MODEL, MODELS, WINDOWS
from heatmap.engine import COINGLASS_3
from heatmap.engine.parameters import LARGEST_SMEAR
from ingestion.market.datasets import INTERVALS
from liqheat_project.kernel.instants import HOUR_MS, milliseconds_of
from liqheat_project.kernel.validators import validate_symbol_name

MOST_LEVERAGES = 20
LARGEST_LEVERAGE = 200
MOST_TILT = 10
MOST_TURNOVER = 0.98
FORMATS = ("json", "grid", "packed")
UNENCODED_PLUS = re.compile(r"(?a)\A(\d{4}-\d\d-\d\d[T ]\d\d:\d\d\S*) (\d\d(:?\d\d)?)\Z")
LOOKBACK = r"\A(all|0|[1-9][0-9]{0,3}[hd])\Z"


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
    serializer = query(data=request.query_params.dict())
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


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


class LeverageWeightsField(serializers.CharField):
    """`5:15,10:30`: leverage and weight; becomes a tuple of pairs of float."""

    def to_internal_value(self, data: Any) -> Any:
        pairs = []
        for item in super().to_internal_value(data).split(","):
            leverage, colon, weight = item.partition(":")
            try:
                pair = float(leverage), float(weight)
            except ValueError:
                colon = ""
            if not colon:
                raise serializers.ValidationError(
                    f"{item!r} is not leverage:weight; write 5:15,10:30."
                )
            pairs.append(pair)
        if len(pairs) > MOST_LEVERAGES or len(dict(pairs)) < len(pairs):
            raise serializers.ValidationError(
                f"At most {MOST_LEVERAGES} leverages, each of them once."
            )
        if not all(1 <= leverage <= LARGEST_LEVERAGE for leverage, _ in pairs):
            raise serializers.ValidationError(f"Leverages are from 1 to {LARGEST_LEVERAGE}.")
        if not all(0 <= weight <= 1e6 for _, weight in pairs) or not any(w for _, w in pairs):
            raise serializers.ValidationError("Weights are from 0 to 1000000, one of them above 0.")
        total = sum(weight for _, weight in pairs)
        return tuple(sorted((leverage, weight / total) for leverage, weight in pairs))


class ModelQuery(SymbolQuery):
    price_bin_size = serializers.DecimalField(
        max_digits=20,
        decimal_places=10,
        required=False,
        help_text="height of a price bucket in USDT, down to the tick size; by default the "
        "largest 1-2-5 step that is at most 0.1 % of the price",
    )
    leverage_weights = LeverageWeightsField(
        required=False,
        max_length=400,
        help_text="share of new contracts by leverage, as leverage:weight pairs in any scale; by "
        "default 5:15,10:30,25:25,50:20,100:10, and 5:14,10:3.5,15:6,20:8,25:10.5,75:57 of "
        "coinglass-3",
    )
    lookback = serializers.RegexField(
        LOOKBACK,
        default="all",
        help_text="how long before the first column the book starts empty: all (the default: all "
        "that is loaded), 0 (the default of coinglass-3), or hours or days such as 12h or 30d. A "
        "map or an explanation by coinglass-3 needs it: it is the length of its window",
        error_messages={"invalid": "all, 0, or hours or days such as 12h or 30d."},
    )
    model = serializers.ChoiceField(
        list(MODELS),
        default=DEFAULT_MODEL,
        help_text="turnover (the default): open interest, and a share of the traded volume that "
        "closes old positions and opens new ones; net-open-interest: only the net change of open "
        "interest opens and closes positions; coinglass-3: like Coinglass's model 3. Its map "
        "begins empty with the window, each candle opens the same on both sides by the square root "
        "of its volume, and nothing closes but by being liquidated; so it depends on the window "
        "that is asked for. See docs/model.md",
    )
    turnover = serializers.FloatField(
        min_value=0,
        max_value=MOST_TURNOVER,
        required=False,
        help_text="share of the traded contracts that closes old positions and opens new ones; by "
        "default the model's own, 0.3 or 0. Off where the volume is not known: meta.gaps names "
        "these stretches with the kind volume",
    )
    spread_entries = serializers.BooleanField(
        required=False,
        help_text="spread the entries of an interval over its traded prices where aggTrades are "
        "loaded, else over the range of its candles, instead of placing them at one price; by "
        "default the model's own. meta.model.traded_share says for how much of the computed time "
        "aggTrades are loaded",
    )
    taker_tilt = serializers.FloatField(
        min_value=-MOST_TILT,
        max_value=MOST_TILT,
        default=0.0,
        help_text="tilts the leverage of new positions by the takers' imbalance b (-1 to 1): "
        "weights of longs times leverage^(tilt b), of shorts times leverage^(-tilt b); never how "
        "much is opened. 0 is off",
    )
    smear = serializers.FloatField(
        min_value=0,
        max_value=LARGEST_SMEAR,
        default=0.0,
        help_text="spreads the distances of the levels: standard deviation of the logarithm of a "
        "level's distance around 1 / leverage. Each leverage becomes five. 0 is off",
    )
    calibrated = serializers.BooleanField(
        default=True,
        help_text="use the symbol's calibration, where one is in use and no choice of the model's "
        "own is given: its turnover, and in the heatmap each cell as the USD expected to be "
        "liquidated where it is swept alone. false gives open positions; meta.calibration says "
        "which",
    )

    def validate_price_bin_size(self, value: Any) -> float:
        if value <= 0:
            raise serializers.ValidationError("Must be a positive number.")
        return float(value)

    def validate_lookback(self, value: str) -> int | None:
        if value == "all":
            return None
        hours = {"h": 1, "d": 24}.get(value[-1], 0)
        return int(value.rstrip("hd")) * hours * HOUR_MS

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["model"] == COINGLASS_3.name and "lookback" not in self.initial_data:
            attrs["lookback"] = 0
        return attrs


class HeatmapQuery(ModelQuery):
    time_window = serializers.ChoiceField(
        list(WINDOWS),
        required=False,
        help_text="length of the window, which ends at end_time or, without one, at the newest "
        "data; 24h where neither it nor start_time is given",
    )
    start_time = InstantField(required=False, help_text="first instant shown, ISO 8601; naive: UTC")
    end_time = InstantField(
        required=False,
        help_text="last instant shown, ISO 8601, naive: UTC; by default the newest data",
    )
    interval = serializers.ChoiceField(
        list(INTERVALS),
        required=False,
        help_text="distance of the columns. By default "
        + ", ".join(f"{interval} for {name}" for name, (interval, _) in WINDOWS.items())
        + "; for a range of its own the finest that gives at most 400 columns; never finer than "
        "the candles that are loaded",
    )
    format = serializers.ChoiceField(
        FORMATS, default="json", help_text="shape of the answer; see the responses"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "time_window" in attrs and "start_time" in attrs:
            raise serializers.ValidationError(
                {"time_window": ["Give it with end_time or alone, not with start_time."]}
            )
        _check_order(attrs)
        return super().validate(attrs)


class MapQuery(ModelQuery):
    time = InstantField(
        required=False,
        help_text="the instant, ISO 8601, naive: UTC; by default the newest data",
    )


class ExplainQuery(MapQuery):
    price = serializers.FloatField(
        min_value=0, max_value=1e9, help_text="a price in the bucket to explain, USDT"
    )


class KlinesQuery(SymbolQuery):
    interval = serializers.ChoiceField(list(INTERVALS), default="15m")
    start_time = InstantField(
        required=False, help_text="candles that open at or after it; then the oldest come first"
    )
    end_time = InstantField(required=False, help_text="candles that open before it")
    limit = serializers.IntegerField(
        min_value=1,
        max_value=1500,
        default=500,
        help_text="how many candles: the newest ones, or the first ones from start_time on",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        _check_order(attrs)
        return attrs


def _check_order(attrs: dict[str, Any]) -> None:
    if "start_time" in attrs and "end_time" in attrs and attrs["start_time"] >= attrs["end_time"]:
        raise serializers.ValidationError({"start_time": ["Must lie before end_time."]})
