"""The page draws what the kernel computes: the same controls give the same arrays, for every explorer of the book."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from playwright.sync_api import Browser, Page

from implicit_lib.explore import Explorer, TorchSystem
from tests.conftest import visit
from tests.notebooks.hygiene import NOTEBOOKS

FORMATS = [(".3g", 0.0123456), (".3g", 123456.0), (".2f", 2.0), (".1e", 0.00123), ("d", 7.0)]


@cache
def explorers(notebook: Path) -> dict[str, Explorer]:
    """The explorers of a chapter, as the cells up to its last figure make them."""
    cells = [cell.source for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    last = max(i for i, source in enumerate(cells) if ".drive()" in source)
    names: dict[str, Any] = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for source in cells[:last]:
            exec(TransformerManager().transform_cell(source), names)
    return {value.name: value for value in names.values() if isinstance(value, Explorer)}


def settings(explorer: Explorer) -> Iterator[dict[str, Any]]:
    """Under every choice: t over its range, and at a third of it every other control over its own."""
    choices = explorer.controls[explorer.chosen_by].sweep() if explorer.chosen_by else [None]
    t = explorer.iterations
    for option in choices:
        base = {} if option is None else {explorer.chosen_by: option}
        for name, control in explorer.controls.items():
            if name != explorer.chosen_by:
                for value in control.sweep():
                    yield {**explorer.settings(), t.name: t.maximum // 3, **base, name: value}


def distance(ours: dict[str, Any], theirs: dict[str, Any]) -> float:
    """The largest difference relative to an array's largest finite magnitude; infinite where shapes or gaps differ."""
    worst = 0.0
    for panel, traces in ours.items():
        for trace, axes in traces.items():
            for axis, expected in axes.items():
                drawn = np.array(theirs[panel][trace][axis], dtype=float)
                if drawn.shape != expected.shape or not np.array_equal(np.isfinite(drawn), np.isfinite(expected)):
                    return np.inf
                finite = np.isfinite(expected)
                if finite.any():
                    scale = max(np.abs(expected[finite]).max(), 1e-6)
                    worst = max(worst, float(np.abs(drawn - expected)[finite].max() / scale))
    return worst


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def chapter(request: pytest.FixtureRequest, browser: Browser, site_url: str) -> Iterator[tuple[Path, Page]]:
    path: Path = request.param
    with visit(browser, f"{site_url}/notebooks/{path.stem}.html") as visited:
        yield path, visited.page


def drawn(page: Page, name: str, controls: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = page.locator(f"rich-explorer[name={name}]").evaluate(
        "async (element, controls) => { await element.set(controls); return element.arrays(); }", controls
    )
    return found


def test_the_page_draws_what_the_kernel_computes(chapter: tuple[Path, Page]) -> None:
    path, page = chapter
    for name, explorer in explorers(path).items():
        of_torch = any(isinstance(system, TorchSystem) for system in explorer.systems.values())
        for controls in settings(explorer):
            difference = distance(explorer.arrays(**controls), drawn(page, name, controls))
            assert difference <= (1e-4 if of_torch else 1e-6), (name, controls)


def test_one_iteration_more_is_noticed(chapter: tuple[Path, Page]) -> None:
    path, page = chapter
    for name, explorer in explorers(path).items():
        controls = explorer.settings()
        t = explorer.iterations.name
        shifted = drawn(page, name, {**controls, t: controls[t] + 1})
        assert distance(explorer.arrays(**controls), shifted) > 1e-4


def test_the_page_refuses_a_control_out_of_range(chapter: tuple[Path, Page]) -> None:
    path, page = chapter
    for name in explorers(path):
        with pytest.raises(Exception, match="does not take"):
            drawn(page, name, {"t": -1})


@pytest.mark.parametrize(("spec", "value"), FORMATS)
def test_the_page_prints_numbers_as_python_does(chapter: tuple[Path, Page], spec: str, value: float) -> None:
    _, page = chapter
    script = (
        "async ([value, spec]) => (await import(new URL('../live/controls.js', document.baseURI))).format(value, spec)"
    )
    expected = format(int(value) if spec == "d" else value, spec)
    assert float(page.evaluate(script, [value, spec])) == float(expected)
