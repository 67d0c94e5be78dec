"""The page draws what the kernel computes: the same controls give the same arrays, for every explorer of the book."""

from __future__ import annotations

import ast
import contextlib
import io
import json
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from playwright.sync_api import Browser, Locator, Page

from implicit_lib.explore import Explorer, History, Slider, TorchSystem
from implicit_lib.explore._explorer import PanelArrays
from tests.conftest import visit
from tests.notebooks.hygiene import NOTEBOOKS

FORMATS = [(".3g", 0.0123456), (".3g", 123456.0), (".2f", 2.0), (".0f", 7.4), (".1e", 0.00123)]


@cache
def explorers(notebook: Path) -> dict[str, Explorer]:
    """The explorers of a chapter, as its cells make them; only those cells run on which its figures depend."""
    names: dict[str, Any] = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for source in needed(notebook):
            exec(source, names)
    return {value.name: value for value in names.values() if isinstance(value, Explorer)}


def needed(notebook: Path) -> list[str]:
    """The cells before a figure's check that bind a name that the figure needs, or the cells that it needs."""
    cells = [cell.source for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    wanted: set[str] = set()
    chosen: list[str] = []
    for cell in reversed([TransformerManager().transform_cell(source) for source in cells]):
        bound, read = names_of(cell)
        if ".drive()" in cell:
            wanted |= read
        elif bound & wanted:
            wanted |= read
            chosen.insert(0, cell)
    return chosen


def names_of(cell: str) -> tuple[set[str], set[str]]:
    """The names that a cell binds anywhere, and those that it reads."""
    bound, read = set(), set()
    for node in ast.walk(ast.parse(cell)):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
    return bound, read


def settings(explorer: Explorer) -> Iterator[dict[str, Any]]:
    """The grid: every choice, both ends of every slider, and t over its range, last, so that iterates are kept."""
    axes = {
        name: control.sweep() if not isinstance(control, Slider) else [control.sweep()[0], control.sweep()[-1]]
        for name, control in explorer.controls.items()
    }
    axes[explorer.iterations.name] = axes.pop(explorer.iterations.name)
    yield from (dict(zip(axes, values, strict=True)) for values in product(*axes.values()))


def distance(expected: np.ndarray[Any, Any], drawn: Any) -> float:
    """The largest difference relative to the largest finite magnitude; infinite where shapes or gaps differ."""
    drawn = np.array(drawn, dtype=float)
    finite = np.isfinite(expected)
    if drawn.shape != expected.shape or not np.array_equal(drawn[~finite], expected[~finite], equal_nan=True):
        return np.inf
    if not finite.any():
        return 0.0
    return float(np.abs(drawn - expected)[finite].max() / max(np.abs(expected[finite]).max(), 1e-6))


def distances(ours: PanelArrays, theirs: dict[str, Any]) -> Iterator[float]:
    """Of every bound array."""
    for panel, traces in ours.items():
        for trace, axes in traces.items():
            for axis, expected in axes.items():
                yield distance(expected, theirs[panel][trace][axis])


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def chapter(request: pytest.FixtureRequest, browser: Browser, site_url: str) -> Iterator[tuple[Path, Page]]:
    path: Path = request.param
    with visit(browser, f"{site_url}/notebooks/{path.stem}.html") as visited:
        yield path, visited.page


# As one text: Playwright takes a second for the numbers of a few pictures. Python reads NaN and Infinity bare.
MOVE = """async (element, moved) => {
  await element.set(moved);
  const bare = (_, value) => (typeof value === "number" && !Number.isFinite(value) ? `<${value}>` : value);
  return JSON.stringify([await element.arrays(), await element.readouts()], bare).replaceAll(/"<|>"/g, "");
}"""


def moved(figure: Locator, controls: dict[str, Any]) -> tuple[dict[str, Any], dict[str, float]]:
    """What a figure of a page shows, once its controls are set so: its arrays, and its numbers."""
    arrays, readouts = json.loads(figure.evaluate(MOVE, controls))
    return arrays, readouts


def drawn(page: Page, name: str, controls: dict[str, Any]) -> tuple[dict[str, Any], dict[str, float]]:
    return moved(page.locator(f"rich-explorer[name={name}]"), controls)


def test_the_page_draws_what_the_kernel_computes(chapter: tuple[Path, Page]) -> None:
    path, page = chapter
    for name, explorer in explorers(path).items():
        of_torch = any(isinstance(system, TorchSystem) for system in explorer.systems.values())
        limit = 1e-4 if of_torch else 1e-6
        for controls in settings(explorer):
            (arrays, numbers), (their_arrays, their_numbers) = explorer.frame(**controls), drawn(page, name, controls)
            assert max(distances(arrays, their_arrays)) <= limit, (name, controls)
            ours = np.array([numbers[key] for key in numbers])
            theirs = np.array([their_numbers[key] for key in numbers], dtype=float)
            assert distance(ours, theirs) <= limit, (name, controls)


def test_one_iteration_more_is_noticed(chapter: tuple[Path, Page]) -> None:
    path, page = chapter
    for name, explorer in explorers(path).items():
        controls = explorer.settings()
        t = explorer.iterations.name
        arrays, _ = drawn(page, name, {**controls, t: controls[t] + 1})
        current = explorer.arrays()
        for panel in explorer.panels:
            for trace, references in panel.bind.items():
                if any(isinstance(reference, History) for reference in references.values()):
                    del current[panel.title][trace]  # of another length already
        assert max(distances(current, arrays)) > 1e-4


def test_the_page_refuses_a_control_out_of_range(chapter: tuple[Path, Page]) -> None:
    path, page = chapter
    for name in explorers(path):
        with pytest.raises(Exception, match="does not take"):
            drawn(page, name, {"t": -1})


@pytest.mark.parametrize(("spec", "value"), FORMATS)
def test_the_page_rounds_numbers_as_python_does(chapter: tuple[Path, Page], spec: str, value: float) -> None:
    _, page = chapter
    script = (
        "async ([value, spec]) => (await import(new URL('../live/controls.js', document.baseURI))).format(value, spec)"
    )
    expected = format(int(value) if spec == "d" else value, spec)
    assert float(page.evaluate(script, [value, spec])) == float(expected)
