"""Vendored files are what their makers published: they match the sha512 kept beside them."""

import hashlib
from pathlib import Path

import pytest

from tests.support.services import CHECKOUT

FOLDERS = (
    CHECKOUT / "heatmap/static/vendor/lightweight-charts/5.2.1",
    CHECKOUT / "tests/browser/vendor/axe-core/4.14.1",
)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_vendored_files_match_their_checksums(folder: Path) -> None:
    checksums = list(folder.glob("*.sha512"))
    assert checksums
    for checksum in checksums:
        expected, name = checksum.read_text().split()
        assert hashlib.sha512((folder / name).read_bytes()).hexdigest() == expected
    assert (folder / "LICENSE").is_file()
