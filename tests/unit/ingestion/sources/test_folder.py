import hashlib
import os
from datetime import date

import pytest

from ingestion.errors import (
    BadArchive,
    ChecksumMismatch,
    IncompleteDownload,
    NotInSource,
    OutOfSpace,
    RefusedPath,
)
from ingestion.market.files import ArchiveFile, plan_files
from ingestion.sources.folder import FolderSource
from tests.unit.ingestion.sources.conftest import CSV, zip_of

ZIP = zip_of()


@pytest.fixture
def root(tmp_path):
    (tmp_path / "data folder").mkdir()
    return tmp_path / "data folder"


def _place(root, path, body):
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(body)
    return place


@pytest.mark.parametrize("choice", range(4))
def test_every_layout_is_found(root, file, staging, choice):
    path = file.folder_paths[choice]
    body = CSV if path.endswith(".csv") else ZIP
    place = _place(root, path, body)
    steps = []
    staged = FolderSource(root).fetch(file, staging, lambda *step: steps.append(step))
    assert staged.csv_path.read_bytes() == CSV
    assert staged.csv_path.parent == staging
    assert staged.sha256 == hashlib.sha256(body).hexdigest()
    assert (staged.source_bytes, staged.origin) == (len(body), str(place))
    assert not staged.verified
    assert steps == [(len(body), len(body))]
    assert list(staging.iterdir()) == [staged.csv_path]
    assert place.read_bytes() == body


def test_the_first_layout_wins(root, file, staging):
    for path in file.folder_paths[1:]:
        _place(root, path, CSV if path.endswith(".csv") else ZIP)
    staged = FolderSource(root).fetch(file, staging)
    assert staged.origin.endswith(file.folder_paths[1])


@pytest.mark.parametrize(("choice", "body"), [(0, CSV), (1, ZIP)])
def test_a_checksum_beside_is_verified(root, file, staging, choice, body):
    place = _place(root, file.folder_paths[choice], body)
    sha256 = hashlib.sha256(body).hexdigest()
    beside = place.with_name(f"{place.name}.CHECKSUM")
    beside.write_text(f"{sha256}  {place.name}\n")
    source = FolderSource(root)
    assert source.expected_checksum(file) == sha256
    assert source.fetch(file, staging).verified
    beside.write_text(f"{'ab' * 32}  {place.name}\n")
    (staging / f"{file.name}.csv").unlink()
    with pytest.raises(ChecksumMismatch, match=f"{sha256}.*{'ab' * 32}"):
        source.fetch(file, staging)
    assert list(staging.iterdir()) == []
    beside.write_text("hello")
    with pytest.raises(BadArchive, match="not one line"):
        source.fetch(file, staging)


def test_a_missing_file_names_the_places_looked_at(root, file, staging):
    with pytest.raises(NotInSource, match=r"data folder has no ETHUSDT.*aggTrades-2024-11-01\.zip"):
        FolderSource(root).fetch(file, staging)
    assert FolderSource(root).expected_checksum(file) is None
    with pytest.raises(NotInSource, match="nowhere is not a folder"):
        FolderSource(root / "nowhere").fetch(file, staging)
    assert not FolderSource(root / "nowhere").exists(file)


def test_presence(root, file):
    files = plan_files("ETHUSDT", "metrics", None, date(2024, 1, 1), date(2024, 1, 10))
    for wanted in files[3:5]:
        _place(root, wanted.folder_paths[3], ZIP)
    source = FolderSource(root)
    assert source.available(files) == set(files[3:5])
    assert source.exists(files[3]) and not source.exists(file)


def test_symlinks_may_stay_inside(root, file, staging):
    place = _place(root, "elsewhere/trades", ZIP)
    link = root / file.folder_paths[1]
    link.parent.mkdir(parents=True)
    link.symlink_to(place)
    assert FolderSource(root).fetch(file, staging).csv_path.read_bytes() == CSV


def test_the_folder_itself_may_be_a_symlink(root, file, staging, tmp_path):
    _place(root, file.folder_paths[0], CSV)
    (tmp_path / "alias").symlink_to(root)
    assert FolderSource(tmp_path / "alias").fetch(file, staging).csv_path.read_bytes() == CSV


