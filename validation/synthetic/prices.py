"""A price path, trade by trade: geometric, with clustered volatility and some jumps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liqheat_project.kernel.instants import DAY_MS, MINUTE_MS
from validation.synthetic.parameters import Instrument, MarketParameters

MINUTES_PER_DAY = 1_440


@dataclass(frozen=True)
class PricePath:
    """One entry a trade, in order of time: instants (ms), prices (ticks), who was the maker."""

    time: NDArray[np.int64]
    price_ticks: NDArray[np.int64]
    is_buyer_maker: NDArray[np.bool_]


def draw_price_path(
    rng: np.random.Generator,
    instrument: Instrument,
    parameters: MarketParameters,
    start: int,
    days: int,
) -> PricePath:
    """Trades of `days` days after `start` (ms) and of the warm-up before it.

    The path passes `instrument.start_price` at `start`. The market makes its price, not the
    traders: a liquidation does not move it.
    """
    minutes = (parameters.warm_up_days + days) * MINUTES_PER_DAY
    first_minute = start - parameters.warm_up_days * DAY_MS
    jumps = _jumps(rng, minutes, parameters.jumps_per_day)
    volatility = _minute_volatility(rng, jumps, parameters.daily_volatility)

    activity = volatility * _hour_of_day_activity(minutes)
    activity[jumps != 0] *= 3
    trades = parameters.trades_per_day * minutes // MINUTES_PER_DAY
    trades_in_minute = rng.multinomial(trades, activity / activity.sum())
    minute = np.repeat(np.arange(minutes), trades_in_minute)
    time = first_minute + np.sort(minute * MINUTE_MS + rng.integers(0, MINUTE_MS, trades))

    share = 1 / trades_in_minute[minute]
    scale = volatility[minute] * np.sqrt(share)
    returns = scale * rng.standard_normal(trades) + jumps[minute] * share
    log_price = np.cumsum(returns)
    log_price -= log_price[min(int(np.searchsorted(time, start)), trades - 1)]
    price_ticks = np.rint(
        instrument.start_price * instrument.ticks_per_usdt * np.exp(log_price)
    ).astype(np.int64)
    is_buyer_maker = returns + scale * rng.standard_normal(trades) < 0
    return PricePath(time, np.maximum(price_ticks, 1), is_buyer_maker)


def _jumps(rng: np.random.Generator, minutes: int, jumps_per_day: float) -> NDArray[np.float64]:
    happens = rng.random(minutes) < jumps_per_day / MINUTES_PER_DAY
    size = rng.uniform(0.003, 0.012, minutes) * rng.choice((-1.0, 1.0), minutes)
    return np.where(happens, size, 0.0)


def _minute_volatility(
    rng: np.random.Generator, jumps: NDArray[np.float64], daily_volatility: float
) -> NDArray[np.float64]:
    """Standard deviation of each minute's log return; it swells after a jump."""
    slow = 0.5 * autoregressive(rng.standard_normal(jumps.size), half_life=480)
    fast = 0.4 * autoregressive(rng.standard_normal(jumps.size), half_life=15)
    shaken = _decaying_sum(100 * np.abs(jumps), 0.5 ** (1 / 20))
    volatility = np.exp(slow + fast) * (1 + shaken)
    mean_square = np.mean(volatility**2)
    return volatility * daily_volatility / np.sqrt(mean_square * MINUTES_PER_DAY)


def _hour_of_day_activity(minutes: int) -> NDArray[np.float64]:
    """Busiest at 14:30 UTC, when New York opens."""
    minute_of_day = np.arange(minutes) % MINUTES_PER_DAY
    return 1 + 0.4 * np.cos(2 * np.pi * (minute_of_day - 870) / MINUTES_PER_DAY)


def autoregressive(noise: NDArray[np.float64], half_life: float) -> NDArray[np.float64]:
    """AR(1) process of unit variance that forgets half of a shock in `half_life` steps."""
    keep = 0.5 ** (1 / half_life)
    return np.sqrt(1 - keep**2) * _decaying_sum(noise, keep)


def _decaying_sum(shocks: NDArray[np.float64], keep: float) -> NDArray[np.float64]:
    level = 0.0
    levels = []
    for shock in shocks.tolist():
        level = keep * level + shock
        levels.append(level)
    return np.array(levels)
