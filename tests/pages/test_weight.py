"""What a page makes the reader download."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from tests.conftest import Visit, visit
from tests.pages.test_pages import written_pages

KILOBYTE = 1000


def scripts(visited: Visit) -> dict[str, bytes]:
    """The JavaScript that the page loaded, by path."""
    loaded = (response for response in visited.responses if response.request.resource_type == "script")
    return {urlsplit(response.url).path: response.body() for response in loaded}


def is_ours(path: str) -> bool:
    """Ours: the explorers and the book's own script. Not ours: vendored libraries and the theme's."""
    return path.startswith("/live/") or path == "/_static/book.js"


@pytest.fixture(scope="module", params=written_pages())
def untouched(request: pytest.FixtureRequest, browser: Browser, site_url: str) -> Iterator[Visit]:
    with visit(browser, f"{site_url}/{request.param}.html") as visited:
        yield visited


def test_our_javascript_is_small(untouched: Visit) -> None:
    weight = sum(len(gzip.compress(body)) for path, body in scripts(untouched).items() if is_ours(path))
    assert weight <= 300 * KILOBYTE


def test_onnx_waits_for_the_first_touch(untouched: Visit) -> None:
    assert [response.url for response in untouched.responses if "onnx" in response.url] == []
