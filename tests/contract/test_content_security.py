"""Each page has a policy, and asks for nothing that its policy would refuse. Which parts of the
admin's libraries need more is for the browser's tests to see."""

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client


class Inline(HTMLParser):
    """Scripts, styles and handlers that stand in the page itself, and files from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        code = tag == "script" and given.get("type") not in ("application/json",)
        if (code and "src" not in given) or tag == "style":
            self.found.append(f"<{tag}>")
        self.found += [
            f"{tag} {name}" for name in given if name.startswith("on") or name == "style"
        ]
        for name in ("src", "href"):
            if tag != "a" and (given.get(name) or "").startswith(("http:", "https:", "//")):
                self.found.append(f"{tag} {name}={given[name]}")


@pytest.fixture
def client(db: None, settings: Any) -> Iterator[Client]:
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": plain}  # nothing is collected here
    yield Client()


@pytest.mark.parametrize("path", ["/heatmap/", "/symbols", "/api/schema", "/nothing-here"])
def test_the_page_and_the_api_allow_nothing_inline(client: Client, path: str) -> None:
    answer = client.get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy or "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    page = Inline()
    page.feed(answer.content.decode())
    assert page.found == []


@pytest.mark.parametrize("path", ["/api/docs", "/admin/login/"])
def test_other_pages_load_nothing_from_elsewhere(client: Client, path: str) -> None:
    answer = client.get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy and "*" not in policy
    page = Inline()
    page.feed(answer.content.decode())
    assert not [found for found in page.found if "=" in found]
