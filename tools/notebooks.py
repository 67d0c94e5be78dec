"""Execute notebooks in place, ready to be committed: `python -m tools.notebooks [notebooks/NAME.ipynb …]`.

Kept: execution counts, and the outputs of cells tagged nbval-check-output. Everything else is computed again wherever
the notebook is shown.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from tools.console import fail, step

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
VERDICT_TAG = "nbval-check-output"


def refresh(path: Path) -> None:
    """Execute one notebook and write it back.

    Raises:
        SystemExit: a cell failed; the file is left as it was.
    """
    notebook = nbformat.read(path, as_version=4)
    try:
        NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(path.parent)}}).execute()
    except CellExecutionError as error:
        fail(f"{path.name} does not run: {error.ename}: {error.evalue}")
    keep_what_is_compared(notebook)
    nbformat.write(notebook, path)


def keep_what_is_compared(notebook: NotebookNode) -> None:
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code" and VERDICT_TAG not in cell.metadata.get("tags", []):
            cell.outputs = []


def main() -> None:
    for path in [Path(name) for name in sys.argv[1:]] or sorted(NOTEBOOKS.glob("*.ipynb")):
        with step(f"Executing {path.name}"):
            refresh(path)


if __name__ == "__main__":
    main()
