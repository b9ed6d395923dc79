import hashlib
import zipfile
from datetime import date
from pathlib import Path

import pytest

from ingestion.errors import (
    BadArchive,
    ChecksumMismatch,
    IncompleteDownload,
    LeaseLost,
    NotInSource,
    OutOfSpace,
    SourceUnavailable,
)
from ingestion.market.files import ArchiveFile, plan_files
from ingestion.sources.archive import ArchiveSource
from tests.support.archive_server import HTML_PAGE, NO_LENGTH, ArchiveServer, Fault
from tests.unit.ingestion.sources.conftest import CSV, zip_of

ZIP = zip_of()


def _checksum(file: ArchiveFile) -> str:
    return f"{file.archive_path}.CHECKSUM"


def test_a_file_comes_whole_verified_and_watched(server, source, file, staging):
    server.put(file.archive_path, ZIP)
    steps = []
    staged = source.fetch(file, staging, lambda done, total: steps.append((done, total)))
    assert staged.csv_path.read_bytes() == CSV
    assert staged.csv_path == staging / "ETHUSDT-aggTrades-2024-11-01.csv"
    assert (staged.sha256, staged.verified) == (hashlib.sha256(ZIP).hexdigest(), True)
    assert (staged.source_bytes, staged.origin) == (len(ZIP), f"{server.url}/{file.archive_path}")
    assert steps[-1] == (len(ZIP), len(ZIP))
    assert [path.name for path in staging.iterdir()] == [staged.csv_path.name]
    assert server.requests == [("GET", _checksum(file)), ("GET", file.archive_path)]


def test_without_a_checksum_the_file_is_unverified(server, source, file, staging):
    server.put(file.archive_path, ZIP, checksum="")
    assert not source.fetch(file, staging).verified
    assert source.expected_checksum(file) is None


def test_the_checksum_is_to_be_had_without_the_file(server, source, file):
    server.put(file.archive_path, ZIP, checksum=hashlib.sha256(ZIP).hexdigest().upper())
    assert source.expected_checksum(file) == hashlib.sha256(ZIP).hexdigest()
    assert server.count(file.archive_path) == 0


def test_a_file_without_announced_length_is_whole(server, source, file, staging):
    server.put(file.archive_path, ZIP)
    server.script(file.archive_path, NO_LENGTH)
    steps = []
    staged = source.fetch(file, staging, lambda done, total: steps.append((done, total)))
    assert staged.verified
    assert steps[-1] == (len(ZIP), None)


def test_a_missing_file_is_named_with_what_to_check(source, file, staging):
    with pytest.raises(NotInSource, match=f"{file.archive_path} does not exist: check the symbol"):
        source.fetch(file, staging)


@pytest.mark.parametrize("status", [401, 403, 418, 429, 451, 500, 503])
@pytest.mark.parametrize("part", ["zip", "checksum"])
def test_a_refusing_server_is_unavailable(server, source, file, staging, status, part):
    server.put(file.archive_path, ZIP)
    path = file.archive_path if part == "zip" else _checksum(file)
    server.script(path, Fault(status=status), times=1)
    with pytest.raises(SourceUnavailable, match=str(status)) as caught:
        source.fetch(file, staging)
    assert caught.value.retry_after is None
    assert source.fetch(file, staging).verified


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("999999999", 86_400.0), ("soon", None), ("-5", None)],
)
def test_the_wait_that_a_server_asks_for_is_passed_on(
    server, source, file, staging, header, seconds
):
    server.script(_checksum(file), Fault(status=429, retry_after=header))
    with pytest.raises(SourceUnavailable) as caught:
        source.fetch(file, staging)
    assert caught.value.retry_after == seconds


