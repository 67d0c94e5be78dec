"""The built site as a whole: where it may stand, what it carries, and that its search finds."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import visit
from tools import book


def test_works_in_a_subfolder(browser: Browser, site: Path) -> None:
    """As on GitHub Pages, where a project's site stands under its name."""
    with book.server(site.parent) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        with visit(browser, f"http://127.0.0.1:{running.server_port}/{site.name}/index.html") as visited:
            assert visited.page.url.endswith(f"/{site.name}/book/index.html")
            visited.page.locator("rich-explorer .js-plotly-plot").first.wait_for()
            assert visited.errors == []
        running.shutdown()


def test_search_finds_a_chapter(browser: Browser, site_url: str) -> None:
    with visit(browser, f"{site_url}/search.html?q=staircase") as visited:
        expect(visited.page.locator("#search-results a").first).to_be_visible()
        assert visited.errors == []


@pytest.mark.parametrize("library", ["mathjax", "mathjs", "plotly", "onnxruntime", "highs"])
def test_third_party_code_has_its_licence_beside_it(site: Path, library: str) -> None:
    assert "permission" in (site / "vendor" / library / "LICENSE").read_text().lower()


def test_offers_colab_for_every_chapter(site: Path) -> None:
    for page in (site / "notebooks").glob("*.html"):
        launch = "https://colab.research.google.com/github/rich-equilibria/rich-equilibria/blob/main/notebooks/"
        assert f"{launch}{page.with_suffix('.ipynb').name}" in page.read_text()
