"""Traders on a price path: they open in pairs, leave when their time is over or the price reaches
their stop, or are liquidated.

Contracts change hands in three ways, and longs equal shorts after each of them: a new long meets
a new short; a leaver meets a new trader of the same side, who takes the contracts over; a leaver
meets traders of the other side, who leave early (those whose time would be over next). Who is
liquidated is a leaver too.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liqheat_project.kernel.instants import HOUR_MS, MINUTE_MS
from validation.synthetic.parameters import Instrument, MarketParameters
from validation.synthetic.prices import MINUTES_PER_DAY, PricePath, autoregressive

LONG, SHORT = 1, -1
STILL_OPEN = -1
NO_STOP = 0.0
UNLEVERED = 1


@dataclass
class Ledger:
    """Every position ever opened, as columns; one closed in parts is several rows of one trader.

    `entry_row` and `exit_row` count rows of the price path; `exit_row` is STILL_OPEN for what was
    never closed. `traded_lots` holds the lots that changed hands at each row of the path.
    """

    traded_lots: list[int]
    trader: list[int] = field(default_factory=list)
    side: list[int] = field(default_factory=list)
    lots: list[int] = field(default_factory=list)
    leverage: list[int] = field(default_factory=list)
    liquidation_price: list[float] = field(default_factory=list)
    entry_row: list[int] = field(default_factory=list)
    exit_row: list[int] = field(default_factory=list)
    liquidated: list[bool] = field(default_factory=list)

    def add(
        self,
        trader: int,
        side: int,
        lots: int,
        leverage: int,
        liquidation_price: float,
        entry_row: int,
    ) -> int:
        self.trader.append(trader)
        self.side.append(side)
        self.lots.append(lots)
        self.leverage.append(leverage)
        self.liquidation_price.append(liquidation_price)
        self.entry_row.append(entry_row)
        self.exit_row.append(STILL_OPEN)
        self.liquidated.append(False)
        return len(self.side) - 1

    def is_open(self, position: int) -> bool:
        return self.exit_row[position] == STILL_OPEN

    def split_off(self, position: int, lots: int) -> int:
        """Make `lots` of an open position a row of its own, and name that row."""
        self.lots[position] -= lots
        return self.add(
            self.trader[position],
            self.side[position],
            lots,
            self.leverage[position],
            self.liquidation_price[position],
            self.entry_row[position],
        )


class Crowd:
    """The traders in the market; `trade_through` walks them along the price path once."""

    def __init__(
        self,
        rng: np.random.Generator,
        path: PricePath,
        instrument: Instrument,
        parameters: MarketParameters,
    ) -> None:
        weights = np.array(list(parameters.leverage_weights.values()), dtype=float)
        weights /= weights.sum()
        leverages = np.array(list(parameters.leverage_weights))
        median_lifetime = np.log(parameters.median_lifetime_hours * HOUR_MS)
        leverage_rng, lifetime_rng, takeover_rng, stop_rng = rng.spawn(4)
        hedged = parameters.hedged_share
        leverages = np.append(leverages, UNLEVERED)
        weights = np.append((1 - hedged) * weights, hedged)
        self._leverage = _endless(lambda n: leverage_rng.choice(leverages, n, p=weights))
        self._lifetime = _endless(
            lambda n: lifetime_rng.lognormal(median_lifetime, parameters.lifetime_spread, n)
        )
        # Where the stop lies on the way from the liquidation (0) to the entry (1).
        self._stop = _endless(
            lambda n: np.where(
                stop_rng.random(n) < parameters.stop_loss_share, stop_rng.random(n), NO_STOP
            )
        )
        self._takeover = _endless(lambda n: takeover_rng.random(n) < parameters.takeover_share)
        self._maintenance_margin_rate = parameters.maintenance_margin_rate
        self._time = path.time.tolist()
        self._price = (path.price_ticks / instrument.ticks_per_usdt).tolist()
        self._traders = 0
        self._ledger = Ledger(traded_lots=[0] * path.time.size)
        # Heaps of (key, position), most urgent first. What closes stays in them until it
        # comes to the top.
        self._by_price: dict[int, list[tuple[float, int]]] = {LONG: [], SHORT: []}
        self._by_leaving: dict[int, list[tuple[float, int]]] = {LONG: [], SHORT: []}

    def trade_through(self, opening_lots: Mapping[int, Sequence[int]]) -> Ledger:
        """Walk the path to its end; `opening_lots` gives, by row, the lots of each pair opened."""
        for row, (time, price) in enumerate(zip(self._time, self._price, strict=True)):
            for side, queue in self._by_price.items():
                while queue and queue[0][0] <= -side * price:
                    position = heappop(queue)[1]
                    touched = side * price <= side * self._ledger.liquidation_price[position]
                    self._leave(position, row, liquidated=touched)
            for queue in self._by_leaving.values():
                while queue and queue[0][0] <= time:
                    self._leave(heappop(queue)[1], row, liquidated=False)
            for lots in opening_lots.get(row, ()):
                self._enter(LONG, lots, row)
                self._enter(SHORT, lots, row)
                self._ledger.traded_lots[row] += lots
        return self._ledger

    def _enter(self, side: int, lots: int, row: int) -> None:
        leverage = next(self._leverage)
        price = self._price[row]
        liquidation_price = _liquidation_price(price, side, leverage, self._maintenance_margin_rate)
        position = self._ledger.add(self._traders, side, lots, leverage, liquidation_price, row)
        self._traders += 1
        # The highest long and the lowest short leave first.
        stop = liquidation_price + next(self._stop) * (price - liquidation_price)
        heappush(self._by_price[side], (-side * stop, position))
        heappush(self._by_leaving[side], (self._time[row] + next(self._lifetime), position))

    def _leave(self, position: int, row: int, *, liquidated: bool) -> None:
        ledger = self._ledger
        if not ledger.is_open(position):
            return
        side, lots = ledger.side[position], ledger.lots[position]
        ledger.exit_row[position] = row
        ledger.liquidated[position] = liquidated
        ledger.traded_lots[row] += lots
        if next(self._takeover):
            self._enter(side, lots, row)
        else:
            self._make_leave(-side, lots, row)

    def _make_leave(self, side: int, lots: int, row: int) -> None:
        ledger, queue = self._ledger, self._by_leaving[side]
        while lots:
            position = queue[0][1]
            if ledger.is_open(position) and ledger.lots[position] > lots:
                position = ledger.split_off(position, lots)
            else:
                heappop(queue)
                if not ledger.is_open(position):
                    continue
            ledger.exit_row[position] = row
            lots -= ledger.lots[position]


def draw_opening_lots(
    rng: np.random.Generator,
    path: PricePath,
    instrument: Instrument,
    parameters: MarketParameters,
) -> dict[int, list[int]]:
    """Lots of the pairs that open at each row; the appetite for new contracts comes in waves."""
    minute = (path.time - path.time[0]) // MINUTE_MS
    minutes = int(minute[-1]) + 1
    appetite = np.exp(0.5 * autoregressive(rng.standard_normal(minutes), half_life=240))
    pairs = parameters.openings_per_day * minutes / MINUTES_PER_DAY
    expected = appetite[minute]
    rows = np.repeat(np.arange(path.time.size), rng.poisson(expected * (pairs / expected.sum())))
    notional = np.minimum(
        rng.lognormal(np.log(parameters.median_position_usdt), 1.2, rows.size),
        parameters.largest_position_usdt,
    )
    price = path.price_ticks[rows] / instrument.ticks_per_usdt
    lots = np.maximum(notional / price * instrument.lots_per_contract, 1).astype(np.int64)
    opening_lots: dict[int, list[int]] = {}
    for row, row_lots in zip(rows.tolist(), lots.tolist(), strict=True):
        opening_lots.setdefault(row, []).append(row_lots)
    return opening_lots


def _liquidation_price(
    entry_price: float, side: int, leverage: int, maintenance_margin_rate: float
) -> float:
    # Binance's formula for isolated margin in the first bracket, where cum is 0.
    return entry_price * (1 - side / leverage) / (1 - side * maintenance_margin_rate)


def _endless(draw: Callable[[int], NDArray[Any]]) -> Iterator[Any]:
    while True:
        yield from draw(4_096).tolist()
