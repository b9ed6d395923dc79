"""Hostile and broken files are refused, with a reason, before they cost anything."""

import io
import resource
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from validation.coinglass import Limits, Unreadable, read_screenshot
from validation.coinglass.files import decode_picture


def png_of_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds one row of zeros."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1 + width * 3))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def picture(kind: str, size: tuple[int, int] = (600, 400)) -> bytes:
    noise = np.random.default_rng(3).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, kind)
    return stream.getvalue()


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "empty", id="0 bytes"),
        pytest.param(b"not a picture", "neither a PNG nor a JPEG", id="text named .png"),
        pytest.param(SVG, "neither a PNG nor a JPEG", id="SVG"),
        pytest.param(picture("GIF"), "neither a PNG nor a JPEG", id="GIF"),
        pytest.param(picture("PNG")[:9], "damaged", id="only the magic"),
        pytest.param(picture("PNG")[:90_000], "cut off or damaged", id="truncated PNG"),
        pytest.param(picture("JPEG")[:30_000], "cut off or damaged", id="truncated JPEG"),
        pytest.param(
            png_of_header(50_000, 50_000), "far more pixels than the 10,000,000 allowed", id="bomb"
        ),
        pytest.param(png_of_header(4_000, 3_000), "4000 x 3000 pixels", id="over our own limit"),
        pytest.param(picture("PNG", (100, 100)), "only 100 x 100", id="thumbnail"),
        pytest.param(bytes(10 * 1024 * 1024 + 1), "bytes, more than", id="too many bytes"),
    ],
)
def test_is_refused_with_the_reason(content, reason):
    with pytest.raises(Unreadable, match=reason):
        read_screenshot(content, symbol="BTCUSDT", range="24h")


def test_a_bomb_costs_no_memory():
    bomb = png_of_header(50_000, 50_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(Unreadable):
        decode_picture(bomb, Limits())
    grown_kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kilobytes < 100_000  # decoded it would be 7.5 GB


def test_limits_are_the_callers():
    content = picture("PNG")
    assert decode_picture(content, Limits()).shape == (400, 600, 3)
    with pytest.raises(Unreadable, match="pixels"):
        decode_picture(content, Limits(max_pixels=239_999))
    with pytest.raises(Unreadable, match="bytes"):
        decode_picture(content, Limits(max_bytes=len(content) - 1))


def test_what_is_transparent_is_white():
    stream = io.BytesIO()
    Image.new("RGBA", (300, 300), (0, 0, 0, 0)).save(stream, "PNG")
    assert (decode_picture(stream.getvalue(), Limits()) == 255).all()


def test_noise_is_no_chart():
    with pytest.raises(Unreadable, match="No colour bar"):
        read_screenshot(picture("PNG"), symbol="BTCUSDT", range="24h")
