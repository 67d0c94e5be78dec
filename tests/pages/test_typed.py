"""The widget of typed functions on the built page: presets as certified, typed formulas as sampled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, expect

from implicit_lib.explore import Slider
from implicit_lib.typed import PRESETS, Preset, answer
from tests.conftest import Visit, visit
from tests.pages.test_pages import AXE
from tests.pages.test_parity import distance, distances

ITERATES, STEPS = "The target F and the iterate y_t", "The step ε(x)"
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
    sliders = [control for control in certified.figure.controls.values() if isinstance(control, Slider)]
    moves = [{each.name: at} for each in sliders for at in (each.minimum, each.sweep()[3], each.maximum - each.step)]
    for changes in ({"t": 3}, {"t": 100}, *moves):
        settings = certified.figure.settings(**{"t": 40, **changes})
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
            widget.get_by_role("textbox", name="F =").focus()


def test_a_typed_formula_is_sampled(page: Visit, widget: Locator) -> None:
    """By keyboard alone; the figure is that of the kernel, but for the step, which rests on samples."""
    field = widget.get_by_role("textbox", name="F =")
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


def test_a_typed_formula_of_two_variables_is_sampled(widget: Locator) -> None:
    """Its iterates are those of the law for the step that is shown, and that step is one that the theorem allows."""
    show(widget, "1/(x + y) - x*y", "[0, 1] x (0, 1]")
    assert title(widget) == "F(x, y) = 1/(x + y) - x*y on [0, 1] x (0, 1], sampled"
    certified = answer("1/(x + y) - x*y", "[0, 1] x (0, 1]").figure
    assert certified is not None
    for section in (0.02, 0.3, 1.0):
        arrays, numbers = widget.locator("rich-explorer").evaluate(MOVE, {"t": 30, "x0": 0.4, "section": section})
        ours, said = certified.frame(t=30, x0=0.4, section=section)
        x, step = (np.array(arrays[STEPS]["ε"][axis]) for axis in "xy")
        F = 1 / (x + section) - x * section
        np.testing.assert_allclose(arrays[ITERATES]["F"]["y"], F, rtol=1e-12)
        np.testing.assert_allclose(arrays[ITERATES]["y_t"]["y"], (1 - (1 - step) ** 30) * F, rtol=1e-9)
        slope = np.hypot(-1 / (x + section) ** 2 - section, -1 / (x + section) ** 2 - x)
        assert (step * (1 + abs(F)) < 1 / slope).all()  # as every Lipschitz radius
        assert (step > 0.2 * ours[STEPS]["ε"]["y"]).all()
        assert numbers["target0"] == pytest.approx(said["target0"], rel=1e-12)
        assert numbers["slope0"] < numbers["limit0"]


def test_the_slope_of_two_variables_is_the_length_of_the_gradient(widget: Locator) -> None:
    """Against difference quotients between probes, one slider's step apart."""
    show(widget, "x**2 - x*y", "[0, 1] x [0, 1]")
    explorer, at, h = widget.locator("rich-explorer"), {"x0": 0.415, "section": 0.605}, 0.005

    def value(name: str, **moved: float) -> float:
        return float(explorer.evaluate(MOVE, {"t": 25, **at, **moved})[1][name])

    gradient = [(value("y0", **{name: x + h}) - value("y0", **{name: x - h})) / (2 * h) for name, x in at.items()]
    assert value("slope0") == pytest.approx(np.hypot(*gradient), rel=0.05)


WATCH = """async (widget, [formula, domain, isCancelled]) => {
  Object.assign(widget.formula, { value: formula });
  Object.assign(widget.domain, { value: domain });
  const seen = { longest: 0, shares: [] };
  let [last, isOver] = [performance.now(), false];
  const tick = () => {
    seen.longest = Math.max(seen.longest, performance.now() - last);
    last = performance.now();
    if (!widget.working.hidden) seen.shares.push(widget.progress.value);
    if (isCancelled && seen.shares.length > 2) widget.working.querySelector("button").click();
    if (!isOver) setTimeout(tick);
  };
  tick();
  await widget.show();
  isOver = true;
  return { ...seen, isHidden: widget.working.hidden };
}"""
# As long as a text may be: slow to sample.
LONG = "+".join(["sin(x*y)"] * 50)


