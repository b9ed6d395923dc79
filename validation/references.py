"""Where references come from and are kept: files by their sha256 below VALIDATION_DIR."""

import os
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

from django.conf import settings

from ingestion.models import Symbol
from liqheat_project.kernel.leftovers import private_name
from validation.coinglass import (
    Limits,
    Reference,
    Unreadable,
    describe_file_name,
    read_api_response,
    read_screenshot,
)
from validation.coinglass.api import MAX_BYTES
from validation.coinglass.names import base_coin
from validation.models import ValidationRun

MEGABYTE = 1024 * 1024
SUFFIXES = {
    ".png": ValidationRun.Source.SCREENSHOT,
    ".jpg": ValidationRun.Source.SCREENSHOT,
    ".jpeg": ValidationRun.Source.SCREENSHOT,
    ".json": ValidationRun.Source.API,
}
"""What a file is by the end of its name; its content is looked at when it is read."""


def limits() -> Limits:
    """What a picture may cost, by the settings."""
    return Limits(
        max_bytes=settings.VALIDATION_MAX_PICTURE_MB * MEGABYTE,
        max_pixels=settings.VALIDATION_MAX_PICTURE_MEGAPIXELS * 1_000_000,
    )


def most_bytes(source: str) -> int:
    """How large a file of this source may be."""
    return MAX_BYTES if source == ValidationRun.Source.API else limits().max_bytes


def source_of(file_name: str) -> ValidationRun.Source:
    """What a file is by the end of its name. Raises Unreadable for anything else."""
    suffix = Path(file_name).suffix.lower()
    if suffix not in SUFFIXES:
        raise Unreadable(
            f"{file_name} is neither a picture (.png, .jpg) nor an answer of the API (.json)."
        )
    return SUFFIXES[suffix]


def symbol_of(file_name: str) -> Symbol:
    """The registered symbol that a file's name begins with; a coin stands for its USDT contract.

    Raises Unreadable where there is none.
    """
    named = describe_file_name(file_name).symbol
    if named is None:
        raise Unreadable(
            "The file's name does not begin with a symbol; name it like "
            "ETHUSDT_model1_24h_2025-10-28T1200.png."
        )
    found = {symbol.name: symbol for symbol in Symbol.objects.filter(name__in=_names(named))}
    for name in _names(named):
        if name in found:
            return found[name]
    raise Unreadable(f"The file's name says {named}, which is not registered; register it first.")


def read_at_most(path: Path, limit: int, flags: int = 0) -> bytes:
    """A file; of one that is too large one byte more than allowed. `flags` as of os.open."""
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | flags)  # a pipe must not hold us up
    with open(number, "rb") as stream:
        return stream.read(limit + 1)


def keep(content: bytes) -> str:
    """Write a reference below its sha256, which is returned. Twice the same is written once."""
    digest = sha256(content).hexdigest()
    path = ValidationRun(sha256=digest).path
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{digest}.{private_name()}")
        unfinished.write_bytes(content)
        os.replace(unfinished, path)
    return digest


def read(run: ValidationRun) -> Reference:
    """The reference of a run, read from its kept file. Raises Unreadable, with what to do."""
    assert run.symbol is not None, f"run {run.pk} has no symbol"
    symbol = run.symbol.name
    try:
        content = run.path.read_bytes()
    except FileNotFoundError as error:
        raise Unreadable("The file is not kept any more; give it again.") from error
    named = describe_file_name(run.file_name)
    if named.symbol not in (None, symbol, base_coin(symbol)):
        raise Unreadable(f"The file's name says {named.symbol}, but {symbol} was given.")
    model, window = run.model or named.model, run.range or named.range
    if run.source == ValidationRun.Source.API:
        return read_api_response(content, symbol=symbol, model=model, range=window or "")
    return read_screenshot(
        content,
        symbol=symbol,
        model=model,
        range=window,
        time_zone=ZoneInfo(run.time_zone) if run.time_zone else None,
        taken_at=named.taken_at,
        limits=limits(),
    )


def _names(named: str) -> tuple[str, str]:
    return named, f"{named}USDT"
