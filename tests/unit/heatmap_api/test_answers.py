import gzip
import zlib

import pytest

from heatmap.api.answers import CACHED, COMPRESSION_LEVELS, NOT_CACHED, compressed, key_of
from liqheat_project.lib.cache import BytesSerializer


@pytest.mark.parametrize("rest", [b"", b"}", b"levels " * 100_000, bytes(range(256)) * 500])
@pytest.mark.parametrize("level", COMPRESSION_LEVELS.values())
def test_both_bodies_are_sound_gzip_and_differ_in_the_flag(rest, level):
    body = b'{"computed_ms":1.5,' + NOT_CACHED + rest
    first, kept = compressed(body, level)
    assert gzip.decompress(first) == body
    assert gzip.decompress(kept) == b'{"computed_ms":1.5,' + CACHED + rest
    assert len(CACHED) == len(NOT_CACHED)


def test_a_body_without_the_flag_is_the_same_twice():
    first, kept = compressed(b"no flag in here", 1)
    assert first == kept
    assert gzip.decompress(first) == b"no flag in here"


def test_browsers_accept_it_as_one_member():
    reader = zlib.decompressobj(wbits=31)
    reader.decompress(compressed(b"a" + NOT_CACHED + b"b" * 1000, 1)[0])
    assert reader.eof and not reader.unused_data


def test_a_key_depends_on_every_part():
    assert key_of("map", 1, "x") == key_of("map", 1, "x")
    assert len({key_of("map", 1), key_of("map", 2), key_of("grid", 1), key_of("map", "1")}) == 4


def test_the_cache_takes_bytes_and_gives_them_back_unread():
    serializer = BytesSerializer()
    pickled = b"\x80\x04K\x01."
    assert serializer.loads(serializer.dumps(pickled)) == pickled
    with pytest.raises(TypeError, match="bytes, not dict"):
        serializer.dumps({"a": 1})  # type: ignore[arg-type]