def test_a_slow_formula_shows_its_progress(widget: Locator) -> None:
    seen = widget.evaluate(WATCH, [LONG, "(0, 1] x (0, 1]", False])
    shares = seen["shares"]
    assert len(shares) > 5 and shares == sorted(shares) and shares[-1] > 0.5 and seen["isHidden"]
    assert seen["longest"] < 1000  # meanwhile the page answers
    assert title(widget) == f"F(x, y) = {LONG} on (0, 1] x (0, 1], sampled"


def test_a_slow_formula_can_be_cancelled(widget: Locator) -> None:
    show(widget, "x", "[0, 1]")
    before, certificate = title(widget), widget.locator(".certificate").inner_text()
    seen = widget.evaluate(WATCH, [LONG, "[0, 1] x (0, 1]", True])
    assert seen["shares"][-1] < 0.9 and seen["isHidden"]
    expect(widget.locator(".refusal")).to_contain_text("Cancelled")
    assert title(widget) == before and widget.locator(".certificate").inner_text() == certificate
    show(widget, "x + 2", "[0, 1]")
    expect(widget.locator(".refusal")).to_have_text("")


def test_a_newer_formula_overtakes_a_slow_one(page: Visit, widget: Locator) -> None:
    widget.evaluate(
        "(widget, text) => { widget.formula.value = text; widget.domain.value = '[0, 1] x [0, 1]'; widget.show(); }",
        LONG,
    )
    show(widget, "x + 3", "[0, 1]")
    page.page.wait_for_timeout(1500)
    assert title(widget) == "F(x) = x + 3 on [0, 1], sampled"


def test_a_line_and_a_section_of_a_plane_agree(widget: Locator) -> None:
    """A function of x alone, on an interval and on a box."""
    show(widget, "abs(x - 0.3)", "[-1, 1]")
    line, _ = widget.locator("rich-explorer").evaluate(MOVE, {"t": 30})
    show(widget, "abs(x - 0.3)", "[-1, 1] x [-1, 1]")
    plane, _ = widget.locator("rich-explorer").evaluate(MOVE, {"t": 30})
    np.testing.assert_allclose(plane[ITERATES]["F"]["y"], line[ITERATES]["F"]["y"], rtol=1e-12)
    np.testing.assert_allclose(plane[ITERATES]["y_t"]["y"], line[ITERATES]["y_t"]["y"], atol=0.02)


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
        ("sqrt(abs(x*y))", "[-1, 1.3] x [-1, 1]", "refuted: at x = -1, y = 0: F has an infinite slope"),
        ("piecewise(x < y, 0, 1)", "[-1, 1.3] x [-1, 1]", "refuted: at x = -1, y = -1: F jumps there, by 1"),
        ("sin(20*x*y) + piecewise(x < 0.123, 0, 0.01)", "[-1, 1] x [-1, 1]", "refuted: at x = 0.123"),
        ("x*y/(x**2 + y**2)", "[-1, 1.3] x [-1, 1.1]", "refuted: at x = 0, y = 0: F jumps"),
        ("x*y/(x**2 + y**2)", "[-1, 1] x [-1, 1]", "refuted: at x = 0, y = 0: F is undefined"),
        ("1/(x**2 + y**2)", "[-1, 1.3] x [-1, 1.1]", "refuted: at x = 0, y = 0: F has a pole"),
        ("1/(x - y + 0.1)", "[-1, 1] x [-1, 1]", "F has a pole there"),
        ("1/y", "[-1, 1] x [-1.1, 1]", "y = 0: F has a pole"),
        ("log(x**2 + y**2)", "[-1, 1.3] x [-1, 1.1]", "refuted: at x = 0, y = 0: F has a pole"),
        ("sqrt(abs(x - 0.3) + abs(y - 0.2))", "[-1, 1] x [-1, 1]", "at x = 0.3, y = 0.2: F has an infinite slope"),
        ("sqrt(x)", "[0, 1] x [0, 1]", "refuted: at x = 0, y = 0: F has an infinite slope"),
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
        ("x*y", "[-1, 1] x [-1, 1]"),
        ("x/y", "[-1, 1.5] x (0, 1]"),
        ("tan(x)*tan(y)", "(-pi/2, pi/2) x (-pi/2, pi/2)"),
        ("1/(x**2 + y**2)", r"[-1, 1.1] x [-1, 1] \ {(0, 0)}"),
        ("log(abs(x - 0.5)) + y", r"[0, 1] x [0, 1] \ [0.5, 0.5] x [0, 1]"),
        ("sqrt(x**2 + y**2)", "[-1, 1.5] x [-1, 1]"),
        ("max(x, y) + abs(x - y)", "[-1, 1.5] x [-1, 1]"),
        ("x**2 + y**2", "(-inf, inf) x (-inf, inf)"),
        ("exp(-x**2 - y**2)", "(-inf, inf) x (-inf, inf)"),
        ("x", r"[-1, 1] x [-1, 1] \ [-0.5, 0.5] x [-0.5, 0.5]"),
        ("x**y", "(0, 2] x [-2, 2]"),
    ],
)
def test_what_is_lipschitz_is_shown(widget: Locator, formula: str, domain: str) -> None:
    show(widget, formula, domain)
    expect(widget.locator(".certificate")).to_contain_text("sampled: not refuted")
    variables = "x, y" if " x " in domain else "x"
    assert title(widget) == f"F({variables}) = {formula} on {domain}, sampled"
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


