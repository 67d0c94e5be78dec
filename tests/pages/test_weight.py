"""What a page makes the reader download."""

from __future__ import annotations

import gzip
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


@pytest.mark.parametrize("page", written_pages())
def test_our_javascript_is_small(browser: Browser, site_url: str, page: str) -> None:
    with visit(browser, f"{site_url}/{page}.html") as visited:
        weight = sum(len(gzip.compress(body)) for path, body in scripts(visited).items() if is_ours(path))
    assert weight <= 300 * KILOBYTE


@pytest.mark.parametrize("page", written_pages())
def test_onnx_waits_for_the_first_touch(browser: Browser, site_url: str, page: str) -> None:
    with visit(browser, f"{site_url}/{page}.html") as visited:
        requested = [response.url for response in visited.responses]
    assert [url for url in requested if "onnx" in url] == []
