"""What a committed notebook must have, beyond running without an error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from tools.notebooks import VERDICT_TAG

ROOT = Path(__file__).resolve().parents[2]
ALL = sorted((ROOT / "notebooks").glob("*.ipynb"))
NOTEBOOKS = [path for path in ALL if path.stem[0].isdigit()]
"""The chapters. The one that is left is for a GPU, and has nothing to move."""

COLAB_SETUP = (ROOT / "tools" / "colab_setup.txt").read_text().rstrip("\n")


def problems(notebook: NotebookNode) -> list[str]:
    """Everything that is wrong with a notebook, one line each; empty when it may be committed."""
    return [*opening(notebook), *execution(notebook), *verdicts(notebook)]


def opening(notebook: NotebookNode) -> Iterator[str]:
    """A title, then the cell that sets up Colab."""
    title, setup = notebook.cells[:2]
    if title.cell_type != "markdown" or not title.source.startswith("# "):
        yield "the first cell is not a title"
    if setup.cell_type != "code" or setup.source.rstrip("\n") != COLAB_SETUP:
        yield "the second cell is not tools/colab_setup.txt"
    if not {"colab", "remove-cell"} <= tags(setup):
        yield "the second cell lacks the tags colab and remove-cell"


def execution(notebook: NotebookNode) -> Iterator[str]:
    """Run from top to bottom in one kernel, without an error."""
    counts = [cell.execution_count for cell in code(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"not executed from top to bottom: execution counts are {counts}"
    if any(output.output_type == "error" for cell in code(notebook) for output in cell.outputs):
        yield "a cell ended with an error"


def verdicts(notebook: NotebookNode) -> Iterator[str]:
    """nbval compares the outputs of tagged cells only, and passes where one is cleared: so all are kept, no others."""
    if not any(VERDICT_TAG in tags(cell) for cell in code(notebook)):
        yield f"no cell is tagged {VERDICT_TAG}"
    for cell in code(notebook):
        tagged, first_line = VERDICT_TAG in tags(cell), cell.source.partition("\n")[0]
        if tagged and not cell.outputs:
            yield f"a verdict was cleared: {first_line}"
        if not tagged and cell.outputs:
            yield f"outputs are kept in a cell that is not tagged {VERDICT_TAG}: {first_line}"
        if not tagged and re.search(r"^check\(|\.drive\(\)", cell.source, re.MULTILINE):
            yield f"a check is not tagged {VERDICT_TAG}: {first_line}"


def driven(notebook: NotebookNode) -> set[str]:
    """The explorers whose `drive()` left its verdict: every control was moved across its range."""
    kept = [str(output.get("data", {}).get("text/plain", "")) for cell in code(notebook) for output in cell.outputs]
    return set(re.findall(r"PASS every control of '(.+?)' moves", "\n".join(kept)))


def code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell: NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))
