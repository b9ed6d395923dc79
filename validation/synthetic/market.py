"""A market with known truth: what the public sees of it, and who really holds what.

Everything follows from the seed and the parameters: no clock, no file, no network.
"""

from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from liqheat_project.kernel.instants import DAY_MS, MINUTE_MS
from validation.synthetic.parameters import INSTRUMENTS, Instrument, MarketParameters
from validation.synthetic.prices import PricePath, draw_price_path
from validation.synthetic.traders import (
    LONG,
    SHORT,
    STILL_OPEN,
    Crowd,
    Ledger,
    draw_opening_lots,
)

FIVE_MINUTES = 5 * MINUTE_MS
NEVER = np.iinfo(np.int64).max
AGGREGATE_TRADE_IDS_PER_DAY = 10_000_000
MEAN_DEALER_TRADE_USDT = 5_000.0


@dataclass(frozen=True)
class Trades:
    """Aggregate trades in order of time, one array entry each.

    `time` is in ms; `price_ticks` and `quantity_lots` are whole numbers, so that sums over them
    are exact; `price` (USDT) and `quantity` (contracts) are the same as floats.
    """

    instrument: Instrument
    agg_trade_id: NDArray[np.int64]
    price_ticks: NDArray[np.int64]
    quantity_lots: NDArray[np.int64]
    first_trade_id: NDArray[np.int64]
    last_trade_id: NDArray[np.int64]
    time: NDArray[np.int64]
    is_buyer_maker: NDArray[np.bool_]

    @property
    def price(self) -> NDArray[np.float64]:
        return self.price_ticks / self.instrument.ticks_per_usdt

    @property
    def quantity(self) -> NDArray[np.float64]:
        return self.quantity_lots / self.instrument.lots_per_contract

    def between(self, start: int, end: int) -> "Trades":
        """The trades with `start` <= time < `end` (ms)."""
        return _rows(self, slice(*np.searchsorted(self.time, (start, end))))


@dataclass(frozen=True)
class Positions:
    """Positions, one array entry each; one that closed in parts is several entries of one trader.

    `side` is 1 for a long and -1 for a short. A position is open at the instant t if
    `entry_time` < t <= `exit_time`: what happens at t belongs to the interval that begins there.
    `exit_time` is NEVER and `exit_price` NaN for what is still open when the market ends.
    """

    instrument: Instrument
    trader: NDArray[np.int64]
    side: NDArray[np.int64]
    lots: NDArray[np.int64]
    leverage: NDArray[np.int64]
    liquidation_price: NDArray[np.float64]
    entry_time: NDArray[np.int64]
    entry_price: NDArray[np.float64]
    exit_time: NDArray[np.int64]
    exit_price: NDArray[np.float64]
    liquidated: NDArray[np.bool_]

    @property
    def contracts(self) -> NDArray[np.float64]:
        return self.lots / self.instrument.lots_per_contract

    def where(self, chosen: NDArray[Any]) -> "Positions":
        """The positions that a mask or row numbers choose."""
        return _rows(self, chosen)

    def open_at(self, instant: int) -> "Positions":
        return self.where((self.entry_time < instant) & (instant <= self.exit_time))


Table = TypeVar("Table", Trades, Positions)


@dataclass(frozen=True)
class Market:
    """What `simulate_market` returns, over [`start`, `end`) in ms.

    `trades` are those of the archive, without the warm-up's. `open_interest` holds contracts at
    `open_interest_time`: each 5 minutes from `start` to `end`, both included. `positions` is the
    truth, the warm-up's included.
    """

    instrument: Instrument
    start: int
    end: int
    opening_price_ticks: int
    trades: Trades
    open_interest_time: NDArray[np.int64]
    open_interest: NDArray[np.float64]
    positions: Positions

    def open_positions(self, instant: int) -> Positions:
        """Who holds what at `instant` (ms, from `start` to `end`, both included)."""
        if not self.start <= instant <= self.end:
            raise ValueError(f"{instant} lies outside the market, {self.start} to {self.end}")
        return self.positions.open_at(instant)

    def liquidations(self) -> Positions:
        """The liquidated positions in order of time; `exit_price` is the touch that did it."""
        positions = self.positions
        happened = np.flatnonzero(positions.liquidated & (positions.exit_time >= self.start))
        order = np.argsort(positions.exit_time[happened], kind="stable")
        return positions.where(happened[order])


def simulate_market(
    symbol: str,
    start: int,
    days: int,
    seed: int,
    parameters: MarketParameters | None = None,
) -> Market:
    """Simulate `days` days of `symbol` from `start`, a midnight (ms, UTC).

    Equal arguments give an equal market. Rows of the trades at which no position opens or closes
    are dealers passing on unlevered contracts: they change neither open interest nor any
    liquidation level. Raises ValueError for an unknown symbol, a start that is no midnight, or
    no days.
    """
    instrument = INSTRUMENTS.get(symbol)
    if instrument is None:
        raise ValueError(f"no synthetic market for {symbol}; there is one for {[*INSTRUMENTS]}")
    if start % DAY_MS:
        raise ValueError(f"a market starts at a midnight, UTC; {start} ms is none")
    if days < 1:
        raise ValueError(f"a market lasts one day or more, not {days}")
    parameters = parameters or MarketParameters()
    price_rng, opening_rng, crowd_rng, trade_rng = np.random.default_rng(
        [seed, *symbol.encode()]
    ).spawn(4)
    path = draw_price_path(price_rng, instrument, parameters, start, days)
    opening_lots = draw_opening_lots(opening_rng, path, instrument, parameters)
    ledger = Crowd(crowd_rng, path, instrument, parameters).trade_through(opening_lots)

    end = start + days * DAY_MS
    positions = _positions(instrument, path, ledger)
    first_row = int(np.searchsorted(path.time, start))
    instants = np.arange(start, end + 1, FIVE_MINUTES)
    longs = positions.where(positions.side == LONG)
    return Market(
        instrument=instrument,
        start=start,
        end=end,
        opening_price_ticks=int(path.price_ticks[max(first_row - 1, 0)]),
        trades=_trades(trade_rng, instrument, path, ledger, first_row, start),
        open_interest_time=instants,
        open_interest=open_lots(longs, instants) / instrument.lots_per_contract,
        positions=positions,
    )


