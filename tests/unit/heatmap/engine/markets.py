"""Small markets for the engine's tests: written by hand, or random for hypothesis."""

import numpy as np
from hypothesis import strategies as st

from heatmap.engine import BracketTable, Candles, ModelParameters, OpenInterest, TradedPrices

MINUTE = 60_000
FIVE_MINUTES = 300_000
START = 1_764_547_200_000

BTC_BRACKETS = BracketTable(
    0,
    floors=np.array([0, 300_000, 800_000, 3_000_000, 12_000_000.0]),
    caps=np.array([300_000, 800_000, 3_000_000, 12_000_000, 70_000_000.0]),
    maintenance_margin_rates=np.array([0.004, 0.005, 0.0065, 0.01, 0.02]),
    cums=np.array([0, 300, 1_500, 12_000, 132_000.0]),
    max_leverages=np.array([150, 100, 75, 50, 25.0]),
)
# Liquidation prices are round numbers here, so that candles can touch them exactly.
ROUND_BRACKETS = BracketTable(0, [0], [1e9], [0], [0], [100])
# Steep and low: the notional at the liquidation price is in another bracket, 50x and 100x fold.
STEEP_BRACKETS = BracketTable(
    START + 6 * FIVE_MINUTES,
    floors=[0, 9_500, 10_200, 11_500],
    caps=[9_500, 10_200, 11_500, 50_000],
    maintenance_margin_rates=[0.01, 0.02, 0.04, 0.09],
    cums=[0, 95, 299, 874],
    max_leverages=[50, 20, 10, 5],
)


def candles_of(
    rows: list[tuple[float, float, float, float]],
    interval_ms: int = FIVE_MINUTES,
    open_time: list[int] | None = None,
    **arrays: list[float],
) -> Candles:
    """Candles from (open, high, low, close); volume 1 and nothing else known by default."""
    count = len(rows)
    prices = np.array(rows, dtype=np.float64).reshape(count, 4).T
    values = {
        "volume": np.ones(count),
        "quote_volume": np.zeros(count),
        "taker_buy_volume": np.full(count, np.nan),
    }
    values |= {name: np.array(array, dtype=np.float64) for name, array in arrays.items()}
    times = START + interval_ms * np.arange(count) if open_time is None else np.array(open_time)
    return Candles(times.astype(np.int64), *prices, interval_ms=interval_ms, **values)


def open_interest_of(figures: dict[int, float]) -> OpenInterest:
    """Open interest by instant, given as milliseconds after START."""
    times = np.array(sorted(figures), dtype=np.int64)
    contracts = np.array([figures[time] for time in sorted(figures)], dtype=np.float64)
    return OpenInterest(times + START, contracts)


@st.composite
def markets(draw: st.DrawFn) -> tuple[Candles, OpenInterest]:
    """Candles on a coarse grid (ties, touches, doji), with gaps and holes; jumpy open interest."""
    interval = draw(st.sampled_from([MINUTE, FIVE_MINUTES, 3 * FIVE_MINUTES]))
    scale = draw(st.sampled_from([1.0, 1000.0, 1e-7]))
    count = draw(st.integers(0, 24))
    steps = draw(st.lists(st.integers(0, 99), min_size=count, max_size=count))
    places = np.cumsum([2 if step == 99 else 40 if step == 98 else 1 for step in steps])
    open_time = START + interval * places.astype(np.int64)
    rows = [_candle(draw, scale) for _ in range(count)]
    known = st.sampled_from(["nothing", "quote", "all"])
    extra = _volumes(draw, rows, draw(known))
    if draw(st.booleans()):
        marks = [draw(st.sampled_from([np.nan, 0.97, 1.0])) for _ in rows]
        extra["mark_low"] = [row[2] * mark for row, mark in zip(rows, marks, strict=True)]
        extra["mark_high"] = [row[1] / mark for row, mark in zip(rows, marks, strict=True)]
    candles = candles_of(rows, interval, open_time.tolist(), **extra)
    return candles, _open_interest(draw, places, interval)


def _candle(draw: st.DrawFn, scale: float) -> tuple[float, float, float, float]:
    open_, close = draw(st.integers(60, 140)), draw(st.integers(60, 140))
    high = max(open_, close) + draw(st.integers(0, 8))
    low = min(open_, close) - draw(st.integers(0, 8))
    return open_ * scale, high * scale, low * scale, close * scale


def _volumes(draw: st.DrawFn, rows: list, known: str) -> dict[str, list[float]]:
    volume = [float(draw(st.sampled_from([0, 1, 7, 250]))) for _ in rows]
    extra = {"volume": volume}
    if known != "nothing":
        share = draw(st.floats(0, 1))
        extra["quote_volume"] = [
            amount * (row[2] + share * (row[1] - row[2]))
            for amount, row in zip(volume, rows, strict=True)
        ]
    if known == "all":
        extra["taker_buy_volume"] = [amount * draw(st.floats(0, 1)) for amount in volume]
    return extra


def _open_interest(draw: st.DrawFn, places: np.ndarray, interval: int) -> OpenInterest:
    end = (int(places[-1]) + 3) * interval if len(places) else interval
    step = draw(st.sampled_from([interval // 2, min(interval, FIVE_MINUTES), FIVE_MINUTES]))
    times = np.arange(0, end, step)[:100]
    figures = st.one_of(
        st.sampled_from([0.0, 1000.0, 1000.0, np.nan]), st.floats(0.001, 1e6), st.floats(900, 1100)
    )
    contracts = draw(st.lists(figures, min_size=len(times), max_size=len(times)))
    kept = draw(st.sampled_from([1, 1, 2, 3]))
    return OpenInterest((START + times[::kept]).astype(np.int64), np.array(contracts[::kept]))


@st.composite
def trades_of(draw: st.DrawFn, candles: Candles) -> TradedPrices | None:
    """Trades in some of the candles, at their edges too, some of no volume; or none at all."""
    if not len(candles.open_time) or draw(st.booleans()):
        return None
    lines = []
    for opened, low, high in zip(candles.open_time, candles.low, candles.high, strict=True):
        for _ in range(draw(st.integers(0, 2))):
            at = opened + draw(st.sampled_from([0, 1, candles.interval_ms - 1]))
            price = low + (high - low) * draw(st.sampled_from([0.0, 0.3, 1.0]))
            lines.append((int(at), float(price), draw(st.sampled_from([0.0, 1.0, 9.0]))))
    times, prices, volumes = zip(*sorted(lines), strict=True) if lines else ((), (), ())
    return TradedPrices(np.array(times, np.int64), np.array(prices), np.array(volumes))


@st.composite
def parameters(draw: st.DrawFn) -> ModelParameters:
    """Mixes that differ by side, share leverages, fold, and tilt."""
    weights = st.lists(
        st.tuples(st.sampled_from([1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0]), st.integers(0, 30)),
        min_size=1,
        max_size=5,
        unique_by=lambda pair: pair[0],
    ).filter(lambda pairs: sum(weight for _, weight in pairs) > 0)
    return ModelParameters(
        long_leverage_weights=tuple(draw(weights)),
        short_leverage_weights=tuple(draw(weights)),
        position_notional=draw(st.sampled_from([1_000.0, 10_000.0, 1_000_000.0])),
        taker_tilt=draw(st.sampled_from([0.0, 0.0, 0.7])),
        turnover=draw(st.sampled_from([0.0, 0.3, 0.3, 0.9])),
        spread_entries=draw(st.booleans()),
        smear=draw(st.sampled_from([0.0, 0.0, 0.3])),
    )
