"""The heatmap's rules once more: slow, per position, with loops and Decimal, obviously right.

Shares nothing with the engine but the types of its input. docs/model.md states the rules.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal, getcontext
from math import exp, floor, isnan, log, log1p

from numpy.polynomial.hermite_e import hermegauss

from heatmap.engine import BracketTable, Candles, ModelParameters, OpenInterest, TradedPrices

getcontext().prec = 40

TOUCH = Decimal("1e-12")
EDGE = Decimal("1e-9")
TURNOVER_CAP = Decimal("0.98")
RANGE_SHARES = [Decimal(share) for share in ("0.15", "0.2", "0.3", "0.2", "0.15")]


@dataclass
class Position:
    side: int
    quantity: Decimal
    entry_time: int
    entry_price: Decimal
    leverage: Decimal
    liquidation_price: Decimal


@dataclass
class Side:
    side: int
    positions: list[Position] = field(default_factory=list)
    unplaced: Decimal = Decimal(0)
    created: Decimal = Decimal(0)
    consumed: Decimal = Decimal(0)

    def total(self) -> Decimal:
        return sum((position.quantity for position in self.positions), self.unplaced)


@dataclass
class Column:
    """What the book shows at one instant: USDT by bin number, contracts, USDT since the last."""

    long: dict[int, Decimal]
    short: dict[int, Decimal]
    total: tuple[Decimal, Decimal]
    unplaced: tuple[Decimal, Decimal]
    created: tuple[Decimal, Decimal]
    consumed: tuple[Decimal, Decimal]


def exact(value) -> Decimal:
    return Decimal(float(value))


def liquidation_price(entry, leverage, side, quantity, table: BracketTable) -> Decimal:
    """Try every bracket: the right one is that in which its own liquidation price lies."""
    rates = table.maintenance_margin_rates
    brackets = list(zip(table.floors, table.caps, rates, table.cums, strict=True))
    candidates = []
    for number, (floor_, cap, rate, cum) in enumerate(brackets):
        rate, amount = exact(rate), exact(cum) / quantity
        if side > 0:
            price = (entry * (1 - 1 / leverage) - amount) / (1 - rate)
        else:
            price = (entry * (1 + 1 / leverage) + amount) / (1 + rate)
        notional = price * quantity
        above = number == 0 or notional >= exact(floor_) * (1 - TOUCH)
        below = number == len(brackets) - 1 or notional <= exact(cap) * (1 + TOUCH)
        if above and below:
            candidates.append(price)
    return candidates[0]


def smear_nodes() -> list[tuple[float, float]]:
    """Values of a standard normal distribution and their shares."""
    nodes, shares = hermegauss(5)
    return list(zip(nodes.tolist(), (shares / shares.sum()).tolist(), strict=True))


class Market:
    """One candle after the other, one position after the other."""

    def __init__(
        self,
        candles: Candles,
        open_interest: OpenInterest,
        brackets: list[BracketTable],
        parameters: ModelParameters,
        bin_size: float,
        trades: TradedPrices | None = None,
    ) -> None:
        self.candles, self.brackets, self.parameters = candles, brackets, parameters
        self.bin_size = exact(bin_size)
        self.figures = [
            (int(time), exact(contracts))
            for time, contracts in zip(open_interest.time, open_interest.contracts, strict=True)
            if not isnan(contracts)
        ]
        self.spacing = open_interest.interval_ms * 1.5
        self.sides = (Side(1), Side(-1))
        self.broken = True
        self.since_figure: list[int] = []
        self.trades = trades
        self.figure_time = 0

    def columns(self, instants: list[int]) -> list[Column]:
        shown = []
        following = 0
        for instant in instants:
            while following < len(self.candles.open_time) and self.end(following) <= instant:
                self.play(following)
                following += 1
            shown.append(self.look())
        return shown

    def end(self, candle: int) -> int:
        return int(self.candles.open_time[candle]) + self.candles.interval_ms

    def play(self, candle: int) -> None:
        opening, end = int(self.candles.open_time[candle]), self.end(candle)
        previous_end = self.end(candle - 1) if candle else -(10**18)
        if opening > previous_end:
            self.broken = True
        before = [figure for figure in self.figures if previous_end < figure[0] <= opening]
        if before:
            for side in self.sides:
                self.reach(side, before[-1][1], None)
            self.broken, self.since_figure = before[-1][0] < opening, []
            self.figure_time = before[-1][0]
        self.since_figure.append(candle)
        for side in self.sides:
            self.consume(side, candle)
        inside = [figure for figure in self.figures if opening < figure[0] <= end]
        if inside:
            self.broken = self.broken or any(self.late(figure[0]) for figure in inside)
            for side in self.sides:
                self.reach(side, inside[-1][1], None if self.broken else end)
            self.broken, self.since_figure, self.figure_time = False, [], end

    def late(self, time: int) -> bool:
        earlier = [figure for figure in self.figures if figure[0] < time]
        return not earlier or time - earlier[-1][0] > self.spacing

    def consume(self, side: Side, candle: int) -> None:
        extreme = self.candles.low[candle] if side.side > 0 else self.candles.high[candle]
        mark = self.candles.mark_low if side.side > 0 else self.candles.mark_high
        if mark is not None and not isnan(mark[candle]):
            extreme = mark[candle]
        extreme = exact(extreme)
        survivors = []
        for position in side.positions:
            level = position.liquidation_price
            if side.side > 0:
                touched = extreme <= level or abs(extreme - level) <= TOUCH * extreme
            else:
                touched = extreme >= level or abs(extreme - level) <= TOUCH * extreme
            if touched:
                side.consumed += position.quantity * level
            else:
                survivors.append(position)
        side.positions = survivors

    def reach(self, side: Side, open_interest: Decimal, time: int | None) -> None:
        """Bring the side to the open interest; with a time, what opens there has a price."""
        total = side.total()
        falls_by = max(total - open_interest, Decimal(0))
        closed = falls_by
        if time is not None:
            turned_over = exact(self.parameters.turnover) * self.volume()
            closed = max(falls_by, min(TURNOVER_CAP * total, turned_over + falls_by))
        if closed:
            for position in side.positions:
                position.quantity = position.quantity * (total - closed) / total
            side.unplaced = side.unplaced * (total - closed) / total
            side.positions = [position for position in side.positions if position.quantity > 0]
        opened = open_interest - (total - closed)
        if opened and time is None:
            side.unplaced += opened
        elif opened:
            self.open(side, opened, time)

    def volume(self) -> Decimal:
        """Contracts traded since the last figure; none where a candle that moved has none."""
        whole = Decimal(0)
        for i in self.since_figure:
            volume = self.candles.volume[i]
            if isnan(volume) or volume <= 0:
                if self.candles.high[i] > self.candles.low[i]:
                    return Decimal(0)
                continue
            whole += exact(volume)
        return whole

    def open(self, side: Side, contracts: Decimal, time: int) -> None:
        in_force = [table for table in self.brackets if table.valid_from <= time]
        table = in_force[-1] if in_force else self.brackets[0]
        for price, share in self.entries(time):
            side.created += contracts * share * price
            for leverage, weight in self.mix(side.side, table):
                quantity = exact(self.parameters.position_notional) / price
                level = liquidation_price(price, leverage, side.side, quantity, table)
                opened = contracts * share * weight
                side.positions.append(Position(side.side, opened, time, price, leverage, level))

    def entries(self, time: int) -> list[tuple[Decimal, Decimal]]:
        """Prices with their shares: the one price, or spread over trades, else over the range."""
        if not self.parameters.spread_entries:
            return [(self.entry_price(), Decimal(1))]
        steps: dict[int, list[tuple[Decimal, Decimal]]] = defaultdict(list)
        if self.trades is not None:
            for at, price, volume in zip(
                self.trades.time, self.trades.price, self.trades.volume, strict=True
            ):
                if self.figure_time <= at < time and volume > 0:
                    steps[floor(log(price) / log1p(0.0005))].append((exact(price), exact(volume)))
        if not steps:
            return list(zip(self.prices_over_range(), RANGE_SHARES, strict=True))
        values = [sum(price * volume for price, volume in step) for step in steps.values()]
        volumes = [sum(volume for _, volume in step) for step in steps.values()]
        return [
            (value / volume, volume / sum(volumes))
            for value, volume in zip(values, volumes, strict=True)
        ]

    def prices_over_range(self) -> list[Decimal]:
        candles, since = self.candles, self.since_figure
        high = max(exact(candles.high[i]) for i in since)
        low = min(exact(candles.low[i]) for i in since)
        middle = (high + low + exact(candles.close[since[-1]])) / 3
        fifth = Decimal("0.2")
        return [
            low + fifth * (middle - low),
            (low + middle) / 2,
            middle,
            (high + middle) / 2,
            high + fifth * (middle - high),
        ]

    def entry_price(self) -> Decimal:
        candles, value, volume, typicals = self.candles, Decimal(0), Decimal(0), []
        for i in self.since_figure:
            typical = (exact(candles.high[i]) + exact(candles.low[i]) + exact(candles.close[i])) / 3
            typicals.append(typical)
            if isnan(candles.volume[i]) or candles.volume[i] <= 0:
                continue
            quote = candles.quote_volume[i]
            known = not isnan(quote) and quote > 0
            value += exact(quote) if known else typical * exact(candles.volume[i])
            volume += exact(candles.volume[i])
        return value / volume if volume > 0 else sum(typicals) / len(typicals)

    def taker_imbalance(self) -> Decimal:
        bought, volume = Decimal(0), Decimal(0)
        for i in self.since_figure:
            if not isnan(self.candles.taker_buy_volume[i]) and self.candles.volume[i] > 0:
                bought += exact(self.candles.taker_buy_volume[i])
                volume += exact(self.candles.volume[i])
        return 2 * bought / volume - 1 if volume > 0 else Decimal(0)

    def mix(self, side: int, table: BracketTable) -> list[tuple[Decimal, Decimal]]:
        weights = (
            self.parameters.long_leverage_weights
            if side > 0
            else self.parameters.short_leverage_weights
        )
        allowed = None
        for floor_, leverage in zip(table.floors, table.max_leverages, strict=True):
            if floor_ == 0 or floor_ < self.parameters.position_notional:
                allowed = exact(leverage)
        mix: dict[Decimal, Decimal] = defaultdict(Decimal)
        for leverage, weight in weights:
            for node, share in smear_nodes() if self.parameters.smear else [(0.0, 1.0)]:
                smeared = max(1.0, leverage * exp(self.parameters.smear * node))
                mix[min(exact(smeared), allowed)] += exact(weight) * exact(share)
        tilt = exact(self.parameters.taker_tilt) * self.taker_imbalance() * side
        mix = {leverage: weight * leverage**tilt for leverage, weight in mix.items() if weight}
        whole = sum(mix.values())
        return [(leverage, weight / whole) for leverage, weight in mix.items()]

    def look(self) -> Column:
        planes = []
        for side in self.sides:
            plane: dict[int, Decimal] = defaultdict(Decimal)
            for position in side.positions:
                number = floor(position.liquidation_price / self.bin_size + EDGE)
                plane[number] += position.quantity * position.liquidation_price
            planes.append(dict(plane))
        column = Column(
            *planes,
            total=tuple(side.total() for side in self.sides),
            unplaced=tuple(side.unplaced for side in self.sides),
            created=tuple(side.created for side in self.sides),
            consumed=tuple(side.consumed for side in self.sides),
        )
        for side in self.sides:
            side.created = side.consumed = Decimal(0)
        return column
