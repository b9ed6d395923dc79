"""How the symbol compares with the outside world."""

from ingestion.models import Symbol
from liqheat_project.ops.diagnosis.findings import Finding, check, fail, ok, warn
from validation.backtest.liquidated import liquidated
from validation.models import GatePolicy

OTHER = "BTCUSDT"
"""What a low figure is held against: if it is low there too, the model is to blame."""


@check("hit rate")
def hit_rate(symbol: Symbol) -> Finding:
    compare = (
        f"`manage.py validate_vs_coinglass --symbol {symbol} --screenshot-dir DIR --time-zone UTC`"
    )
    least = GatePolicy.current().hit_rate
    if symbol.hit_rate is None:
        return warn("never compared with Coinglass", compare)
    text = f"{symbol.hit_rate:.2f}, more than {least:.2f} is asked for"
    if symbol.hit_rate > least:
        return ok(text)
    other = Symbol.objects.filter(name=OTHER).exclude(pk=symbol.pk).first()
    steps = (
        "Are the pictures of the times their names say, and of this symbol? Are there gaps: "
        f"`manage.py data_quality --symbol {symbol}`?"
    )
    if other is None or other.hit_rate is None:
        return fail(text, f"{steps} Compare {OTHER} too: it should come out alike.")
    if other.hit_rate > least:
        return fail(
            f"{text}; {OTHER} has {other.hit_rate:.2f}",
            f"Only {symbol} is low, so it is its data: {steps} Load it again, then: {compare}",
        )
    return fail(
        f"{text}; {OTHER} is low too, {other.hit_rate:.2f}",
        "So it is the model or the pictures: `manage.py score_engine` holds the model against a "
        f"known truth. {steps}",
    )


@check("amounts")
def amounts(symbol: Symbol) -> Finding:
    """What the model sweeps a day, beside recorded liquidations and the fall of open interest."""
    found = liquidated(symbol)
    if found is None:
        return ok("not looked at: there is no whole day of candles")
    if not found.remarks:
        return ok(str(found))
    return warn(
        f"{found}; modelled is {' and '.join(found.remarks)}",
        "Take the map's amounts for open positions at a level, relative to each other. "
        f"`manage.py backtest --symbol {symbol}` holds their places against what was recorded; "
        "docs/model.md says why amounts are larger.",
    )
