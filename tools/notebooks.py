"""Run notebooks and keep what a commit holds: `python -m tools.notebooks [PATH …]`, all by default.

Cells keep their execution counts; only those tagged `nbval-check-output` keep their outputs, the verdicts that CI compares.
Cells tagged `hide-input`, which the page folds, are folded in JupyterLab too.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tools.console import step

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
VERDICT_TAG = "nbval-check-output"
KEPT = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


def refresh(path: Path) -> None:
    """Run the notebook from top to bottom and write it back; a cell that raises leaves the file as it was."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        folded = {"jupyter": {"source_hidden": True}} if "hide-input" in tags else {}
        cell.metadata = nbformat.from_dict(({"tags": tags} if tags else {}) | folded)
        if cell.cell_type == "code" and VERDICT_TAG not in tags:
            cell.outputs = []
    notebook.metadata = nbformat.from_dict(KEPT)
    nbformat.write(notebook, path)


def main() -> None:
    for path in [Path(argument) for argument in sys.argv[1:]] or sorted(NOTEBOOKS.glob("[0-9]*.ipynb")):
        with step(f"Running {path.name}"):
            refresh(path)


if __name__ == "__main__":
    main()