def open_lots(positions: Positions, instants: NDArray[np.int64]) -> NDArray[np.int64]:
    """Lots of `positions` open at each of `instants` (ms)."""
    entered = _lots_before(positions.entry_time, positions.lots, instants)
    return entered - _lots_before(positions.exit_time, positions.lots, instants)


def truth_profile(
    market: Market, instant: int, bin_size: float, opened_since: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The true liquidation levels at `instant`: (edges, long USDT, short USDT).

    Bin i holds the positions whose liquidation price lies in [edges[i], edges[i + 1]); edges are
    multiples of `bin_size` (USDT). A position counts its contracts times its liquidation price.
    `opened_since` (ms) leaves older ones out: an observer who sees the market from then on cannot
    place them. Without positions there is one edge and no bin.
    """
    positions = market.open_positions(instant)
    if opened_since is not None:
        positions = positions.where(positions.entry_time >= opened_since)
    level = np.floor(positions.liquidation_price / bin_size).astype(np.int64)
    lowest = int(level.min()) if level.size else 0
    bins = int(level.max()) - lowest + 1 if level.size else 0
    notional = positions.contracts * positions.liquidation_price
    is_long = positions.side == LONG
    return (
        (lowest + np.arange(bins + 1, dtype=np.float64)) * bin_size,
        np.bincount(level[is_long] - lowest, notional[is_long], bins).astype(np.float64),
        np.bincount(level[~is_long] - lowest, notional[~is_long], bins).astype(np.float64),
    )


def _positions(instrument: Instrument, path: PricePath, ledger: Ledger) -> Positions:
    price = path.price_ticks / instrument.ticks_per_usdt
    entry_row, exit_row = np.array(ledger.entry_row), np.array(ledger.exit_row)
    still_open = exit_row == STILL_OPEN
    return Positions(
        instrument=instrument,
        trader=np.array(ledger.trader),
        side=np.array(ledger.side),
        lots=np.array(ledger.lots),
        leverage=np.array(ledger.leverage),
        liquidation_price=np.array(ledger.liquidation_price),
        entry_time=path.time[entry_row],
        entry_price=price[entry_row],
        exit_time=np.where(still_open, NEVER, path.time[exit_row]),
        exit_price=np.where(still_open, np.nan, price[exit_row]),
        liquidated=np.array(ledger.liquidated),
    )


def _trades(
    rng: np.random.Generator,
    instrument: Instrument,
    path: PricePath,
    ledger: Ledger,
    first_row: int,
    start: int,
) -> Trades:
    price = path.price_ticks / instrument.ticks_per_usdt
    dealers = rng.lognormal(-0.5 * 1.2**2, 1.2, price.size) * MEAN_DEALER_TRADE_USDT / price
    dealers_lots = np.maximum(dealers * instrument.lots_per_contract, 1).astype(np.int64)
    position_lots = np.array(ledger.traded_lots)
    quantity_lots = np.where(position_lots > 0, position_lots, dealers_lots)

    liquidated, side = np.array(ledger.liquidated), np.array(ledger.side)
    exit_row, is_buyer_maker = np.array(ledger.exit_row), path.is_buyer_maker.copy()
    # The exchange sells a liquidated long into resting bids, and buys a short back.
    is_buyer_maker[exit_row[liquidated & (side == LONG)]] = True
    is_buyer_maker[exit_row[liquidated & (side == SHORT)]] = False

    first_id = start // DAY_MS * AGGREGATE_TRADE_IDS_PER_DAY
    fills = np.minimum(rng.geometric(0.5, price.size), quantity_lots)[first_row:]
    last_trade_id = 3 * first_id + np.cumsum(fills) - 1
    return Trades(
        instrument=instrument,
        agg_trade_id=first_id + np.arange(fills.size),
        price_ticks=path.price_ticks[first_row:],
        quantity_lots=quantity_lots[first_row:],
        first_trade_id=last_trade_id - fills + 1,
        last_trade_id=last_trade_id,
        time=path.time[first_row:],
        is_buyer_maker=is_buyer_maker[first_row:],
    )


def _lots_before(
    time: NDArray[np.int64], lots: NDArray[np.int64], instants: NDArray[np.int64]
) -> NDArray[np.int64]:
    order = np.argsort(time, kind="stable")
    running = np.concatenate(([0], np.cumsum(lots[order])))
    return running[np.searchsorted(time[order], instants)]


def _rows(table: Table, chosen: slice | NDArray[Any]) -> Table:
    columns = {
        column.name: getattr(table, column.name)[chosen]
        for column in fields(table)
        if column.name != "instrument"
    }
    return replace(table, **columns)
