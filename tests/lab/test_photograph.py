"""A photograph opened in JupyterLab: its pixels reach the kernel, and a file that is none is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.conftest import blank
from tests.lab.test_lab import PATIENCE, run_notebook, served, write_notebook
from tests.pages.test_photograph import encoded


@pytest.fixture(scope="module")
def lab_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("lab")
    write_notebook(folder, "tests.explore.pictured")
    yield from served(folder)


def test_a_photograph_is_opened(browser: Browser, lab_url: str) -> None:
    with blank(browser) as visited:
        page = visited.page
        run_notebook(page, lab_url)
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