def test_a_wait_until_a_date_counts_from_the_servers_own_clock(server, source, file, staging):
    server.script(_checksum(file), Fault(503, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"))
    with pytest.raises(SourceUnavailable) as caught:
        source.fetch(file, staging)
    assert caught.value.retry_after == 0.0


def test_a_cut_download_is_incomplete(server, source, file, staging):
    server.put(file.archive_path, ZIP)
    server.script(file.archive_path, Fault(keep_bytes=len(ZIP) - 30), times=1)
    with pytest.raises(IncompleteDownload, match="cut off after"):
        source.fetch(file, staging)
    assert list(staging.iterdir()) == []
    assert source.fetch(file, staging).verified


def test_a_cut_download_of_unknown_length_is_incomplete(server, source, file, staging):
    server.put(file.archive_path, ZIP)
    server.script(file.archive_path, Fault(keep_bytes=len(ZIP) - 30, announce_length=False))
    with pytest.raises(IncompleteDownload, match="before the zip's end"):
        source.fetch(file, staging)
    assert list(staging.iterdir()) == []


@pytest.mark.parametrize("fault", [Fault(hang_up=True), Fault(stall=True)])
def test_a_server_that_falls_silent_is_unavailable(server, source, file, staging, fault):
    server.put(file.archive_path, ZIP)
    server.script(file.archive_path, fault)
    with pytest.raises(SourceUnavailable, match=file.name):
        source.fetch(file, staging)
    assert list(staging.iterdir()) == []


def test_a_server_that_is_not_there_is_unavailable(file, staging):
    with ArchiveSource("http://127.0.0.1:9", timeout=0.4) as source:
        with pytest.raises(SourceUnavailable, match="did not answer"):
            source.fetch(file, staging)
        with pytest.raises(SourceUnavailable, match="did not answer"):
            source.exists(file)


@pytest.mark.parametrize("part", ["zip", "checksum"])
def test_a_byte_now_and_then_is_unavailable(server, source, file, staging, part):
    server.put(file.archive_path, ZIP)
    path = file.archive_path if part == "zip" else _checksum(file)
    server.script(path, Fault(seconds_per_byte=0.1))
    with pytest.raises(SourceUnavailable, match="too slow"):
        source.fetch(file, staging)
    assert list(staging.iterdir()) == []


def test_a_slow_stretch_after_a_fast_one_is_noticed(server, file, staging):
    # A mean over the whole download would forgive it for hours.
    body = zip_of({f"{file.name}.csv": CSV * 10}, zipfile.ZIP_STORED)
    server.put(file.archive_path, body)
    server.script(file.archive_path, Fault(seconds_per_byte=0.001))
    seconds = [0.0]

    def slow_from_the_middle(done, total):
        seconds[0] += done > len(body) // 2

    source = ArchiveSource(server.url, timeout=10.0, minimum_rate=2.0, clock=lambda: seconds[0])
    with source, pytest.raises(SourceUnavailable, match="too slow"):
        source.fetch(file, staging, slow_from_the_middle)
    assert seconds[0] < 30


def test_html_instead_of_a_zip_is_named(server, source, file, staging):
    server.put(file.archive_path, ZIP)
    server.script(file.archive_path, HTML_PAGE)
    with pytest.raises(BadArchive, match="not a zip: it begins with b'<!DOCTYPE"):
        source.fetch(file, staging)
    assert list(staging.iterdir()) == []


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"",
        b"0" * 63 + b"  ETHUSDT-aggTrades-2024-11-01.zip\n",
        b"0" * 64 + b"  BTCUSDT-aggTrades-2024-11-01.zip\n",
        b"0" * 64 + b"  ETHUSDT-aggTrades-2024-11-01.zip\nmore\n",
        b"0" * 100_000,
    ],
)
def test_a_checksum_that_is_none_is_not_believed(server, source, file, staging, body):
    server.put(file.archive_path, ZIP)
    server.script(_checksum(file), Fault(body=body))
    with pytest.raises(BadArchive, match="CHECKSUM"):
        source.fetch(file, staging)
    assert server.count(file.archive_path) == 0


def test_a_wrong_checksum_names_both(server, source, file, staging):
    server.put(file.archive_path, ZIP, checksum="ab" * 32)
    with pytest.raises(ChecksumMismatch) as caught:
        source.fetch(file, staging)
    assert "ab" * 32 in str(caught.value)
    assert hashlib.sha256(ZIP).hexdigest() in str(caught.value)
    assert list(staging.iterdir()) == []


@pytest.mark.parametrize(
    ("fault", "reason"), [(Fault(), "are allowed"), (NO_LENGTH, "is larger than")]
)
def test_a_zip_above_the_cap_is_refused(server, file, staging, fault, reason):
    server.put(file.archive_path, ZIP)
    server.script(file.archive_path, fault)
    source = ArchiveSource(server.url, max_bytes=len(ZIP) - 1)
    with source, pytest.raises(BadArchive, match=reason):
        source.fetch(file, staging)
    assert list(staging.iterdir()) == []


def test_a_bomb_is_refused_where_it_passes_the_cap(server, file, staging):
    server.put(file.archive_path, zip_of({f"{file.name}.csv": bytes(10_000_000)}))
    source = ArchiveSource(server.url, max_csv_bytes=1_000_000)
    with source, pytest.raises(BadArchive, match="unfolds to more than 1,000,000 bytes"):
        source.fetch(file, staging)
    assert list(staging.iterdir()) == []


