"""A chapter in JupyterLab, in a real browser: run all cells, move a slider, and the plot follows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.conftest import Visit, blank
from tests.notebooks.hygiene import NOTEBOOKS

ROOT = Path(__file__).resolve().parents[2]
CHAPTER = NOTEBOOKS[0]
NOTEBOOK = "figure.ipynb"
PATIENCE = 120_000  # milliseconds; a kernel starts slowly where other tests run
FLAGS = (
    "--no-browser",
    "--allow-root",
    "--ip=127.0.0.1",
    "--port=0",
    "--IdentityProvider.token=",
    "--LabApp.extension_manager=readonly",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
)


@pytest.fixture(scope="module")
def lab_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """JupyterLab on a copy of the chapter."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copy(CHAPTER, folder)
    yield from served(folder)


def write_notebook(folder: Path, module: str) -> None:
    """A notebook in this folder whose only cell shows the `explorer` of a module of the tests."""
    cell = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom {module} import explorer\nexplorer()"
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)], metadata=kernel)
    nbformat.write(made, folder / NOTEBOOK)


def run_notebook(page: Page, url: str, name: str = NOTEBOOK) -> None:
    """Open a notebook and run all cells."""
    page.goto(f"{url}/lab/tree/{name}")
    # Before the kernel is there, running cells would open a dialog.
    expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=PATIENCE)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def served(folder: Path) -> Iterator[str]:
    """The address of a JupyterLab in this folder, with settings and state of its own, while it runs."""
    own = {f"JUPYTER{name}_DIR": str(folder / f".jupyter{name}") for name in ("_CONFIG", "_RUNTIME", "LAB_SETTINGS")}
    own["JUPYTERLAB_WORKSPACES_DIR"] = str(folder / ".workspaces")
    command = [sys.executable, "-m", "jupyterlab", *FLAGS, f"--ServerApp.root_dir={folder}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | own) as server:
        yield address(server)
        server.terminate()


def address(server: subprocess.Popen[str]) -> str:
    assert server.stderr is not None
    for line in server.stderr:
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        if found:
            # Read on, or the server stops when the pipe is full.
            threading.Thread(target=server.stderr.read, daemon=True).start()
            return found.group()
    return pytest.fail("JupyterLab did not start")


@pytest.fixture(scope="module")
def chapter(browser: Browser, lab_url: str) -> Iterator[Visit]:
    """The chapter, open, with all cells run."""
    with blank(browser) as visited:
        run_chapter(visited.page, lab_url)
        yield visited


def run_chapter(page: Page, url: str) -> None:
    """Open the chapter, run all cells, and wait until the last has run: the notebook then stands at its end."""
    run_notebook(page, url, CHAPTER.name)
    page.locator(".jp-InputPrompt", has_text="[*]").first.wait_for(state="attached")
    page.wait_for_function(f"() => !({LAST_PROMPT})()?.includes('*')", timeout=PATIENCE)


# JupyterLab keeps only the cells in sight in the document.
LAST_PROMPT = """() => {
    const notebook = document.querySelector(".jp-WindowedPanel-outer");
    notebook.scrollTo(0, notebook.scrollHeight);
    return [...notebook.querySelectorAll(".jp-CodeCell .jp-InputPrompt")].at(-1)?.textContent;
}"""


def first_figure(page: Page) -> Locator:
    """The chapter's first explorer, in sight and drawn."""
    page.locator(".jp-WindowedPanel-outer").evaluate("(notebook) => notebook.scrollTo(0, 0)")
    figure = page.get_by_role("group", name="One rule, iterated")
    figure.locator(".js-line").first.wait_for(state="attached", timeout=PATIENCE)
    figure.evaluate('(figure) => figure.scrollIntoView({ block: "start", behavior: "instant" })')
    return figure


def curves(figure: Locator) -> list[str]:
    paths: list[str] = figure.locator(".js-line").evaluate_all("(lines) => lines.map((line) => line.getAttribute('d'))")
    return paths


def test_the_slider_moves_the_plot(chapter: Visit) -> None:
    figure = first_figure(chapter.page)
    before = curves(figure)
    assert len(before) == 7  # the first frame: target, three iterates, slope and its limit, residual
    slider = figure.locator("input[type=range]").first
    slider.focus()
    slider.press("ArrowRight")
    expect(figure.locator(".spoken")).to_contain_text("Iterations t 9: ", timeout=PATIENCE)
    assert curves(figure) != before


def test_turns_dark_with_jupyterlab(chapter: Visit) -> None:
    tick = first_figure(chapter.page).locator(".xtick text").first
    expect(tick).to_have_css("fill", "rgb(0, 0, 0)")
    chapter.page.keyboard.press("Control+Shift+C")
    chapter.page.locator("#modal-command-palette input").fill("JupyterLab Dark")
    chapter.page.locator("#modal-command-palette .lm-CommandPalette-item", has_text="JupyterLab Dark").first.click()
    expect(tick).to_have_css("fill", "rgb(255, 255, 255)", timeout=PATIENCE)


def test_needs_no_other_host(chapter: Visit) -> None:
    assert chapter.external == []


def test_no_cell_failed(chapter: Visit) -> None:
    """Where a cell fails, JupyterLab runs none after it."""
    assert re.search(r"\d", chapter.page.evaluate(LAST_PROMPT))
    assert chapter.page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
