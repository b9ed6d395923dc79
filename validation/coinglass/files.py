"""Pictures from strangers: refused by size, kind and pixels before anything is decoded."""

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from validation.coinglass.reference import Unreadable

Pixels = NDArray[np.uint8]

MAGIC = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG"}
DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
SMALLEST_SIDE = 200


@dataclass(frozen=True)
class Limits:
    """What a file may cost: bytes, and pixels of the decoded picture (0.1 KB of memory each)."""

    max_bytes: int = 10 * 1024 * 1024
    max_pixels: int = 10_000_000


def decode_picture(content: bytes, limits: Limits) -> Pixels:
    """The picture as RGB [height, width, 3], over white where it is transparent.

    Raises Unreadable for anything but a whole PNG or JPEG within `limits`.
    """
    if not content:
        raise Unreadable("The file is empty; upload the picture again.")
    if len(content) > limits.max_bytes:
        raise Unreadable(
            f"The file has {len(content):,} bytes, more than the {limits.max_bytes:,} allowed."
        )
    kind = next((kind for magic, kind in MAGIC.items() if content.startswith(magic)), None)
    if kind is None:
        raise Unreadable("The file is neither a PNG nor a JPEG, whatever its name says.")
    try:
        # Reads the header only, and has Pillow's own guard against bombs.
        picture = Image.open(io.BytesIO(content), formats=(kind,))
    except Image.DecompressionBombError as error:
        raise Unreadable(
            f"The picture has far more pixels than the {limits.max_pixels:,} allowed; take a "
            f"smaller one. ({error})"
        ) from error
    except DAMAGED as error:
        raise Unreadable(f"The {kind} is damaged; save the picture again. ({error})") from error
    width, height = picture.size
    if width * height > limits.max_pixels:
        raise Unreadable(
            f"The picture has {width} x {height} pixels, more than the {limits.max_pixels:,} "
            "allowed; take a smaller one."
        )
    if min(width, height) < SMALLEST_SIDE:
        raise Unreadable(f"The picture has only {width} x {height} pixels; take the whole chart.")
    try:
        with picture:
            picture.load()
            flat = Image.new("RGBA", picture.size, "white")
            flat.alpha_composite(picture.convert("RGBA"))
    except DAMAGED as error:
        raise Unreadable(
            f"The {kind} is cut off or damaged; save the picture again. ({error})"
        ) from error
    return np.asarray(flat.convert("RGB"))
