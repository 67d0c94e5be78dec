"""The canvases of the published page show the arrays, pixel by pixel."""

import numpy as np
from playwright.sync_api import Browser

from tests.conftest import visit

READ = """async (explorer) => {
  await explorer.set({ t: 4 });
  const pictures = explorer.figure.plots.find((plot) => plot.canvases);
  const pixels = (canvas) => Array.from(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data);
  const drawn = Object.fromEntries(Object.entries(pictures.canvases).map(([name, canvas]) => [name, pixels(canvas)]));
  const panel = explorer.description.panels.find(({ side }) => side);
  return [drawn, (await explorer.arrays())[panel.title], panel.side];
}"""


def test_the_canvases_show_the_arrays(browser: Browser, site_url: str) -> None:
    with visit(browser, f"{site_url}/notebooks/13_image_deblurring.html") as visited:
        explorer = visited.page.locator("rich-explorer[name=sharpen]")
        explorer.scroll_into_view_if_needed()
        drawn, arrays, side = explorer.evaluate(READ)
        assert explorer.locator(".pictures").get_attribute("role") == "img"
    assert len(drawn) == 5
    for name, values in drawn.items():
        shown = np.array(values).reshape(side, side, 4)
        wanted = 255 * np.array(arrays[name]["pixels"]).reshape(3, side, side).transpose(1, 2, 0).clip(0, 1)
        assert np.abs(shown[..., :3] - wanted).max() <= 0.51 and (shown[..., 3] == 255).all(), name
