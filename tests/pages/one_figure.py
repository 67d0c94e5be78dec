"""A site of one figure alone: as the book serves it, without the book."""

from __future__ import annotations

import runpy
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from implicit_lib.explore import LIVE, PAGE_FILES, Explorer
from tools import book

ROOT = Path(__file__).resolve().parents[2]
HTML = """<!doctype html><html lang="en" data-theme="{theme}"><title>{title}</title>
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="live/explorer.css">
<link rel="icon" href="data:,"><style>html {{ color-scheme: {theme} }}</style>
<main><h1>Figure</h1><rich-explorer name="{name}" src="live/explorers/{name}.js"></rich-explorer></main>
<script type="module" src="live/explorer.js"></script>"""


def built(make: Callable[[], Explorer], site: Path, *, title: str, vendors: tuple[str, ...]) -> Explorer:
    """The explorer that `make` returns; in the folder light.html and dark.html show it, with these vendors' files."""
    shutil.copytree(LIVE, site / "live")
    vendored = runpy.run_path(str(ROOT / "book" / "_ext" / "vendored.py"))
    for source, target in vendored["FILES"].items():
        if target.split("/")[0] in vendors:
            vendored["place"](vendored["MODULES"] / source, site / "vendor" / target)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PAGE_FILES, str(site / "live" / "explorers"))
        explorer = make()
    for theme in ("light", "dark"):
        (site / f"{theme}.html").write_text(HTML.format(theme=theme, title=title, name=explorer.name))
    return explorer


def served(site: Path) -> Iterator[str]:
    """Its address, while it is served."""
    with book.server(site) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
