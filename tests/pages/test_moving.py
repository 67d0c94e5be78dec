"""A plot that follows the hand looks like the one that plotly draws when the hand rests."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator

from tests.conftest import Visit, visit
from tests.notebooks.hygiene import NOTEBOOKS

MOVE = """async (explorer, share) => {
  const [t] = explorer.description.controls;
  await explorer.set({ [t.name]: Math.round(share * t.maximum) });
}"""

SETTLE = """async (explorer) => {
  for (const plot of explorer.figure.plots) await plot.settle();
}"""

# Differing values: none, but for a dashed line that comes up from below, from the logarithm of 0; its dashes may shift.
ONE_DASHED_LINE = 600

DIFFERENCE = """async ([before, after]) => {
  const pixels = async (png) => {
    const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
    const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, image.width, image.height).data;
  };
  const [a, b] = [await pixels(before), await pixels(after)];
  return a.reduce((count, value, i) => count + (Math.abs(value - b[i]) > 96), 0);
}"""


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def chapter(request: pytest.FixtureRequest, browser: Browser, site_url: str) -> Iterator[Visit]:
    with visit(browser, f"{site_url}/notebooks/{request.param.stem}.html") as visited:
        visited.page.set_viewport_size({"width": 1280, "height": 2000})  # every panel in sight
        yield visited


def picture(explorer: Locator) -> str:
    return base64.b64encode(explorer.screenshot(animations="disabled")).decode()


def test_a_moved_curve_looks_like_a_drawn_one(chapter: Visit) -> None:
    for explorer in chapter.page.locator("rich-explorer").all():
        explorer.scroll_into_view_if_needed()
        explorer.evaluate(MOVE, 0.5)
        chapter.page.wait_for_timeout(1000)
        for share in (1, 0.2, 0, 0.6):  # curves grow, shrink, vanish and appear
            explorer.evaluate(MOVE, share)
            moved = picture(explorer)
            explorer.evaluate(SETTLE)
            differing = chapter.page.evaluate(DIFFERENCE, [moved, picture(explorer)])
            assert differing < ONE_DASHED_LINE, share
