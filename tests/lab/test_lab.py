"""A chapter in JupyterLab, in a real browser: run all cells, move a slider, and the plot follows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import Visit, blank
from tests.notebooks.hygiene import NOTEBOOKS

CHAPTER = NOTEBOOKS[0]
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
    """JupyterLab on a copy of the chapter, with settings and state of its own."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copy(CHAPTER, folder)
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
        page = visited.page
        page.goto(f"{lab_url}/lab/tree/{CHAPTER.name}")
        wait_until_idle(page)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        wait_for_the_first_figure(page)
        yield visited


def wait_until_idle(page: Page) -> None:
    """Until the kernel is there and quiet; before that, running cells would open a dialog."""
    expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=PATIENCE)


def wait_for_the_first_figure(page: Page) -> None:
    """Running all cells scrolls to the last one, and the first leave the document: scroll back up until it is drawn."""
    page.wait_for_function(
        """() => {
            document.querySelector(".jp-WindowedPanel-outer").scrollTo(0, 0);
            return document.querySelector(".rich-explorer .js-line");
        }""",
        timeout=PATIENCE,
    )
    wait_until_idle(page)


DRAWN = """() => [...document.querySelector(".rich-explorer").querySelectorAll(".js-line")].map(
    (line) => line.getAttribute("d")).join()"""


def test_the_slider_moves_the_plot(chapter: Visit) -> None:
    page = chapter.page
    before = page.evaluate(DRAWN)
    slider = page.locator(".rich-explorer input[type=range]").first
    slider.focus()
    slider.press("ArrowRight")
    page.wait_for_function(f"(before) => ({DRAWN})() !== before", arg=before, timeout=PATIENCE)


def test_needs_no_other_host(chapter: Visit) -> None:
    assert chapter.external == []


def test_no_cell_failed(chapter: Visit) -> None:
    assert chapter.page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
