"""Take the README's picture from the built book: `python -m tools.picture`."""

from __future__ import annotations

import threading
from pathlib import Path

from playwright.sync_api import sync_playwright

from tools import book, browser

PICTURE = Path(__file__).resolve().parent.parent / "images" / "staircase.png"


def main() -> None:
    """The top of the first figure as the reader finds it, at t = 12."""
    browser.main()
    with book.server(book.build()) as running, sync_playwright() as playwright:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        chromium = playwright.chromium.launch(executable_path=browser.find(), args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1100, "height": 900}, device_scale_factor=1.5)
        page.goto(f"http://127.0.0.1:{running.server_port}/book/index.html", wait_until="networkidle")
        figure = page.locator("rich-explorer").first
        figure.evaluate("(explorer) => explorer.set({ t: 12 })")
        whole, first_panel = figure.bounding_box(), figure.locator("figure").first.bounding_box()
        assert whole and first_panel
        PICTURE.parent.mkdir(exist_ok=True)
        page.screenshot(path=PICTURE, clip=whole | {"height": first_panel["y"] + first_panel["height"] - whole["y"]})
        chromium.close()
        running.shutdown()


if __name__ == "__main__":
    main()
