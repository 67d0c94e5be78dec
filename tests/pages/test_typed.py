"""The widget of typed functions on the built page: presets as certified, typed formulas as sampled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, expect

from implicit_lib.typed import PRESETS, Preset, answer
from tests.conftest import Visit, visit
from tests.pages.test_pages import AXE
from tests.pages.test_parity import distance, distances

STEPS = "The step ε(x)"
SHOW = """async (widget, [formula, domain]) => {
  await widget.ready;
  Object.assign(widget.formula, { value: formula });
  Object.assign(widget.domain, { value: domain });
  const start = performance.now();
  await widget.show();
  return performance.now() - start;
}"""
MOVE = """async (explorer, values) => {
  await explorer.set(values);
  return [await explorer.arrays(), await explorer.readouts()];
}"""


@pytest.fixture(scope="module")
def address(site: Path, site_url: str) -> str:
    """The page that shows the widget."""
    pages = [path for path in sorted(site.rglob("*.html")) if "<rich-typed" in path.read_text(encoding="utf-8")]
    assert pages, "no page shows TypedFunction()"
    return f"{site_url}/{pages[0].relative_to(site).as_posix()}"


@pytest.fixture(scope="module")
def page(browser: Browser, address: str) -> Iterator[Visit]:
    with visit(browser, address, width=390) as visited:
        widget = visited.page.locator("rich-typed")
        widget.evaluate("(widget) => widget.ready")
        yield visited
        assert visited.errors == []
        assert visited.external == []


@pytest.fixture(scope="module")
def widget(page: Visit) -> Locator:
    return page.page.locator("rich-typed")


def show(widget: Locator, formula: str, domain: str) -> float:
    """Type both texts and show them; the milliseconds that it took."""
    return float(widget.evaluate(SHOW, [formula, domain]))


def title(widget: Locator) -> str:
    """Of the figure."""
    return widget.locator("rich-explorer .title").inner_text()


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.label)
def test_a_preset_shows_what_was_certified(widget: Locator, preset: Preset) -> None:
    widget.locator("select").select_option(preset.label)
    certificate, certified = widget.locator(".certificate"), answer(preset.formula, preset.domain)
    expect(certificate).to_contain_text(f"{certified.verdict.kind}: {certified.verdict.statement}")
    assert certificate.locator("li").all_inner_texts() == list(certified.verdict.lines)
    if certified.figure is None:
        expect(certificate).to_contain_text("the last one that was reached")
        return
    expect(widget.locator("rich-explorer .title")).to_have_text(certified.figure.title)
    for settings in ({"t": 3}, {"t": 100}, {"t": 40, "x0": certified.figure.controls["x0"].sweep()[3]}):
        arrays, numbers = certified.figure.frame(**settings)
        drawn, said = widget.locator("rich-explorer").evaluate(MOVE, settings)
        assert max(distances(arrays, drawn)) <= 1e-6, settings
        assert distance(np.array(list(numbers.values())), [said[name] for name in numbers]) <= 1e-6


def test_mathjs_waits_for_the_first_text(browser: Browser, address: str) -> None:
    with visit(browser, address) as visited:
        widget = visited.page.locator("rich-typed")
        widget.locator("select").select_option(PRESETS[2].label)
        expect(widget.locator("rich-explorer .title")).to_contain_text(PRESETS[2].formula)
        assert [response.url for response in visited.responses if "mathjs" in response.url] == []
        with visited.page.expect_response("**/mathjs/math.js"):
            widget.get_by_role("textbox", name="F(x) =").focus()


def test_a_typed_formula_is_sampled(page: Visit, widget: Locator) -> None:
    """By keyboard alone; the figure is that of the kernel, but for the step, which rests on samples."""
    field = widget.get_by_role("textbox", name="F(x) =")
    field.focus()
    field.fill("1/(x + 0.1) - 2**-x")
    page.page.keyboard.press("Tab")
    page.page.keyboard.insert_text("[0, 1]")
    page.page.keyboard.press("Enter")
    certificate = widget.locator(".certificate")
    expect(certificate).to_contain_text("sampled: not refuted in")
    expect(widget.locator("rich-explorer .title")).to_contain_text("1/(x + 0.1) - 2**-x on [0, 1], sampled")
    arrays, numbers = widget.locator("rich-explorer").evaluate(MOVE, {"t": 30})
    certified = answer("1/(x + 0.1) - 2**-x", "[0, 1]").figure
    assert certified is not None
    ours, said = certified.frame(t=30)
    assert numbers["target0"] == pytest.approx(said["target0"], rel=1e-12)
    sampled, proved = np.array(arrays[STEPS]["ε"]["y"]), ours[STEPS]["ε"]["y"]
    assert ((sampled > 0.3 * proved) & (sampled < 1.5 * proved)).all()
    assert numbers["slope0"] < numbers["limit0"]


@pytest.mark.parametrize(
    ("formula", "domain", "verdict"),
    [
        ("piecewise(x < 0.1, 0, 1)", "[-1, 1]", "refuted: at x = 0.1: F jumps"),
        ("atan(1/x)", "[-1, 1.5]", "refuted: at x = 0: F jumps"),
        ("sin(100*x) + piecewise(x < 0.123, 0, 0.01)", "[0, 1]", "refuted: at x = 0.123: F jumps"),
        ("1/x", "[-1, 1.1]", "refuted: at x = 0: F has a pole"),
        ("1/(x - 0.3)**2", "[0, 1]", "refuted: at x = 0.3: F has a pole"),
        ("log(abs(x - 0.3))", "[0, 1]", "refuted: at x = 0.3: F has a pole"),
        ("tan(x)", "[0, 2]", "refuted: at x = 1.5708: F has a pole"),
        ("gamma(x)", "[-1.5, 4]", "refuted: at x = -1: F has a pole"),
        ("abs(x)**(1/3)", "[-1, 1.3]", "refuted: at x = 0: F has an infinite slope"),
        ("sqrt(x)", "[0, 4]", "refuted: at x = 0: F has an infinite slope"),
        ("log(x)", "[-1, 1]", "refuted: at x = -1: F is undefined"),
        ("piecewise(x == 0, 0, x*log(abs(x)))", "[-1, 1]", "undecided: at x = 0"),
        ("exp(x**2)", "[-30, 30]", "undecided: at x = -30"),
    ],
)
def test_what_is_not_lipschitz_is_not_reached(widget: Locator, formula: str, domain: str, verdict: str) -> None:
    before = title(widget)
    show(widget, formula, domain)
    expect(widget.locator(".certificate")).to_contain_text(verdict)
    expect(widget.locator(".certificate")).to_contain_text("the last one that was reached")
    assert title(widget) == before


@pytest.mark.parametrize(
    ("formula", "domain"),
    [
        ("abs(x - 0.3)", "[-1, 1]"),
        ("sqrt(x)", "(0, 3]"),
        ("sin(50*x)", "[-3, 3]"),
        ("1/x", r"[-1, 1.2] \ {0}"),
        ("x**2", "(-inf, inf)"),
        ("x", r"[-2, 2] \ [-0.5, 0.5]"),
        ("-x^2 + min(x, 1, e)", "[0, pi)"),
        ("gamma(x)", "(0, 4]"),
        ("1e6 + x", "[0, 1]"),
        ("3", "[0, 1]"),
    ],
)
def test_what_is_lipschitz_is_shown(widget: Locator, formula: str, domain: str) -> None:
    show(widget, formula, domain)
    expect(widget.locator(".certificate")).to_contain_text("sampled: not refuted")
    assert title(widget) == f"F(x) = {formula} on {domain}, sampled"
    arrays, _ = widget.locator("rich-explorer").evaluate(MOVE, {"t": 60})
    slopes = arrays["Slope L_t under the speed limit"]
    for slope, limit in (("largest on the grid", "its limit"), ("at x₀", "limit at x₀")):
        assert (np.array(slopes[slope]["y"])[1:] <= np.array(slopes[limit]["y"])[1:] + 1e-3).all()


HOSTILE = [
    "", " ", "2x", "x(2)", "(x", "x)", "x +", "alert(1)", "x.constructor", "x['a']", "constructor", "__proto__",
    "toString", "import(x)", "eval(x)", "parse(x)", "x = 1", "x; 1", "[1, 2]", "{a: 1}", "9**9**9", "x**101",
    "f(x) = x", "log(0)", "1e999", "0x10", "x < 1", "1 < x < 2", "piecewise(x < 0, 1)", "piecewise(0 < x < 1, 1, 2)",
    "x ? 1 : 2", "min(x)", "sin", "1/0", "sin x", "i", "Infinity", "true", "x to x", "5 cm", "x!", "x'",
    "x % 2", "\u221ax", "х", "x\u0000",
    "(" * 400, "-" * 400 + "x", "x" + "+x" * 200, "x" + "+x" * 300, "sqrt(" * 60 + "x", "#x", '"x"', "x \\ 2", "//x",
]  # fmt: skip


def test_hostile_texts_are_refused(widget: Locator) -> None:
    """Each with a reason and a caret, at once; the figure and its verdict stay, and nothing of the text runs."""
    show(widget, "x", "[0, 1]")
    before, certificate = title(widget), widget.locator(".certificate").inner_text()
    for text in HOSTILE:
        took = show(widget, text, "[0, 1]")
        refusal = widget.locator(".refusal").inner_text()
        assert refusal.startswith("character ") and refusal.endswith("^"), text
        assert took < 100, text
    for domain in ("[0, 1", "(1, 0)", "[0, inf]", "[0, 1] x [0, 1]", r"[0, 1] \ [0, 1]", "[0, x]", "[0, alert(1)]", ""):
        show(widget, "x", domain)
        assert widget.locator(".refusal").inner_text().endswith("^"), domain
        expect(widget.get_by_role("textbox", name="on", exact=True)).to_have_attribute("aria-invalid", "true")
    assert title(widget) == before and widget.locator(".certificate").inner_text() == certificate
    show(widget, "x + 1", "[0, 1]")
    expect(widget.locator(".refusal")).to_have_text("")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_is_accessible_in_every_state(browser: Browser, address: str, theme: Any) -> None:
    with visit(browser, address, width=390, theme=theme) as visited:
        widget = visited.page.locator("rich-typed")
        visited.page.add_script_tag(path=AXE)
        for formula in ("x + 1", "abs(x - 0.5)**(1/3)", "2x"):
            show(widget, formula, "[0, 1]")
            violations = visited.page.evaluate("async () => (await axe.run('rich-typed')).violations")
            assert [(violation["id"], [node["html"] for node in violation["nodes"]]) for violation in violations] == []
            assert visited.page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
