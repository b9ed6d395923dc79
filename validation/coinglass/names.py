"""What a file's name says about a screenshot, and the ranges as Coinglass writes them."""

import re
from dataclasses import dataclass
from datetime import datetime

LONGEST_NAME = 255
HOURS = {"h": 1, "d": 24, "w": 7 * 24, "m": 30 * 24, "y": 365 * 24}
QUOTES = ("USDT", "USDC", "USD")

_SEPARATOR = re.compile(r"[ _,]+")
_SYMBOL = re.compile(r"[A-Z0-9]{2,20}")
_MODEL = re.compile(r"model-?([123])", re.IGNORECASE)
_RANGE = re.compile(r"([1-9][0-9]{0,2}) ?-?(h|d|w|m|y)(?:ours?|ays?|eeks?|onths?|ears?)?", re.I)
_TAKEN_AT = ("%Y-%m-%dT%H%M%S", "%Y-%m-%dT%H%M", "%Y-%m-%dT%H-%M", "%Y-%m-%d")


@dataclass(frozen=True)
class FileName:
    """The parts of a name; None for what it does not say. `taken_at` is in an unsaid time zone."""

    symbol: str | None = None
    model: int | None = None
    range: str | None = None
    taken_at: datetime | None = None


def describe_file_name(name: str) -> FileName:
    """The parts of a name such as `ETHUSDT_model1_24h_2025-10-28T1200.png`, in any order after the
    symbol. What is not understood is left out; the first of two equal parts counts."""
    stem = name[-LONGEST_NAME:].replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
    parts = [part for part in _SEPARATOR.split(stem) if part]
    symbol = parts[0].upper() if parts and _is_symbol(parts[0]) else None
    rest = parts[1:] if symbol else parts
    models = [int(match[1]) for part in rest if (match := _MODEL.fullmatch(part))]
    ranges = [hours for part in rest if (hours := parse_range(part))]
    instants = [instant for part in rest if (instant := _parse_instant(part))]
    return FileName(
        symbol=symbol,
        model=models[0] if models else None,
        range=ranges[0] if ranges else None,
        taken_at=instants[0] if instants else None,
    )


def parse_range(text: str) -> str | None:
    """`24h` of "24h", "24 hour" or "24 Hours"; None if it is no range."""
    match = _RANGE.fullmatch(text.strip())
    return f"{match[1]}{match[2].lower()}" if match else None


def range_hours(text: str) -> int | None:
    """Hours of a range, so that 7d and 1w are the same; a month has 30 days."""
    found = parse_range(text)
    return int(found[:-1]) * HOURS[found[-1]] if found else None


def base_coin(symbol: str) -> str:
    """`BTC` of BTCUSDT, BTC/USDT and BTC."""
    plain = symbol.upper().replace("/", "").replace("-", "")
    quote = next((q for q in QUOTES if plain.endswith(q) and len(plain) > len(q)), "")
    return plain[: len(plain) - len(quote)]


def _is_symbol(part: str) -> bool:
    """Capitals, or any case that ends in a quote: Screenshot and img are words."""
    known = _MODEL.fullmatch(part) or parse_range(part) or _parse_instant(part)
    upper = part.upper()
    as_written = part == upper or upper.endswith(QUOTES)
    return not known and as_written and _SYMBOL.fullmatch(upper) is not None


def _parse_instant(text: str) -> datetime | None:
    for form in _TAKEN_AT:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007
        except ValueError:
            continue
    return None
