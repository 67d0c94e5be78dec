"""A photograph opened in JupyterLab: its pixels reach the kernel, and a file that is none is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.conftest import blank
from tests.lab.test_lab import PATIENCE, served
from tests.pages.test_photograph import encoded

ROOT = Path(__file__).resolve().parents[2]
CELL = f"""import sys
sys.path.insert(0, {str(ROOT)!r})
from tests.explore.pictured import explorer
explorer()"""


@pytest.fixture(scope="module")
def lab_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("lab")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)], metadata=kernel)
    nbformat.write(notebook, folder / "pictured.ipynb")
    yield from served(folder)


def test_a_photograph_is_opened(browser: Browser, lab_url: str) -> None:
    with blank(browser) as visited:
        page = visited.page
        page.goto(f"{lab_url}/lab/tree/pictured.ipynb")
        expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=PATIENCE)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        figure = page.get_by_role("group", name="A photograph, by halves")
        mean = figure.locator("dl.readouts dd")
        expect(mean).to_have_text("0.2250", timeout=PATIENCE)  # 0.6 · 0.5 of the ramp, three quarters of the way
        file, refusal = figure.get_by_label("or open your own"), figure.locator(".refusal")
        grey = encoded(Image.new("RGB", (40, 30), (102, 102, 102)), "PNG")
        file.set_input_files({"name": "grey.png", "mimeType": "image/png", "buffer": grey})
        expect(mean).to_have_text("0.3000", timeout=PATIENCE)  # 102/255 = 0.4
        expect(figure.get_by_label("Photograph", exact=True)).to_have_value("your own")
        file.set_input_files({"name": "cut.png", "mimeType": "image/png", "buffer": b"no picture"})
        expect(refusal).to_contain_text("Refused: the file is no image")
        figure.get_by_label("Gain").press("ArrowLeft")  # the last picture is still there
        expect(mean).to_have_text("0.2250", timeout=PATIENCE)
        expect(refusal).to_contain_text("Refused")
        assert visited.external == []
