"""The committed notebooks are fit to be compared, and each rule notices the notebook that breaks it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from tests.notebooks.hygiene import ALL, COLAB_SETUP, NOTEBOOKS, driven, problems, tags
from tools.notebooks import VERDICT_TAG


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def shown(site: Path, path: Path) -> set[str]:
    """The explorers on a notebook's built page; of typed functions, the first figure for each number of variables."""
    page = (site / "notebooks" / path.with_suffix(".html").name).read_text()
    typed = set[str]()
    for name in re.findall(r'<rich-typed name="([^"]+)"', page):
        module = (site / "live" / "explorers" / f"{name}-presets.js").read_text()
        presets = json.loads(module.splitlines()[-1].removeprefix("export const presets = ").removesuffix(";"))
        figures = {each["variables"]: each["src"] for each in reversed(presets) if each["src"] is not None}
        typed |= {source.removesuffix(".js") for source in figures.values()}
    return typed | set(re.findall(r'<rich-explorer name="([^"]+)"', page))


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_is_fit_to_be_committed(path: Path) -> None:
    assert problems(read(path)) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_drives_every_explorer_that_it_shows(path: Path, site: Path) -> None:
    assert driven(read(path)) == shown(site, path) != set()


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_colab_is_left_its_own_torch_and_numpy(path: Path) -> None:
    for line in re.findall(r"^\s*[%!]\s*pip\b.*", "\n".join(cell.source for cell in read(path).cells), re.MULTILINE):
        assert "--no-deps" in line
        assert not re.search(r"\b(torch|numpy)\b", line)


def first_verdict(notebook: NotebookNode) -> NotebookNode:
    return next(cell for cell in notebook.cells if VERDICT_TAG in tags(cell))


def clear_one(notebook: NotebookNode) -> None:
    first_verdict(notebook).outputs = []


def clear_all(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None


def forget_counts(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = None


def run_out_of_order(notebook: NotebookNode) -> None:
    first_verdict(notebook).execution_count += 7


def untag(notebook: NotebookNode) -> None:
    first_verdict(notebook).metadata.tags.remove(VERDICT_TAG)


def keep_an_error(notebook: NotebookNode) -> None:
    first_verdict(notebook).outputs = [nbformat.v4.new_output("error", ename="ValueError", evalue="", traceback=[])]


def keep_a_figure(notebook: NotebookNode) -> None:
    plain = next(cell for cell in notebook.cells if cell.cell_type == "code" and VERDICT_TAG not in tags(cell))
    plain.outputs = [nbformat.v4.new_output("display_data", data={"text/plain": "a figure"})]


def drop_setup(notebook: NotebookNode) -> None:
    del notebook.cells[1]


def reinstall_torch(notebook: NotebookNode) -> None:
    notebook.cells[1].source = COLAB_SETUP.replace("--no-deps", "torch")


def show_setup(notebook: NotebookNode) -> None:
    notebook.cells[1].metadata.tags = []


def drop_title(notebook: NotebookNode) -> None:
    notebook.cells[0].source = "No title"


BREAKAGES = {
    clear_one: "a verdict was cleared",
    clear_all: "a verdict was cleared",
    forget_counts: "not executed from top to bottom",
    run_out_of_order: "not executed from top to bottom",
    untag: "is not tagged",
    keep_an_error: "a cell ended with an error",
    keep_a_figure: "outputs are kept",
    drop_setup: "the second cell is not",
    reinstall_torch: "the second cell is not",
    show_setup: "lacks the tags",
    drop_title: "not a title",
}


@pytest.mark.parametrize(("break_it", "complaint"), BREAKAGES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_notices(break_it: Callable[[NotebookNode], None], complaint: str) -> None:
    notebook = deepcopy(read(NOTEBOOKS[0]))
    break_it(notebook)
    assert [problem for problem in problems(notebook) if complaint in problem]


def test_notices_an_explorer_that_is_not_driven(site: Path) -> None:
    notebook = read(NOTEBOOKS[0])
    notebook.cells = [cell for cell in notebook.cells if ".drive()" not in cell.source]
    assert driven(notebook) < shown(site, NOTEBOOKS[0])
