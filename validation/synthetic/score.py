"""How close a model's liquidation levels come to those of a market whose truth is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from heatmap.build import MODELS
from heatmap.engine import (
    COINGLASS_3,
    DEFAULT_LEVERAGE_WEIGHTS,
    Book,
    BracketTable,
    Candles,
    OpenInterest,
    checkpoints,
    coinglass_book,
    default_bin_size,
)
from heatmap.engine.grid import bin_span
from heatmap.engine.market import FloatArray, IntArray
from validation.compare.metrics import earth_movers_distance, rank_correlation
from validation.synthetic.archive import aggregate_klines
from validation.synthetic.market import FIVE_MINUTES, Market, truth_profile
from validation.synthetic.traders import LONG, SHORT

MAINTENANCE_MARGIN_RATE = 0.004
BRACKETS = (
    BracketTable(
        valid_from=0,
        floors=np.array([0.0]),
        caps=np.array([300_000.0]),
        maintenance_margin_rates=np.array([MAINTENANCE_MARGIN_RATE]),
        cums=np.array([0.0]),
        max_leverages=np.array([125.0]),
    ),
)
SHOWN_DISTANCE = 0.15
SIDES = ("long", "short", "both")
ONE_SIDED = "one-sided"

Profiles = Mapping[str, FloatArray]


class Score(NamedTuple):
    """A profile against the truth.

    `rank_correlation`: Spearman's, -1 to 1, over the bins where either has something.
    `earth_movers_distance`: how far the one must be shifted to become the other when both sum to
    1, in % of the price. NaN where there is nothing to compare.
    """

    rank_correlation: float
    earth_movers_distance: float


@dataclass(frozen=True)
class Bins:
    """Price bins of `size` USDT within 15 % of `price`; the first is number `first`."""

    price: float
    size: float
    first: int
    count: int

    @classmethod
    def around(cls, price: float, size: float) -> "Bins":
        reach = SHOWN_DISTANCE * price
        return cls(price, size, *bin_span(price - reach, price + reach, size))

    def profile(self, prices: FloatArray, usdt: FloatArray) -> FloatArray:
        """The sum of `usdt` per bin; what lies outside of all bins is left out."""
        number = np.floor(prices / self.size).astype(np.int64) - self.first
        inside = (number >= 0) & (number < self.count)
        return np.bincount(number[inside], usdt[inside], self.count).astype(np.float64)


@dataclass
class Levels:
    """Open levels of one side: liquidation prices and USDT, one element each."""

    price: FloatArray
    usdt: FloatArray


def score_market(market: Market, instants: Sequence[int]) -> dict[str, dict[str, Score]]:
    """The mean scores at `instants` (ms, at whole 5 minutes): by model, then by side.

    Models are those of the heatmap and "one-sided", sides "long", "short" and "both" (their sum).
    All see the same candles of 5 minutes and the same open interest, from the market's start. The
    truth is every position opened since then: nobody can place older ones. Instants at which a
    model shows nothing on a side are left out of its mean; NaN where that are all.
    """
    candles = candles_of(market)
    ascending = np.array(sorted(instants), dtype=np.int64)
    books = {name: _books(market, candles, name, ascending) for name in MODELS}
    found: dict[str, list[dict[str, Score]]] = {name: [] for name in (*MODELS, ONE_SIDED)}
    for number, instant in enumerate(ascending.tolist()):
        seen = candles.slice(0, int(np.searchsorted(candles.end_time, instant, side="right")))
        price = float(seen.close[-1])
        bins = Bins.around(price, default_bin_size(price, 1 / market.instrument.ticks_per_usdt))
        truth = true_profiles(market, instant, bins)
        profiles = {name: _profiles(of_model[number], bins) for name, of_model in books.items()}
        contracts = market.open_interest[: len(seen.close) + 1]
        profiles[ONE_SIDED] = one_sided_profiles(seen, contracts, bins)
        for name, shown in profiles.items():
            found[name].append(_scores(shown, truth, bins))
    return {model: _means(scores) for model, scores in found.items()}


def score_instants(market: Market) -> list[int]:
    """The last instant of `market` and the two that halve and quarter the way to it."""
    length = (market.end - market.start) // FIVE_MINUTES
    return [market.start + length * part // 4 * FIVE_MINUTES for part in (2, 3, 4)]


def _books(market: Market, candles: Candles, model: str, instants: IntArray) -> list[Book]:
    if model == COINGLASS_3.name:
        ends = np.searchsorted(candles.end_time, instants, side="right").tolist()
        return [coinglass_book(candles.slice(0, end), COINGLASS_3) for end in ends]
    open_interest = OpenInterest(market.open_interest_time, market.open_interest)
    return list(checkpoints(Book(), candles, open_interest, BRACKETS, MODELS[model], instants))


def _profiles(book: Book, bins: Bins) -> Profiles:
    return {
        "long": bins.profile(book.longs.liquidation_price, book.longs.notional),
        "short": bins.profile(book.shorts.liquidation_price, book.shorts.notional),
    }


def true_profiles(market: Market, instant: int, bins: Bins) -> Profiles:
    """The truth at `instant` in USDT per bin: what opened since the market's start."""
    edges, long, short = truth_profile(market, instant, bins.size, opened_since=market.start)
    middles = edges[:-1] + bins.size / 2
    return {"long": bins.profile(middles, long), "short": bins.profile(middles, short)}