def test_a_full_disk_is_no_fault_of_the_file(server, source, file, staging):
    server.put(file.archive_path, ZIP)
    (staging / f"{file.name}.zip").symlink_to("/dev/full")
    with pytest.raises(OutOfSpace, match="No space left"):
        source.fetch(file, staging)
    (staging / f"{file.name}.csv").symlink_to("/dev/full")
    with pytest.raises(OutOfSpace, match="No space left"):
        source.fetch(file, staging)
    assert list(staging.iterdir()) == []
    assert Path("/dev/full").exists()


def test_whoever_watches_can_stop_it(server, source, file, staging):
    server.put(file.archive_path, ZIP)

    def stop(done, total):
        raise LeaseLost("taken over")

    with pytest.raises(LeaseLost):
        source.fetch(file, staging, stop)
    assert list(staging.iterdir()) == []


def test_a_redirect_to_another_place_is_not_followed(server, source, file, staging, tmp_path):
    with ArchiveServer(tmp_path / "other") as other:
        other.put(file.archive_path, ZIP)
        for location in (f"{other.url}/{file.archive_path}", "http://localhost/x.zip"):
            server.script(_checksum(file), Fault(status=302, location=location), times=1)
            with pytest.raises(SourceUnavailable, match="redirects to another place"):
                source.fetch(file, staging)
        assert other.requests == []


def test_a_redirect_within_the_archive_is_followed_but_not_in_circles(
    server, source, file, staging
):
    server.put("moved.zip", ZIP)
    server.script(file.archive_path, Fault(status=301, location="/moved.zip"))
    assert source.fetch(file, staging).csv_path.read_bytes() == CSV
    server.script("moved.zip", Fault(status=302, location=f"/{file.archive_path}"))
    with pytest.raises(SourceUnavailable, match="redirects more than"):
        source.fetch(file, staging)


def test_presence_is_asked_without_fetching(server, source, file):
    assert not source.exists(file)
    server.put(file.archive_path, ZIP)
    assert source.exists(file)
    assert server.count(file.archive_path, "GET") == 0
    server.script(file.archive_path, Fault(status=503))
    with pytest.raises(SourceUnavailable, match="503"):
        source.exists(file)


@pytest.fixture
def half_published(server):
    files = plan_files("ETHUSDT", "metrics", None, date(2024, 1, 1), date(2024, 2, 29))
    for file in files[::2]:
        server.put(file.archive_path, ZIP)
    return files


def test_presence_of_many_is_asked_file_by_file(server, half_published):
    with ArchiveSource(server.url) as source:
        assert source.available(half_published) == set(half_published[::2])
        assert len(server.requests) == len(half_published)
        server.script(half_published[7].archive_path, Fault(status=451))
        with pytest.raises(SourceUnavailable, match="451"):
            source.available(half_published)


def test_presence_of_many_takes_few_requests_with_a_listing(server, source, half_published):
    server.keys_per_page = 25
    assert source.available(half_published) == set(half_published[::2])
    assert server.requests == [("GET", "listing")] * 3


def test_days_are_listed_in_order_over_all_pages(server, source, half_published):
    server.keys_per_page = 7
    assert source.list_days("ETHUSDT", "metrics") == [file.start for file in half_published[::2]]
    assert source.list_days("BTCUSDT", "metrics") == []


def test_months_are_listed_by_their_first_day(server, source):
    file = ArchiveFile("AVAXUSDT", "klines", "1m", date(2026, 2, 1), "monthly")
    server.put(file.archive_path, ZIP)
    assert source.list_days("AVAXUSDT", "klines", "1m", "monthly") == [date(2026, 2, 1)]


def test_a_source_without_listing_says_so(server):
    with ArchiveSource(server.url) as source, pytest.raises(ValueError, match="no listing URL"):
        source.list_days("ETHUSDT", "metrics")


@pytest.mark.parametrize(
    "url", ["", "ftp://host/", "http://", "http://host/?a=1", "/data", "http://[x]"]
)
def test_a_base_that_is_no_address_is_refused(url):
    with pytest.raises(ValueError, match="address"):
        ArchiveSource(url)


def test_a_base_may_have_a_path_and_a_slash(server, file, staging):
    server.put(f"mirrors/binance/{file.archive_path}", ZIP)
    with ArchiveSource(f"{server.url}/mirrors/binance/") as source:
        assert source.fetch(file, staging).verified


@pytest.mark.real_data
def test_a_real_day_of_trades(real_data, tmp_path, staging, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    file = ArchiveFile("APEUSDT", "aggTrades", None, date(2024, 10, 18))
    with ArchiveServer(real_data / "archive") as server, ArchiveSource(server.url) as source:
        staged = source.fetch(file, staging)
    assert staged.verified
    assert staged.source_bytes == 673_725
    assert staged.csv_path.stat().st_size == 2_822_304