@pytest.mark.parametrize("linked", ["file", "folder", "checksum"])
def test_symlinks_that_leave_are_refused(root, file, staging, tmp_path, linked):
    path = file.folder_paths[0]
    outside = _place(tmp_path / "outside", path, CSV)
    place = root / path
    if linked == "folder":
        (root / "ETHUSDT").symlink_to(tmp_path / "outside" / "ETHUSDT")
    elif linked == "file":
        place.parent.mkdir(parents=True)
        place.symlink_to(outside)
    else:
        _place(root, path, CSV)
        place.with_name(f"{place.name}.CHECKSUM").symlink_to(outside)
    with pytest.raises(RefusedPath, match="leads out of the data folder"):
        FolderSource(root).fetch(file, staging)
    assert list(staging.iterdir()) == []
    if linked != "checksum":
        with pytest.raises(RefusedPath, match="leads out"):
            FolderSource(root).exists(file)


def test_a_neighbour_with_the_same_beginning_is_outside(root, file, staging, tmp_path):
    outside = _place(tmp_path / "data folder of another", "trades.csv", CSV)
    link = root / file.folder_paths[0]
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)
    with pytest.raises(RefusedPath, match="leads out"):
        FolderSource(root).fetch(file, staging)


class _Forged(ArchiveFile):
    folder_paths = ("../secret.csv",)


@pytest.mark.parametrize("path", ["../secret.csv", "a/../../secret.csv", "/etc/passwd"])
def test_a_path_out_of_the_folder_is_refused(root, staging, tmp_path, path, monkeypatch):
    _place(tmp_path, "secret.csv", CSV)
    monkeypatch.setattr(_Forged, "folder_paths", (path,))
    file = _Forged("ETHUSDT", "aggTrades", None, date(2024, 11, 1))
    with pytest.raises(RefusedPath, match="would leave"):
        FolderSource(root).fetch(file, staging)


@pytest.mark.parametrize("kind", ["pipe", "folder", "circle"])
def test_what_is_no_regular_file_is_refused(root, file, staging, kind):
    place = root / file.folder_paths[0]
    place.parent.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    else:
        place.symlink_to(place)
    with pytest.raises(RefusedPath, match=file.name):
        FolderSource(root).fetch(file, staging)
    assert list(staging.iterdir()) == []


def test_a_file_that_grows_while_it_is_read_is_incomplete(root, file, staging):
    place = _place(root, file.folder_paths[0], CSV)

    def grow(done, total):
        if done == len(CSV):
            with place.open("ab") as stream:
                stream.write(b"2,2500.10,0.5,3,3,1730419200002,true\n")

    with pytest.raises(IncompleteDownload, match="still being written"):
        FolderSource(root).fetch(file, staging, grow)
    assert list(staging.iterdir()) == []


def test_sizes_are_capped(root, file, staging):
    _place(root, file.folder_paths[1], ZIP)
    with pytest.raises(BadArchive, match="larger than"):
        FolderSource(root, max_bytes=len(ZIP) - 1).fetch(file, staging)
    with pytest.raises(BadArchive, match="unfolds"):
        FolderSource(root, max_csv_bytes=len(CSV) - 1).fetch(file, staging)
    _place(root, file.folder_paths[0], CSV)
    with pytest.raises(BadArchive, match="larger than"):
        FolderSource(root, max_csv_bytes=len(CSV) - 1).fetch(file, staging)
    assert list(staging.iterdir()) == []


def test_a_full_disk_is_no_fault_of_the_file(root, file, staging):
    _place(root, file.folder_paths[0], CSV)
    (staging / f"{file.name}.csv").symlink_to("/dev/full")
    with pytest.raises(OutOfSpace, match="No space left"):
        FolderSource(root).fetch(file, staging)
    assert list(staging.iterdir()) == []


@pytest.mark.real_data
def test_the_real_mirror_is_also_a_folder(real_data, staging):
    file = ArchiveFile("APEUSDT", "aggTrades", None, date(2024, 10, 18))
    staged = FolderSource(real_data / "archive").fetch(file, staging)
    assert staged.verified
    assert staged.csv_path.stat().st_size == 2_822_304
