"""What the endpoints of the model share: its choices, and what an answer says of it."""

from dataclasses import replace
from typing import Any

from rest_framework import serializers

from heatmap.api.market_view import Parameters
from heatmap.build import DEFAULT_MODEL, MODELS, BadRequest, HeatmapRequest
from heatmap.calibration import parameters_of
from heatmap.coinglass import is_coinglass
from heatmap.engine import COINGLASS_3
from heatmap.engine.parameters import LARGEST_SMEAR
from heatmap.history import History
from heatmap.market import Market
from heatmap.models import Calibration
from ingestion.api.symbols import SETTLED, Coverage
from liqheat_project.kernel.instants import HOUR_MS, iso
from liqheat_project.webkit.query import SymbolQuery

MOST_LEVERAGES = 20

LARGEST_LEVERAGE = 200

MOST_TILT = 10

MOST_TURNOVER = 0.98

LOOKBACK = r"\A(all|0|[1-9][0-9]{0,3}[hd])\Z"


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


CENTS = 2

MODEL_CHOICES = ("turnover", "spread_entries", "taker_tilt", "smear")


class PriceRange(serializers.Serializer):
    min = serializers.FloatField()
    max = serializers.FloatField()


class LeverageWeight(serializers.Serializer):
    leverage = serializers.FloatField()
    weight = serializers.FloatField(help_text="share of new contracts, sums to 1")


class Model(serializers.Serializer):
    name = serializers.CharField()
    leverage_weights = LeverageWeight(many=True)
    position_notional = serializers.FloatField(help_text="size of a typical position, USDT")
    turnover = serializers.FloatField(
        help_text="share of the traded contracts that closes old positions and opens new ones"
    )
    taker_tilt = serializers.FloatField(help_text="0: off")
    smear = serializers.FloatField(help_text="0: off")
    spread_entries = serializers.BooleanField()
    traded_share = serializers.FloatField(
        allow_null=True,
        help_text="share of the computed time, from the start of the history or lookback on, for "
        "which aggTrades are loaded; null where spread_entries is off",
    )
    lookback_hours = serializers.IntegerField(allow_null=True, help_text="null: all that is loaded")


class BracketVersion(serializers.Serializer):
    valid_from = serializers.DateTimeField()
    source = serializers.CharField()  # type: ignore[assignment]


class BracketsUsed(serializers.Serializer):
    symbol = serializers.CharField(help_text="DEFAULT where the symbol has no brackets of its own")
    tables = BracketVersion(many=True, help_text="in force in the window; the first also before it")


class Gap(serializers.Serializer):
    kind = serializers.ChoiceField(
        ["candles", "open_interest", "volume"],
        help_text="what is missing; without the volume, turnover is off",
    )
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()


class ModelMeta(Coverage):
    symbol = serializers.CharField()
    settled_at = serializers.DateTimeField(allow_null=True, help_text=SETTLED)
    model = Model()
    brackets = BracketsUsed()
    total_long_volume = serializers.FloatField(help_text="USDT of all longs in the last book")
    total_short_volume = serializers.FloatField(help_text="USDT of all shorts in the last book")
    unplaced_share = serializers.FloatField(
        allow_null=True,
        help_text="share of the open contracts that no level shows: open before the history starts",
    )
    price_bin_size = serializers.FloatField(allow_null=True)
    computed_ms = serializers.FloatField(
        help_text="time it took to compute, the first time; the header X-Cache says whether this "
        "answer was computed now (miss) or came from the cache (hit)"
    )


def calibration_for(query: Parameters, market: Market) -> Calibration | None:
    """The symbol's, where it holds: a fit is of one model as it stands, with no other choices."""
    found = market.calibration
    if found is None or not query["calibrated"] or query["model"] != found.model:
        return None
    asked = heatmap_request(query, None).parameters
    return found if "turnover" not in query and asked == MODELS[found.model] else None


def heatmap_request(query: Parameters, calibration: Calibration | None) -> HeatmapRequest:
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


def model_meta(request: HeatmapRequest, market: Market, start: int, end: int) -> dict[str, Any]:
    """The model, its parameters and the brackets in force between `start` and `end` (ms)."""
    history, brackets = market.history, market.brackets
    parameters = request.parameters
    since = (
        history.start if request.lookback is None else max(history.start, start - request.lookback)
    )
    traded = history.traded_share(since, min(end, history.end))
    by_coinglass = is_coinglass(parameters)
    dates = [table.valid_from for table in brackets.tables]
    first = max(sum(date <= start for date in dates) - 1, 0)
    used = range(first, max(sum(date <= end for date in dates), first + 1))
    return {
        "model": {
            "name": parameters.name,
            "leverage_weights": [
                {"leverage": leverage, "weight": round(weight, 6)}
                for leverage, weight in parameters.long_leverage_weights
            ],
            "position_notional": parameters.position_notional,
            "turnover": parameters.turnover,
            "taker_tilt": parameters.taker_tilt,
            "smear": parameters.smear,
            "spread_entries": parameters.spread_entries,
            "traded_share": None
            if by_coinglass or not parameters.spread_entries
            else round(traded, 6),
            "lookback_hours": None if request.lookback is None else request.lookback // HOUR_MS,
        },
        "brackets": {
            "symbol": brackets.owner,
            # Its levels know no maintenance margin.
            "tables": []
            if by_coinglass
            else [{"valid_from": iso(dates[i]), "source": brackets.sources[i]} for i in used],
        },
        "settled_at": None if history.settled_at is None else iso(history.settled_at),
    }


def coverage_meta(history: History) -> dict[str, Any]:
    there = bool(history.stretches)
    return {
        "data_start": iso(history.start) if there else None,
        "data_end": iso(history.end) if there else None,
    }


TIMESTAMPS = """**Timestamps.** A column stamped t is the book at t, made of nothing but data that
was available at t: a candle that is still open at t is not in it. Instants are UTC.
**Buckets** are labelled by their lower edge: the bucket `price` holds
[`price`, `price` + `price_bin_size`). **Densities** are in USDT: open contracts times their
liquidation price."""
