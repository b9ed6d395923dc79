import io
import os
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from ingestion.market.files import ArchiveFile
from ingestion.sources.archive import ArchiveSource
from tests.support.archive_server import ArchiveServer

CSV = (
    b"agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
    b"1,2500.10,0.5,1,2,1730419200001,true\n"
)


def zip_of(
    members: dict[str, bytes] | None = None, compression: int = zipfile.ZIP_DEFLATED
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, body in (members or {"ETHUSDT-aggTrades-2024-11-01.csv": CSV}).items():
            archive.writestr(name, body)
    return buffer.getvalue()


@pytest.fixture
def file() -> ArchiveFile:
    return ArchiveFile("ETHUSDT", "aggTrades", None, date(2024, 11, 1))


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    (tmp_path / "staging").mkdir()
    return tmp_path / "staging"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ArchiveServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ArchiveServer(tmp_path / "mirror") as server:
        yield server


@pytest.fixture
def source(server: ArchiveServer) -> Iterator[ArchiveSource]:
    with ArchiveSource(server.url, listing_url=server.listing_url, timeout=0.4) as source:
        yield source


@pytest.fixture
def real_data() -> Path:
    beside = Path(__file__).parents[5] / "shared" / "data"
    place = Path(os.environ.get("LIQHEAT_REAL_DATA", beside))
    if not (place / "archive").is_dir():
        pytest.skip(f"no real market data in {place}: set LIQHEAT_REAL_DATA")
    return place
