"""A linear program typed in JupyterLab: the kernel reads it, and no key reaches the notebook."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import blank
from tests.lab.test_lab import PATIENCE, run_notebook, served, write_notebook


@pytest.fixture(scope="module")
def lab_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("lab")
    write_notebook(folder, "tests.cases.linear_programs.typed")
    yield from served(folder)


def test_a_program_is_typed(browser: Browser, lab_url: str) -> None:
    with blank(browser) as visited:
        page = visited.page
        run_notebook(page, lab_url)
        figure = page.get_by_role("group", name="A typed program")
        expect(figure.locator(".said")).to_contain_text("x = −0.500", timeout=PATIENCE)
        prompt = page.locator(".jp-CodeCell .jp-InputPrompt")
        before = prompt.all_text_contents()
        field = figure.get_by_role("textbox", name="Linear program")
        field.focus()
        page.keyboard.press("Control+A")
        page.keyboard.type("max: a + 2b\na + b <= 3\n0 <= a <= 2\n0 <= b <= 2\n")  # letters that are shortcuts
        page.keyboard.press("Control+Enter")
        expect(figure.locator(".said")).to_have_text("HiGHS's optimum: a = 1.000, b = 2.000.", timeout=PATIENCE)
        field.fill("min: a - ")
        page.keyboard.press("Control+Enter")
        expect(figure.locator(".refusal")).to_contain_text("cannot be read at '-'", timeout=PATIENCE)
        expect(figure.locator(".said")).to_have_text("HiGHS's optimum: a = 1.000, b = 2.000.")
        assert prompt.all_text_contents() == before
        assert visited.external == []
