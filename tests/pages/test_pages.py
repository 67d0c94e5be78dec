"""Every page of the built site, as a reader meets it: light and dark, wide and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser

from tests.conftest import Visit, visit

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
SCREENSHOTS = ROOT / "_build" / "screenshots"
GENERATED = {"index", "genindex", "search"}


def written_pages() -> list[str]:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    return [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]


PAGES = [*written_pages(), *sorted(GENERATED)]
VIEWS = [(page, *view) for page in PAGES for view in (("light", 1280), ("dark", 1280), ("light", 390))]
"""What breaks in the dark breaks at every width: colours."""


@pytest.fixture(scope="module", params=VIEWS, ids=lambda view: "-".join(map(str, view)))
def view(request: pytest.FixtureRequest, browser: Browser, site_url: str) -> Iterator[Visit]:
    page, theme, width = request.param
    with visit(browser, f"{site_url}/{page}.html", theme=theme, width=width) as visited:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        visited.page.screenshot(path=SCREENSHOTS / f"{page.replace('/', '-')}-{theme}-{width}.png")
        yield visited


def test_these_are_all_the_pages(site: Path) -> None:
    built = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    assert {page for page in built if not page.startswith("_static/")} == set(PAGES)


def test_asks_only_its_own_host(view: Visit) -> None:
    assert view.external == []


def test_reports_no_errors(view: Visit) -> None:
    assert view.errors == []


def test_is_accessible(view: Visit) -> None:
    view.page.add_script_tag(path=AXE)
    violations = view.page.evaluate("async () => (await axe.run({ resultTypes: ['violations'] })).violations")
    grave = [violation for violation in violations if violation["impact"] in ("serious", "critical")]
    assert [(violation["id"], [node["html"] for node in violation["nodes"]]) for violation in grave] == []


def test_does_not_scroll_sideways(view: Visit) -> None:
    assert view.page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")


def test_formulas_are_set(view: Visit) -> None:
    unset = view.page.evaluate(
        "() => [...document.querySelectorAll('.math')].filter(m => !m.querySelector('mjx-container')).length"
    )
    assert unset == 0
    assert view.page.locator("mjx-merror").count() == 0
    prose = view.page.evaluate(
        """() => {
            const copy = document.querySelector("main").cloneNode(true);
            copy.querySelectorAll("pre, code, script, mjx-container").forEach((node) => node.remove());
            return copy.textContent;
        }"""
    )
    assert "$" not in prose
    assert "\\(" not in prose


def test_images_have_a_description(view: Visit) -> None:
    assert view.page.locator("img:not([alt])").count() == 0
    assert view.page.locator("main img[alt='']").count() == 0


def test_names_its_language(view: Visit) -> None:
    assert view.page.locator("html").get_attribute("lang") == "en"


def test_follows_the_readers_theme(view: Visit, request: pytest.FixtureRequest) -> None:
    _, theme, _ = request.node.callspec.params["view"]
    lightness = view.page.evaluate(
        "() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
    )
    assert (sum(lightness) / 3 > 128) == (theme == "light")
