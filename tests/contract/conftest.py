"""A small market in the session's lake, and a client of the API."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The market's archive files."""
    from tests.support.market import write_files

    folder = tmp_path_factory.mktemp("archive")
    write_files(folder)
    return folder


@pytest.fixture(scope="session")
def loaded(archive: Path, django_db_setup: None, django_db_blocker: Any) -> None:
    """The market is in the session's lake. Django's tables are left as the migrations made them:
    what is committed here would be seen by every other test."""
    from django.core.management import call_command

    from tests.support.market import load_all

    with django_db_blocker.unblock():
        load_all(archive)
        call_command("flush", interactive=False, verbosity=0, reset_sequences=False)


@pytest.fixture
def api(db: None, loaded: None) -> Iterator[Callable[..., Any]]:
    """GET a path with parameters; both symbols are enabled, caches are empty."""
    from django.core.cache import caches
    from django.test import Client

    from heatmap.api import markets
    from tests.support.market import TICKS, register

    for name in TICKS:
        register(name)
    register("DOTUSDT", enabled=False)
    caches["answers"].clear()
    markets.forget()
    client = Client()

    def get(path: str, headers: dict[str, str] | None = None, **parameters: Any) -> Any:
        return client.get(path, parameters, headers=headers)

    yield get
    markets.forget()
