"""What the browser tests share: the built site on a loopback port, and a Chromium that reaches nothing else."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Response, Route, sync_playwright

from tools import book
from tools import browser as chromium

# Workers and kernels share the cores; a pool of threads in each of them would only get in the others' way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One file of the built book's begins, what needs no book comes next: no worker waits while the book is built."""
    needy = {item.path for item in items if "site" in getattr(item, "fixturenames", ())}
    first = next((item.path for item in items if item.path in needy and item.path.stem == "test_pages"), None)
    items.sort(key=lambda item: 0 if item.path == first else 2 if item.path in needy else 1)


@pytest.fixture(scope="session")
def site() -> Path:
    """The built book: built once, or taken as it is when nothing it is made from changed."""
    return book.build()


@pytest.fixture(scope="session")
def site_url(site: Path) -> Iterator[str]:
    with book.server(site) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


# One browser a file, not a session: Playwright keeps an event loop in this thread, which other files may not expect.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = chromium.find() or pytest.fail(f"no Chromium: {chromium.ADVICE}")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield running
        running.close()


@dataclass
class Visit:
    """A page in a browser context of its own, with all that it asked for and all that went wrong."""

    page: Page
    external: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)

    def watch(self) -> None:
        self.page.route("**/*", self.only_loopback)
        self.page.on("console", self.note_console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("response", self.note_response)

    def only_loopback(self, route: Route) -> None:
        if urlsplit(route.request.url).hostname == "127.0.0.1":
            route.continue_()
        else:
            self.external.append(route.request.url)
            route.abort()

    def note_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def note_response(self, response: Response) -> None:
        self.responses.append(response)
        if response.status >= 400:
            self.errors.append(f"{response.status} {response.url}")


@contextmanager
def blank(
    browser: Browser, *, width: int = 1280, theme: Literal["light", "dark"] = "light", touch: bool = False
) -> Iterator[Visit]:
    """An empty page in a fresh context; `theme` is what the reader's system prefers."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, has_touch=touch)
    context.set_default_timeout(60_000)  # two workers on two busy cores are slow
    visited = Visit(context.new_page())
    visited.watch()
    yield visited
    context.close()


# On a busy machine the network is quiet before the scripts have run.
FIGURES_RUN = """() => Promise.all(
  ["rich-explorer", "rich-typed"]
    .filter((name) => document.querySelector(name))
    .map((name) => customElements.whenDefined(name).then(() => null)),
)"""


@contextmanager
def visit(
    browser: Browser, url: str, *, width: int = 1280, theme: Literal["light", "dark"] = "light", touch: bool = False
) -> Iterator[Visit]:
    """A page of the book, once its network is quiet, its figures run and its formulas are set."""
    with blank(browser, width=width, theme=theme, touch=touch) as visited:
        visited.page.goto(url, wait_until="networkidle")
        visited.page.evaluate(FIGURES_RUN)
        visited.page.evaluate("() => window.MathJax?.startup?.promise")
        yield visited
