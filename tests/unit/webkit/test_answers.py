import pytest

from liqheat_project.kernel.cache import BytesSerializer, OneClient
from liqheat_project.webkit import answers
from liqheat_project.webkit.answers import fingerprint, key_of


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


def test_a_cache_keeps_its_client():
    cache = OneClient(["redis://127.0.0.1:9/0"], BytesSerializer)
    assert cache.get_client("a") is cache.get_client("b", write=True)
