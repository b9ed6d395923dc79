"""The stand-ins for exchange and archive that the collectors ask. Imported before Django is set
up."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ingestion.lake import LakeConfig
from tests.support.archive_server import ArchiveServer
from tests.support.exchange import FuturesExchange

START = 1_795_608_030.0  # 2026-11-25 12:00:30


@pytest.fixture
def exchange(settings: Any, db: None, lake: LakeConfig) -> Iterator[FuturesExchange]:
    """Its time stands still at START until the test moves `exchange.clock`."""
    import redis

    from ingestion.sources.governor import KEY

    client = redis.Redis.from_url(settings.REDIS_URL)
    client.delete(KEY)
    with FuturesExchange(["ETHUSDT", "BTCUSDT"], clock=lambda: START) as exchange:
        settings.FUTURES_BASE_URL = exchange.url
        settings.REST_TIMEOUT_SECONDS = 1
        yield exchange
    client.delete(KEY)


@pytest.fixture
def archive(settings: Any, db: None, lake: LakeConfig, tmp_path: Path) -> Iterator[ArchiveServer]:
    with ArchiveServer(tmp_path / "archive") as archive:
        settings.ARCHIVE_BASE_URL = archive.url
        yield archive


@pytest.fixture
def enable(db: None) -> Callable[..., None]:
    """Makes these the enabled symbols."""
    from ingestion.models import Symbol

    def enable(*names: str) -> None:
        Symbol.objects.update(enabled=False)
        for name in names:
            Symbol.objects.update_or_create(
                name=name, defaults={"enabled": True, "tick_size": "0.01"}
            )

    return enable


@pytest.fixture
def lift(settings: Any) -> Callable[[], None]:
    """Lets requests out again at once, as a person does who resumes."""

    def lift() -> None:
        from ingestion.collecting.exchange import governor

        governor().resume()

    return lift
