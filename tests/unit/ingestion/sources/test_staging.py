import gzip
import random
import struct
import zipfile
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.errors import BadArchive
from ingestion.market.files import ArchiveFile
from ingestion.sources.staging import parse_checksum, unpack
from tests.unit.ingestion.sources.conftest import CSV, zip_of

FILE = ArchiveFile("ETHUSDT", "aggTrades", None, date(2024, 11, 1))
NAME = f"{FILE.name}.csv"


def _unpack(staging, body, max_csv_bytes=1_000_000):
    zip_path = staging / "published.zip"
    zip_path.write_bytes(body)
    return unpack(zip_path, FILE, staging, "the file", max_csv_bytes)


def _encrypted() -> bytes:
    body = bytearray(zip_of())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = body.index(signature) + offset
        body[place] |= 1
    return bytes(body)


def _bad_crc() -> bytes:
    body = bytearray(zip_of(compression=zipfile.ZIP_STORED))
    body[body.index(b"2500.10")] = ord("9")
    return bytes(body)


def _from_the_future() -> bytes:
    body = bytearray(zip_of())
    body[body.index(b"PK\x01\x02") + 6] = 161
    return bytes(body)


def _huge_directory() -> bytes:
    body = bytearray(zip_of())
    struct.pack_into("<L", body, body.rindex(b"PK\x05\x06") + 12, 500_000_000)
    return bytes(body)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_one_csv_comes_out_and_the_zip_goes(staging, compression):
    path = _unpack(staging, zip_of(compression=compression))
    assert path.read_bytes() == CSV
    assert list(staging.iterdir()) == [path]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (zip_of({NAME: CSV, "ETHUSDT-aggTrades-2024-11-02.csv": CSV}), "has 2 members"),
        (zip_of({NAME: CSV, "readme/": b""}), "has 2 members"),
        (b"PK\x05\x06" + bytes(18), "has 0 members"),
        (zip_of({f"../{NAME}": CSV}), "path in its name"),
        (zip_of({f"/tmp/{NAME}": CSV}), "path in its name"),
        (zip_of({f"a\\{NAME}": CSV}), "path in its name"),
        (zip_of({"BTCUSDT-aggTrades-2024-11-01.csv": CSV}), "was expected"),
        (zip_of({"ETHUSDT-15m-2024-11-01.csv": CSV}), "was expected"),
        (zip_of({f"{FILE.name}.exe": CSV}), "was expected"),
        (zip_of(compression=zipfile.ZIP_BZIP2), "compression method"),
        (_encrypted(), "is encrypted"),
        (_bad_crc(), "cannot be unpacked"),
        (_from_the_future(), "cannot be unpacked: zip file version"),
        (_huge_directory(), "directory of 500,000,000 bytes"),
        (zip_of()[:-10], "no end record"),
        (b"PK\x03\x04", "no end record"),
        (b"", "no end record"),
        (gzip.compress(CSV), "gzip file"),
    ],
)
def test_anything_but_one_csv_is_refused(staging, body, reason):
    with pytest.raises(BadArchive, match=reason):
        _unpack(staging, body)
    assert list(staging.iterdir()) == []


@pytest.mark.parametrize("beside", [f"__MACOSX/._{NAME}", ".DS_Store", "__MACOSX/.DS_Store"])
def test_what_macos_puts_beside_the_csv_is_left_out(staging, beside):
    assert _unpack(staging, zip_of({NAME: CSV, beside: b"x"})).read_bytes() == CSV


SHA256 = "6e98c2cb310974993afe0a8acd54d5dd701431a1c970be611c5cb412fb2e9008"


@pytest.mark.parametrize(
    "content",
    [
        f"{SHA256}  a.zip\n",
        f"{SHA256} *a.zip\r\n",
        f"{SHA256.upper()}  a.zip",
        f"{SHA256}  ./a.zip\n",
        f"{SHA256}  /data/archive/a.zip\n",
        f"{SHA256}  data\\a.zip\n",
        f"{SHA256}\n",
        f"{SHA256}\ta.zip\n",
        f"\ufeff{SHA256}  a.zip\n",
        f"SHA256 (a.zip) = {SHA256}\n",
        f"{SHA256}  a.zip\n\n",
        f"{SHA256}  a.zip   \n",
    ],
)
def test_a_checksum_in_the_spelling_of_another_program_is_read(content):
    assert parse_checksum(content.encode(), "a.zip", "the checksum") == SHA256


@pytest.mark.parametrize(
    "content",
    [
        b"hello",
        b"",
        SHA256[:-1].encode(),
        f"{SHA256}  b.zip".encode(),
        f"{SHA256}  a.zip\n{SHA256}  b.zip\n".encode(),
        f"SHA256 (b.zip) = {SHA256}".encode(),
        b"\xff\xfe" + SHA256.encode("utf-16-le"),
    ],
)
def test_what_is_no_checksum_of_the_file_is_refused(content):
    with pytest.raises(BadArchive):
        parse_checksum(content, "a.zip", "the checksum")


def test_a_csv_of_exactly_the_cap_is_allowed(staging):
    assert _unpack(staging, zip_of(), len(CSV)).read_bytes() == CSV
    with pytest.raises(BadArchive, match="unfolds"):
        _unpack(staging, zip_of(), len(CSV) - 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_damaged_zip_gives_the_csv_or_a_reason(staging, data):
    body = bytearray(zip_of())
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        path = _unpack(staging, bytes(body))
    except BadArchive:
        assert list(staging.iterdir()) == []
    else:
        assert path.read_bytes() == CSV
        path.unlink()


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, 3 << 20, (5 << 20) - 1])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_any_size_comes_out_whole(tmp_path, size, method):
    for content in (b"7" * size, random.Random(1).randbytes(size)):
        with zipfile.ZipFile(tmp_path / "made.zip", "w", method) as archive:
            archive.writestr(NAME, content)
        csv = _unpack(tmp_path, (tmp_path / "made.zip").read_bytes(), max_csv_bytes=10 << 20)
        assert csv.read_bytes() == content
