import gzip
import zlib

import pytest

from heatmap.api import answers
from heatmap.api.answers import (
    CACHED,
    COMPRESSION_LEVELS,
    NOT_CACHED,
    compressed,
    fingerprint,
    key_of,
)
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


def test_other_code_does_not_find_what_this_code_kept(monkeypatch):
    before = key_of("map", 1)
    monkeypatch.setattr(answers, "CODE", "another version")
    assert key_of("map", 1) != before


def test_a_fingerprint_is_of_all_source_in_the_folders(tmp_path):
    (tmp_path / "a/deep").mkdir(parents=True)
    (tmp_path / "a/one.py").write_text("1")
    (tmp_path / "a/deep/two.py").write_text("2")
    seen = [fingerprint(tmp_path / "a")]
    (tmp_path / "a/notes.txt").write_text("no code")
    assert fingerprint(tmp_path / "a") == seen[0]
    for path, text in (("a/deep/two.py", "3"), ("a/three.py", "")):
        (tmp_path / path).write_text(text)
        seen.append(fingerprint(tmp_path / "a"))
    assert len(set(seen)) == 3


def test_the_cache_takes_bytes_and_gives_them_back_unread():
    serializer = BytesSerializer()
    pickled = b"\x80\x04K\x01."
    assert serializer.loads(serializer.dumps(pickled)) == pickled
    with pytest.raises(TypeError, match="bytes, not dict"):
        serializer.dumps({"a": 1})  # type: ignore[arg-type]
