"""Every explorer of every page answers to keyboard and touch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.conftest import Visit, visit
from tests.pages.test_pages import written_pages

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", params=written_pages())
def page(request: pytest.FixtureRequest, browser: Browser, site_url: str) -> Iterator[Visit]:
    with visit(browser, f"{site_url}/{request.param}.html", width=390, touch=True) as visited:
        yield visited


def explorers(page: Visit) -> list[Locator]:
    return page.page.locator("rich-explorer").all()


def arrays(explorer: Locator) -> Any:
    """All that the figure shows, as one text: its plots, and the numbers beside them."""
    return explorer.evaluate("async (element) => JSON.stringify([await element.arrays(), await element.readouts()])")


def redrawn(page: Visit, explorer: Locator, before: Any) -> bool:
    """Whether the figure comes to show something else; its first move may have to load a model."""
    for _ in range(100):
        if arrays(explorer) != before:
            return True
        page.page.wait_for_timeout(200)
    return False


def test_every_slider_answers_to_the_keyboard(page: Visit) -> None:
    for explorer in explorers(page):
        for slider in explorer.locator("input[type=range]").all():
            before, drawn = slider.input_value(), arrays(explorer)
            slider.focus()
            slider.press("ArrowRight" if before != slider.get_attribute("max") else "ArrowLeft")
            assert slider.input_value() != before
            assert redrawn(page, explorer, drawn), slider.get_attribute("id")


def test_every_slider_answers_to_touch(page: Visit) -> None:
    for explorer in explorers(page):
        for slider in explorer.locator("input[type=range]").all():
            slider.scroll_into_view_if_needed()
            box = slider.bounding_box()
            assert box is not None
            share = 0.25 if near_the_end(slider) else 0.75
            drawn = arrays(explorer)
            page.page.touchscreen.tap(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
            assert redrawn(page, explorer, drawn), slider.get_attribute("id")


def near_the_end(slider: Locator) -> bool:
    low, high, value = (float(slider.evaluate(f"(input) => input.{name}")) for name in ("min", "max", "value"))
    return value > (low + high) / 2


def test_every_slider_is_large_enough_for_a_finger(page: Visit) -> None:
    for explorer in explorers(page):
        for slider in explorer.locator("input[type=range]").all():
            box = slider.bounding_box()
            assert box is not None and box["height"] >= 24


def test_every_control_and_plot_has_a_name(page: Visit) -> None:
    for explorer in explorers(page):
        for control in explorer.locator("input, select").all():
            assert control.evaluate("(input) => input.labels.length > 0 || input.hasAttribute('aria-label')")


SPEECH = """(explorer) => {
  explorer.heard = [];
  new MutationObserver((changes) => changes.forEach(({ target }) => {
    const region = target.closest("[aria-live], [role=status], [role=alert], output");
    if (region && region.getAttribute("aria-live") !== "off") explorer.heard.push(region.textContent);
  })).observe(explorer, { subtree: true, childList: true });
}"""


def heard(explorer: Locator) -> list[str]:
    """What a screen reader was given to say, without regions that were emptied."""
    said: list[str] = explorer.evaluate("(explorer) => explorer.heard")
    return [text for text in said if text]


def test_numbers_are_spoken_once_when_the_figure_rests(page: Visit) -> None:
    for explorer in explorers(page):
        explorer.evaluate("(explorer) => explorer.set({ t: 1 })")
        page.page.wait_for_timeout(1000)
        explorer.evaluate(SPEECH)
        play = explorer.locator("button.play")
        play.click()
        page.page.wait_for_timeout(1500)
        assert heard(explorer) == []
        play.click()
        page.page.wait_for_function("(explorer) => explorer.heard.some(Boolean)", arg=explorer.element_handle())
        page.page.wait_for_timeout(1000)
        (text,) = heard(explorer)
        t = explorer.locator("input[type=range]").first.input_value()
        label = explorer.evaluate("(explorer) => explorer.description.controls[0].label")
        assert int(t) > 2 and text.startswith(f"{label} {t}: ")
        for number in explorer.locator("dl.readouts dd").all_inner_texts():
            assert number in text


def test_turns_dark_with_the_page(page: Visit) -> None:
    for explorer in explorers(page):
        tick = explorer.locator(".xtick text").first
        light = tick.evaluate("(text) => getComputedStyle(text).fill")
        page.page.evaluate("() => (document.documentElement.dataset.theme = 'dark')")
        expect(tick).not_to_have_css("fill", light)
        page.page.evaluate("() => (document.documentElement.dataset.theme = 'light')")
        expect(tick).to_have_css("fill", light)


def test_nothing_went_wrong(page: Visit) -> None:
    """After all of the above."""
    assert page.errors == []
    assert page.external == []