def one_sided_profiles(candles: Candles, open_interest: FloatArray, bins: Bins) -> Profiles:
    """The levels of a common simpler model after `candles`, in USDT per bin.

    A rise of open interest in USD opens longs in a candle that closes at or above its open, shorts
    in the others, with the default leverage mix, at EP (1 -/+ (1 - MMR) / L). A level goes when a
    later low or high touches it. A fall of open interest in USD is taken from all levels alike.

    `open_interest` in contracts: at the first candle's open, then at every candle's end.
    """
    prices = np.append(candles.open[:1], candles.close)
    change = np.diff(open_interest * prices)
    leverage, weight = np.array(DEFAULT_LEVERAGE_WEIGHTS).T
    distance = (1 - MAINTENANCE_MARGIN_RATE) / leverage
    held = {side: Levels(np.empty(0), np.empty(0)) for side in (LONG, SHORT)}
    for i, usd in enumerate(change.tolist()):
        for side, levels in held.items():
            extreme = candles.low[i] if side == LONG else candles.high[i]
            untouched = side * (extreme - levels.price) > 0
            held[side] = Levels(levels.price[untouched], levels.usdt[untouched])
        if usd > 0:
            side = LONG if candles.close[i] >= candles.open[i] else SHORT
            held[side] = Levels(
                np.append(held[side].price, candles.close[i] * (1 - side * distance)),
                np.append(held[side].usdt, usd * weight / weight.sum()),
            )
        elif total := sum(float(levels.usdt.sum()) for levels in held.values()):
            for levels in held.values():
                levels.usdt *= max(0.0, 1 + usd / total)
    long, short = held[LONG], held[SHORT]
    return {
        "long": bins.profile(long.price, long.usdt),
        "short": bins.profile(short.price, short.usdt),
    }


def score_profile(profile: FloatArray, truth: FloatArray, bins: Bins) -> Score:
    """Score `profile` against `truth`, both in USDT per bin of `bins`."""
    either = (profile > 0) | (truth > 0)
    return Score(
        rank_correlation(profile[either], truth[either]),
        earth_movers_distance(profile, truth) * bins.size / bins.price * 100,
    )


def _scores(profiles: Profiles, truth: Profiles, bins: Bins) -> dict[str, Score]:
    scores = {side: score_profile(profiles[side], truth[side], bins) for side in ("long", "short")}
    model_sum, true_sum = (both["long"] + both["short"] for both in (profiles, truth))
    return {**scores, "both": score_profile(model_sum, true_sum, bins)}


def _means(scores: Sequence[Mapping[str, Score]]) -> dict[str, Score]:
    return {
        side: Score(
            _mean([score[side].rank_correlation for score in scores]),
            _mean([score[side].earth_movers_distance for score in scores]),
        )
        for side in SIDES
    }


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return sum(known) / len(known) if known else float("nan")


def candles_of(market: Market) -> Candles:
    klines = aggregate_klines(market, FIVE_MINUTES)
    tick, lot = market.instrument.ticks_per_usdt, market.instrument.lots_per_contract
    return Candles(
        open_time=klines.open_time,
        open=klines.open / tick,
        high=klines.high / tick,
        low=klines.low / tick,
        close=klines.close / tick,
        volume=klines.volume / lot,
        quote_volume=klines.quote_volume / (tick * lot),
        taker_buy_volume=klines.taker_buy_volume / lot,
        interval_ms=FIVE_MINUTES,
    )
