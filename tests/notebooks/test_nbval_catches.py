"""nbval, as the test command runs it, fails where a reader would be misled: tried on the first chapter's figure."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from tests.notebooks.hygiene import NOTEBOOKS, ROOT, tags
from tools.notebooks import VERDICT_TAG


@pytest.fixture
def figure() -> NotebookNode:
    """The chapter up to and with its first verdict: the cell that drives every control of the first explorer."""
    notebook = nbformat.read(NOTEBOOKS[0], as_version=4)
    end = next(i for i, cell in enumerate(notebook.cells) if VERDICT_TAG in tags(cell))
    notebook.cells = notebook.cells[: end + 1]
    return notebook


def nbval(notebook: NotebookNode, folder: Path) -> subprocess.CompletedProcess[str]:
    path = folder / "chapter.ipynb"
    nbformat.write(notebook, path)
    command = [sys.executable, "-m", "pytest", "-c", ROOT / "pyproject.toml", "-p", "no:cacheprovider", path]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def change_a_stored_verdict(notebook: NotebookNode) -> None:
    stored = json.dumps(notebook.cells[-1].outputs)
    notebook.cells[-1].outputs = nbformat.from_dict(json.loads(stored.replace("PASS", "PASSED")))


def raise_in_a_callback(notebook: NotebookNode) -> None:
    raising = "draw = staircase.frame\nstaircase.frame = lambda **moved: 1 / (moved['t'] - 30) and draw(**moved)"
    notebook.cells.insert(-1, nbformat.v4.new_code_cell(raising))


def raise_in_a_plain_callback(notebook: NotebookNode) -> None:
    notebook.cells += [
        nbformat.v4.new_code_cell("import ipywidgets\nslider = ipywidgets.IntSlider(max=5)"),
        nbformat.v4.new_code_cell("ipywidgets.interact(lambda t: 1 / (t - 3), t=slider);"),
        nbformat.v4.new_code_cell("slider.value = 3"),
    ]


def fail_a_check(notebook: NotebookNode) -> None:
    notebook.cells.append(nbformat.v4.new_code_cell("check('false', 2 + 2, equals=5, of='2 + 2')"))


def test_passes_as_committed(figure: NotebookNode, tmp_path: Path) -> None:
    result = nbval(figure, tmp_path)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    "break_it", [change_a_stored_verdict, raise_in_a_callback, raise_in_a_plain_callback, fail_a_check]
)
def test_fails(break_it: Callable[[NotebookNode], None], figure: NotebookNode, tmp_path: Path) -> None:
    break_it(figure)
    assert nbval(figure, tmp_path).returncode == 1
