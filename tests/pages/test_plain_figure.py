"""A Plotly figure that is no explorer is drawn too: from a notebook's output to the page of a small book."""

from __future__ import annotations

import importlib
import threading
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Browser
from sphinx.errors import ExtensionError

from tests.conftest import visit
from tools import book

ROOT = Path(__file__).resolve().parents[2]
CONFIG = f"""
title: One figure
sphinx:
  local_extensions:
    vendored: {ROOT}/book/_ext
  config:
    html_static_path: [{ROOT}/book/_static]
    html_js_files: [[book.js, {{defer: defer}}]]
"""
FIGURE = """
import plotly.graph_objects as go
go.Figure(
    go.Scatter(x=[1, 2, 3], y=[1, 4, 9]),
    layout={"title": {"text": "Squares"}, "meta": {"alt": "Three points that rise ever faster."}},
)
"""


@pytest.fixture(scope="module")
def site_with_a_figure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("book")
    (folder / "_config.yml").write_text(CONFIG)
    (folder / "_toc.yml").write_text("format: jb-book\nroot: page\n")
    cells = [nbformat.v4.new_markdown_cell("# One figure"), nbformat.v4.new_code_cell(FIGURE)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "page.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        for name, path in {"ROOT": folder, "LOG": folder / "build.log"}.items():
            patch.setattr(book, name, path)
        book.run_jupyter_book()
    return folder / "_build" / "html"


def test_is_drawn_and_named(browser: Browser, site_with_a_figure: Path) -> None:
    with book.server(site_with_a_figure) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        with visit(browser, f"http://127.0.0.1:{running.server_port}/page.html", width=390) as visited:
            figure = visited.page.get_by_role("img", name="Squares. Three points that rise ever faster.")
            figure.locator(".js-plotly-plot path.js-line").wait_for()
            assert visited.page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
            assert visited.external == []
        running.shutdown()


@pytest.mark.parametrize("layout", [{}, {"title": {"text": "Squares"}}, {"meta": {"alt": "Three points."}}])
def test_what_is_not_described_is_refused(layout: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "book" / "_ext"))
    markup = importlib.import_module("vendored").markup
    with pytest.raises(ExtensionError, match="needs a title and a layout with meta"):
        markup({"data": [], "layout": layout})