BAD_DOMAINS = [
    "[0, 1", "(1, 0)", "[0, inf]", r"[0, 1] \ [0, 1]", "[0, x]", "[0, alert(1)]", "",
    "[0, 1] x", "[0, 1] x [0, 1] x [0, 1]", "[0, 1] [0, 1]", "[0, 1] x [1, 1]", "[0, 1] x [0, y]",
    r"[0, 1] x [0, 1] \ {0}", r"[0, 1] x [0, 1] \ {(0, 0, 0)}", r"[0, 1] x [0, 1] \ {(0, 0}",
    r"[0, 1] x [0, 1] \ [0, 1]", r"[0, 1] x [0, 1] \ (0, 1) x [0, 1]",
    r"[0, 1] x [0, 1] \ [0, 0.5] x [0, 1] \ [0.5, 1] x [0, 1]",
]  # fmt: skip


def test_y_asks_for_an_interval_of_its_own(widget: Locator) -> None:
    show(widget, "x*y", "[0, 1]")
    expect(widget.locator(".refusal")).to_contain_text("no interval for 'y'")


def test_hostile_texts_are_refused(widget: Locator) -> None:
    """Each with a reason and a caret, at once; the figure and its verdict stay, and nothing of the text runs."""
    show(widget, "x", "[0, 1]")
    before, certificate = title(widget), widget.locator(".certificate").inner_text()
    for text in HOSTILE:
        took = show(widget, text, "[0, 1]")
        refusal = widget.locator(".refusal").inner_text()
        assert refusal.startswith("character ") and refusal.endswith("^"), text
        assert took < 100, text
    for domain in BAD_DOMAINS:
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
        for formula in ("x + 1", "abs(x - 0.5)**(1/3)", "2x", "x + y"):
            show(widget, formula, "[0, 1] x [0, 1]" if "y" in formula else "[0, 1]")
            violations = visited.page.evaluate("async () => (await axe.run('rich-typed')).violations")
            assert [(violation["id"], [node["html"] for node in violation["nodes"]]) for violation in violations] == []
            assert visited.page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
