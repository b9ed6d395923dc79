"""The fields of the answers, each with what it means, for the OpenAPI description."""

from rest_framework import serializers

from ingestion.symbols.states import SymbolState


class Level(serializers.Serializer):
    price = serializers.FloatField(help_text="lower edge of the bucket, USDT")
    long_density = serializers.FloatField(
        help_text="USDT of open longs at this level; with meta.calibration, USD expected to be "
        "liquidated where it is swept alone"
    )
    short_density = serializers.FloatField(help_text="likewise of shorts")


class Snapshot(serializers.Serializer):
    timestamp = serializers.DateTimeField(help_text="the book at this instant")
    levels = Level(many=True, help_text="buckets that hold something, by rising price")
    positions_created = serializers.FloatField(help_text="USDT opened since the column before")
    positions_consumed = serializers.FloatField(help_text="USDT liquidated since the column before")


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


class Coverage(serializers.Serializer):
    data_start = serializers.DateTimeField(allow_null=True, help_text="open of the first candle")
    data_end = serializers.DateTimeField(allow_null=True, help_text="end of the newest candle")


class ModelMeta(Coverage):
    symbol = serializers.CharField()
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


class Power(serializers.Serializer):
    scale = serializers.FloatField()
    power = serializers.FloatField()


class Calibration(serializers.Serializer):
    fitted_at = serializers.DateTimeField()
    turnover = serializers.FloatField(help_text="of the model, chosen by the fit")
    long = Power(help_text="cells of longs are scale x cell^power, cell in USDT of open positions")
    short = Power(help_text="likewise of shorts")


class HeatmapMeta(ModelMeta):
    calibration = Calibration(
        allow_null=True,
        help_text="what the cells were converted with; null: they are open positions",
    )
    start_time = serializers.DateTimeField(allow_null=True)
    end_time = serializers.DateTimeField(allow_null=True)
    interval = serializers.CharField()
    total_snapshots = serializers.IntegerField()
    price_range = PriceRange(allow_null=True)
    total_consumed = serializers.FloatField(help_text="USDT liquidated over the window")
    gaps = Gap(many=True, help_text="missing stretches of data, never interpolated")


class Heatmap(serializers.Serializer):
    meta = HeatmapMeta()
    data = Snapshot(many=True)  # type: ignore[assignment]


class GridData(serializers.Serializer):
    y_axis = serializers.ListField(child=serializers.FloatField(), help_text="bucket labels")
    liquidation_leverage_data = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField(), min_length=3, max_length=3),
        help_text="[column, row of y_axis, USDT of both sides]",
    )
    price_candlesticks = serializers.ListField(
        child=serializers.ListField(child=serializers.CharField(allow_null=True)),
        help_text="[open time in s, open, high, low, close, volume in USDT] of the candle that "
        "ends at the column; null where there is none",
    )
    update_time = serializers.IntegerField(allow_null=True, help_text="of the last column, ms")


class Grid(serializers.Serializer):
    meta = HeatmapMeta()
    code = serializers.CharField()
    msg = serializers.CharField()
    data = GridData()  # type: ignore[assignment]


class MapLevel(serializers.Serializer):
    price = serializers.FloatField(help_text="lower edge of the bucket, USDT")
    long = serializers.ListField(
        child=serializers.FloatField(), help_text="USDT for each of meta.leverages"
    )
    short = serializers.ListField(
        child=serializers.FloatField(), help_text="USDT for each of meta.leverages"
    )
    cumulative_long = serializers.FloatField(
        help_text="USDT liquidated when the price falls to the bucket's lower edge"
    )
    cumulative_short = serializers.FloatField(
        help_text="USDT liquidated when the price rises through the bucket"
    )


class MapMeta(ModelMeta):
    time = serializers.DateTimeField(allow_null=True)
    price = serializers.FloatField(allow_null=True, help_text="last close")
    leverages = serializers.ListField(child=serializers.FloatField())


class LiquidationMap(serializers.Serializer):
    meta = MapMeta()
    data = MapLevel(many=True)  # type: ignore[assignment]


class Cohort(serializers.Serializer):
    entry_time = serializers.DateTimeField(help_text="end of the candles in which it was opened")
    entry_price = serializers.FloatField(help_text="USDT")
    leverage = serializers.FloatField()
    liquidation_price = serializers.FloatField(help_text="USDT")
    contracts = serializers.FloatField(help_text="still open")
    notional = serializers.FloatField(help_text="USDT: contracts times liquidation price")
    share = serializers.FloatField(help_text="of its side in the bucket, 0 to 1")


class Cohorts(serializers.Serializer):
    long = Cohort(many=True)
    short = Cohort(many=True)


class EntriesOfSides(serializers.Serializer):
    long = serializers.IntegerField()
    short = serializers.IntegerField()


class NotionalOfSides(serializers.Serializer):
    long = serializers.FloatField(help_text="USDT")
    short = serializers.FloatField(help_text="USDT")


class ExplanationMeta(Coverage):
    entries = EntriesOfSides(help_text="how many there are; the 200 largest a side are listed")
    notional = NotionalOfSides(help_text="of all entries in the bucket, listed or not")
    symbol = serializers.CharField()
    model = Model()
    brackets = BracketsUsed()
    price_bin_size = serializers.FloatField(allow_null=True)
    time = serializers.DateTimeField(allow_null=True)
    price = serializers.FloatField(allow_null=True, help_text="lower edge of the bucket, USDT")


class CellExplanation(serializers.Serializer):
    meta = ExplanationMeta()
    data = Cohorts()  # type: ignore[assignment]


class Kline(serializers.Serializer):
    timestamp = serializers.DateTimeField(help_text="open of the candle")
    open = serializers.FloatField()
    high = serializers.FloatField()
    low = serializers.FloatField()
    close = serializers.FloatField()
    volume = serializers.FloatField(help_text="contracts")
    quote_volume = serializers.FloatField(allow_null=True, help_text="USDT")
    taker_buy_volume = serializers.FloatField(allow_null=True, help_text="contracts")
    closed = serializers.BooleanField(help_text="whether the data reaches the candle's end")


class Klines(serializers.Serializer):
    symbol = serializers.CharField()
    interval = serializers.CharField()
    count = serializers.IntegerField()
    meta = Coverage()
    data = Kline(  # type: ignore[assignment]
        many=True, help_text="oldest first; intervals without data are left out"
    )


class LoadedTable(serializers.Serializer):
    table = serializers.CharField()
    rows = serializers.IntegerField()
    first = serializers.DateTimeField()
    last = serializers.DateTimeField()


class ComputedFrom(serializers.Serializer):
    interval = serializers.CharField()
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()


class DateRange(serializers.Serializer):
    symbol = serializers.CharField()
    start_date = serializers.DateTimeField(allow_null=True, help_text="open of the first candle")
    end_date = serializers.DateTimeField(allow_null=True, help_text="end of the newest candle")
    tables = LoadedTable(many=True)
    candles = ComputedFrom(many=True, help_text="the candles that heatmaps are computed from")


OUTCOMES = ["approved", "expired", "rejected", "no_reference"]


class Validation(serializers.Serializer):
    state = serializers.ChoiceField(OUTCOMES)
    hit_rate = serializers.FloatField(
        allow_null=True, help_text="of the newest reference that could be compared"
    )
    validated_at = serializers.DateTimeField(allow_null=True)
    approved_until = serializers.DateTimeField(allow_null=True)


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
    note = serializers.CharField(allow_blank=True)
    text = PairInWords(help_text="the same in words, as `manage.py supported_pairs` prints it")


class Symbols(serializers.Serializer):
    symbols = SupportedSymbol(many=True)
