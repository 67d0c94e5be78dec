"""How long a slider takes to redraw its plot, as a share of the limit: `python -m benchmarks.interaction`.

Every slider of the built pages, moved to 30 values in Chromium; and the first chapter's iteration slider in JupyterLab,
where a kernel computes. The limit is 50 ms where formulas run, 100 ms where a trained model runs (measured once it is
loaded) and 200 ms through a kernel, from the slider's event until the frame that shows the new plots is painted.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from shutil import copy

from playwright.sync_api import Browser, Page, sync_playwright

from tests.conftest import FLAGS as CHROMIUM_FLAGS
from tests.lab.test_lab import CHAPTER, address, first_figure, run_chapter
from tests.lab.test_lab import FLAGS as LAB_FLAGS
from tools import book
from tools import browser as chromium

MOVES = 30
FORMULAS, MODEL, KERNEL = 50, 100, 200  # milliseconds

# Jumps up and down: of t, every iterate being there; of the others, with t at its end, so that all is computed anew.
MOVE_ON_PAGE = """async (explorer, moves) => {
  await explorer.ready;
  explorer.scrollIntoView({ block: "start", behavior: "instant" });
  const { controls } = explorer.description;
  const [t] = controls;
  const times = {};
  for (const { name, minimum, maximum, step } of controls.filter(({ kind }) => kind !== "choice")) {
    await explorer.set({ [t.name]: t.maximum });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const steps = Math.round((maximum - minimum) / step);
    times[name] = [];
    for (let k = 1; k <= moves; k++) {
      const value = Number((minimum + ((k * 37) % (steps + 1)) * step).toPrecision(12));
      const start = performance.now();
      await explorer.set({ [name]: value });
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      times[name].push(performance.now() - start);
    }
  }
  return times;
}"""

# The kernel answers when it will; all panels in sight are drawn in one go, so one of them tells.
MOVE_IN_LAB = """(explorer) => new Promise((resolve) => {
  const slider = explorer.querySelector("input[type=range]");
  const drawn = new MutationObserver(() => {
    drawn.disconnect();
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - start)));
  });
  drawn.observe(explorer.querySelector(".scatterlayer"), { subtree: true, childList: true, attributes: true });
  const start = performance.now();
  slider.stepUp();
  slider.dispatchEvent(new Event("input", { bubbles: true }));
})"""


def on_pages(browser: Browser) -> Iterator[tuple[str, list[float], int]]:
    """Name, milliseconds and limit of every slider of the book's notebooks."""
    with book.server(book.build()) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        for path in sorted(Path(book.SITE, "notebooks").glob("*.html")):
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{running.server_port}/notebooks/{path.name}", wait_until="networkidle")
            for explorer in page.locator("rich-explorer").all():
                kinds = explorer.evaluate("(element) => Object.values(element.systems).map((system) => system.kind)")
                for control, times in explorer.evaluate(MOVE_ON_PAGE, MOVES).items():
                    name = f"page: {explorer.get_attribute('name')}, {control}"
                    yield name, times, MODEL if "onnx" in kinds else FORMULAS
            page.close()
        running.shutdown()


def in_lab(browser: Browser) -> tuple[str, list[float], int]:
    """The first chapter's first figure, through a kernel."""
    with tempfile.TemporaryDirectory() as folder:
        copy(CHAPTER, folder)
        own = {"JUPYTER_CONFIG_DIR": folder, "JUPYTERLAB_WORKSPACES_DIR": folder}
        command = [sys.executable, "-m", "jupyterlab", *LAB_FLAGS, f"--ServerApp.root_dir={folder}"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | own) as server:
            try:
                return "JupyterLab: staircase, t", move_in_lab(browser.new_page(), address(server)), KERNEL
            finally:
                server.terminate()


def move_in_lab(page: Page, url: str) -> list[float]:
    run_chapter(page, url)
    explorer = first_figure(page)
    page.wait_for_timeout(2000)
    return [explorer.evaluate(MOVE_IN_LAB) for _ in range(MOVES)]


def main() -> None:
    print("| figure | median, ms | slowest of 30, ms | limit, ms | median / limit |\n|---|---|---|---|---|", flush=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=CHROMIUM_FLAGS)
        for name, times, limit in [*on_pages(browser), in_lab(browser)]:
            median = statistics.median(times)
            print(f"| {name} | {median:.0f} | {max(times):.0f} | {limit} | {median / limit:.2f} |", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
