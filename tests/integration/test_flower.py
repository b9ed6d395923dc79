"""Flower lets nobody in without its password, on no path, and under no name but ours."""

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from liqheat_project.launcher.processes import spawn
from tests.conftest import worker_environment
from tests.support.services import CHECKOUT, free_port, wait_until

USER, PASSWORD = "ada", "a password: with a colon"


@pytest.fixture(scope="module")
def flower(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    address = f"127.0.0.1:{free_port()}"
    environment = worker_environment() | {
        "FLOWER_ADDRESS": address,
        "FLOWER_BASIC_AUTH": f"{USER}:{PASSWORD}",
        "VAR_DIR": str(tmp_path_factory.mktemp("flower")),
    }
    log = Path(environment["VAR_DIR"]) / "log"
    process = spawn([sys.executable, "manage.py", "flower"], log, environment, CHECKOUT)
    url = f"http://{address}"

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            httpx.get(url, trust_env=False)
        except httpx.TransportError:
            return False
        return True

    wait_until(answers, 60, "Flower")
    yield url
    process.kill()
    process.wait()


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthcheck", "/static/js/flower.js", "/x"])
def test_every_path_asks_for_the_password_and_may_not_be_framed(flower: str, path: str) -> None:
    for auth in (None, (USER, "guess")):
        refused = httpx.get(f"{flower}{path}", auth=auth, trust_env=False)
        assert refused.status_code == 401
    for answer in (refused, httpx.get(f"{flower}{path}", auth=(USER, PASSWORD), trust_env=False)):
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.status_code == (404 if path == "/x" else 200)


def test_another_name_is_not_answered(flower: str) -> None:
    headers = {"Host": "evil.example"}
    answer = httpx.get(f"{flower}/", auth=(USER, PASSWORD), headers=headers, trust_env=False)
    assert answer.status_code == 400
