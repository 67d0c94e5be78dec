"""A linear program typed into a page: read, solved and walked to in the browser, as in the kernel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from implicit_lib.cases import linear_programs as lp
from implicit_lib.cases.linear_programs._optimum import solve_one
from implicit_lib.explore import LIVE, Explorer
from tests.cases.linear_programs.test_typed_walk import REFUSED
from tests.cases.linear_programs.typed import CHANGES, INFEASIBLE, SOLVED, UNBOUNDED, explorer
from tests.conftest import Visit, visit
from tests.pages.one_figure import built, served
from tests.pages.test_pages import AXE
from tests.pages.test_parity import distance, distances, moved

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Explorer, Path]:
    """The explorer, and a site of it alone: as the book serves it, without the book."""
    site = tmp_path_factory.mktemp("site")
    return built(explorer, site, title="A typed program", vendors=("highs", "onnxruntime", "plotly")), site


@pytest.fixture(scope="module")
def address(typed: tuple[Explorer, Path]) -> Iterator[str]:
    yield from served(typed[1])


@pytest.fixture(scope="module")
def visited(browser: Browser, address: str) -> Iterator[Visit]:
    with visit(browser, f"{address}/light.html", width=390) as visited:
        yield visited
        assert visited.errors == []
        assert visited.external == []


@pytest.fixture(scope="module")
def figure(visited: Visit) -> Locator:
    return visited.page.locator("rich-explorer")


@pytest.fixture(scope="module")
def engine(typed: tuple[Explorer, Path]) -> Explorer:
    return typed[0]


def field(figure: Locator) -> Locator:
    return figure.get_by_role("textbox", name="Linear program")


@pytest.mark.parametrize("label", SOLVED)
def test_the_page_draws_what_the_kernel_computes(engine: Explorer, figure: Locator, label: str) -> None:
    for t, change in ((0, 0.0), (1, -0.006), (12, 0.004)):
        settings = {"program": SOLVED[label].strip(), "t": t, "change": change}
        arrays, numbers = engine.frame(**settings)
        drawn, said = moved(figure, settings)
        assert max(distances(arrays, drawn)) <= 1e-6, settings
        theirs = np.array([said[name] for name in numbers], dtype=float)
        assert distance(np.array(list(numbers.values())), theirs) <= 1e-6
    reading = engine.readings(engine.settings(program=SOLVED[label].strip()))["program"]
    expect(figure.locator(".said")).to_have_text(reading.said)
    expect(figure.get_by_label("Examples")).to_have_value(label)
    ticks = figure.locator(".plot").first.locator(".xtick text")
    assert ticks.all_text_contents() == [name for _, name in reading.ticks["x"]]


@pytest.mark.parametrize(("text", "reason"), REFUSED.items())
def test_a_refused_text_leaves_the_figure(engine: Explorer, figure: Locator, text: str, reason: str) -> None:
    """With the kernel's reason, where it is about a line; and what else is moved still moves it."""
    good = SOLVED["without bounds"]
    before, _ = moved(figure, {"program": good, "t": 2, "change": 0.0})
    expect(field(figure)).to_have_attribute("aria-invalid", "false")
    after, _ = moved(figure, {"program": text})
    assert after == before
    expect(figure.locator(".refusal")).to_contain_text(reason)
    expect(figure.locator(".refusal")).to_have_attribute("role", "status")
    expect(field(figure)).to_have_attribute("aria-invalid", "true")
    drawn, _ = moved(figure, {"t": 5})
    assert max(distances(engine.arrays(program=good, t=5), drawn)) <= 1e-6
    moved(figure, {"program": SOLVED["four variables"].strip()})
    expect(figure.locator(".refusal")).to_have_text("")


def test_is_typed_and_applied_by_keyboard(visited: Visit, engine: Explorer, figure: Locator) -> None:
    moved(figure, {"program": SOLVED["four variables"].strip(), "t": 3, "change": 0.0})
    keys = visited.page.keyboard
    field(figure).focus()
    keys.press("Control+A")
    for line in ("max: p + 2q", "p + q <= 3", "0 <= p <= 2", "0 <= q <= 2"):
        keys.type(line)
        keys.press("Enter")
    expect(figure.get_by_label("Examples")).to_have_value("your own")
    expect(figure.locator(".said")).to_contain_text("x = ")  # not yet applied
    figure.get_by_label("Iterations").press("ArrowRight")  # leaves what is being typed
    assert field(figure).input_value().startswith("max: p")
    field(figure).press("Control+Enter")
    expect(figure.locator(".said")).to_have_text("HiGHS's optimum: p = 1.000, q = 2.000.")
    drawn, _ = moved(figure, {"t": 4})
    assert max(distances(engine.arrays(program=field(figure).input_value(), t=4), drawn)) <= 1e-6
    assert drawn["Graph"]["optimum"]["y"][:2] == pytest.approx([1, 2])
    field(figure).fill("min: p + ")
    figure.get_by_role("button", name="Apply").click()
    expect(figure.locator(".refusal")).to_contain_text("the line 'min: p +' cannot be read at '+'")
    assert moved(figure, {})[0] == drawn


def test_an_example_is_picked(figure: Locator) -> None:
    figure.get_by_label("Examples").select_option("infeasible")
    expect(figure.locator(".refusal")).to_contain_text("it is infeasible")
    assert field(figure).input_value() == INFEASIBLE
    figure.get_by_label("Examples").select_option("without rows")
    expect(figure.locator(".said")).to_have_text("HiGHS's optimum: x = 0.250.")


def test_highs_waits_for_the_first_program(browser: Browser, address: str) -> None:
    with visit(browser, f"{address}/light.html") as visited:
        figure = visited.page.locator("rich-explorer")
        moved(figure, {"t": 6, "change": 0.002})
        assert [each.url for each in visited.responses if "highs" in each.url or "linear_" in each.url] == []
        with visited.page.expect_response("**/highs/highs.wasm"):
            figure.get_by_label("Examples").select_option("of least norm")
        assert visited.external == []


HOSTILE = [
    "", ":", "min", "min:", "min: ", "min:x:y", "constructor: x", "__proto__: x", "toString: x", "MIN: x\nx >= 0",
    "min: alert(1)\nx >= 0", "min: x\nx >= <script>alert(1)</script>", "min: x\nx >= `1`", "min: x\nx >= ${1}",
    "min: x\nx >= 0;import('x')", "min: x.constructor\nx >= 0", "min: x['a']", "min: x\nx => 1", "min: x\nx == 1",
    "min: x\nx < 1", "min: x\n1 <= x <= 2 <= 3", "min: x\n1 <= x + y <= 2", "min: x\n<= 1", "min: x\nx <=",
    "min: x\n>= x", "min: 2 x 3", "min: 2**x", "min: x^2", "min: x/2", "min: (x)", "min: 1e", "min: --x", "min: +-x",
    "min: 3", "min: 3\n1 <= 2", "min: \u221ax", "min: x\n0 <= 1", "min: x\u00e9",
    "min: _x", "min: x\u0000", "min: x\\n", "min: '", 'min: "', "min: \"'",
    "min: x\nx >= 1e999", "min: x\nx <= -1e999", "min: x\ny + x >= 1e999", "min: x\n1e999y + x >= 1",
    "max: " + "x + " * 490 + "x", "min: " + "a" * 41, "min: " + "9" * 400 + "x\nx >= 1",
]  # fmt: skip
ODD = [
    "  min :x\n\n\n x>=-2 ", "min: x\r\nx >= 1\r\n", "max:\t-x\nx >= 0", "min: 2*x\n3 <= x", "min: x + x - 3x\nx <= 4",
    "min: 2\nx = 3", "min: 0x10\n-1 <= x10 <= 1", "min: x" + "\nx >= 1" * 200,
    "min: constructor + toString\nconstructor >= 1\ntoString >= 2",
    "min: .5x + 1.e2y + 1e-2z - 2.5e+1w\nx >= 1\ny >= 2\nz >= 3\n-5 <= w <= 5", "min: \u2212x\nx \u2264 3",
    "min: x\n2 >= x >= 1", "min: x\n-2x <= 4", "min: x\nx + y >= 1 + x\ny <= 2\nx >= 0", "min: x\n3 = x",
    "min: x\n0x + y >= 1\nx >= 1", "min: 0x\nx + y = 2", "min: x + 5\nx >= 2x - 3\nx >= -7",
    "min: 2 e1 + 3*e2 + 4 * e3\ne1=0\ne2=0\ne3 = 1",
    "min: e1 + 2e1\ne1 >= 1", "min: x_1 - x_2\n-1 <= x_1 <= 1\n-1 <= x_2 <= 1",
]  # fmt: skip
READ = """async ([texts, changes]) => {
  const { read } = await import(new URL("live/linear_program.js", document.baseURI));
  const found = [];
  for (const text of texts) found.push(await read(text, { changes, variables: 8, constraints: 6, cost: 0.01 }));
  const plain = (key, value) => (typeof value === "number" && !Number.isFinite(value) ? String(value) : value);
  return JSON.stringify(found, plain);
}"""


TEXTS = [*HOSTILE, *ODD, *SOLVED.values(), INFEASIBLE, UNBOUNDED]


def read_otherwise(page: Page) -> list[str]:
    """The texts that the page reads otherwise than the kernel: refused for other reasons, or other arrays."""
    changes = [float(change) for change in CHANGES]
    found = json.loads(page.evaluate(READ, [TEXTS, changes]))
    return [text for text, theirs in zip(TEXTS, found, strict=True) if not is_alike(text, theirs, changes)]


def is_alike(text: str, theirs: dict[str, Any], changes: list[float]) -> bool:
    try:
        ours = lp.read_program(text, changes)
    except lp.LinearProgramError as error:
        return theirs.get("refused") == str(error) or ("refused" in theirs and "\\" in str(error))  # Python's escapes
    if "refused" in theirs or {key: theirs[key] for key in ("ticks", "said")} != ours.describe():
        return False
    for name, array in ours.arrays.items():
        values = np.array(theirs["arrays"][name]["values"], dtype=float).reshape(theirs["arrays"][name]["shape"])
        exact = {"rtol": 1e-12, "atol": 1e-6 if name == "optima" else 1e-15}
        if not np.allclose(values, array, equal_nan=True, **exact):
            return False
    return True


def test_hostile_and_odd_texts_are_read_alike(visited: Visit) -> None:
    assert read_otherwise(visited.page) == []


@pytest.mark.parametrize("text", [*HOSTILE, *ODD])
def test_the_kernel_refuses_what_is_hostile_and_reads_what_is_odd(text: str) -> None:
    try:
        lp.read_program(text, [0.0])
    except lp.LinearProgramError:
        assert text in HOSTILE
    else:
        assert text in ODD


@pytest.mark.parametrize(
    ("script", "broken"),
    [
        ("linear_program.js", ("[+-])? ?(?:", "[+])? ?(?:")),
        ("linear_program.js", ('relation === ">="', 'relation === ">"')),
        ("linear_program.js", ("isEqual || factor < 0", "isEqual || factor > 0")),
        ("linear_program.js", ("...Array(variables - n).fill(0)", "...Array(variables - n).fill(1)")),
        ("linear_program.js", ("j === 0 ? value", "j === 1 ? value")),
        ("linear_program.js", ("(cost * value)", "(2 * cost * value)")),
        ("linear_optimum.js", ("equality[i] ? value", "equality[i] ? -value")),
        ("linear_optimum.js", ("rowLower: low, q: 1", "rowLower: low, q: 0")),
        ("linear_optimum.js", ("stays(rowDual[i]) ?", "false ?")),
    ],
)
def test_a_broken_script_is_noticed(browser: Browser, address: str, script: str, broken: tuple[str, str]) -> None:
    source = (LIVE / script).read_text(encoding="utf-8")
    assert broken[0] in source
    with visit(browser, f"{address}/light.html") as visited:
        body = source.replace(*broken)
        visited.page.route(f"**/{script}", lambda route: route.fulfill(body=body, content_type="text/javascript"))
        assert read_otherwise(visited.page)


SOLVE = """async (programs) => {
  const { optimum } = await import(new URL("live/linear_optimum.js", document.baseURI));
  const limits = (values, none) => values.map((value) => value ?? none);
  const found = [];
  for (const program of programs) {
    const [lower, upper] = [limits(program.lower, -Infinity), limits(program.upper, Infinity)];
    found.push(await optimum({ ...program, lower, upper }));
  }
  return found;
}"""


def drawn_programs(count: int) -> list[tuple[np.ndarray[Any, Any], ...]]:
    """Small programs; two thirds with few different numbers, and so with ties, doubled rows and fixed variables."""
    rng = np.random.default_rng(7)
    programs = []
    for number in range(count):
        n, m = int(rng.integers(1, 9)), int(rng.integers(0, 7))

        def draw(*shape: int, whole: bool = number % 3 > 0) -> np.ndarray[Any, Any]:
            return rng.integers(-3, 4, shape).astype(float) if whole else rng.normal(size=shape)

        A, b, c = draw(m, n), 2 * draw(m), 0.01 * draw(n) * (rng.random(n) < 0.7)
        lower = np.where(rng.random(n) < 0.2, -np.inf, -3 * np.abs(draw(n)))
        upper = np.where(rng.random(n) < 0.2, np.inf, 3 * np.abs(draw(n)))
        if number % 5 == 0:
            A[1:2] = A[:1]
            upper[0] = lower[0] = 2.0
        programs.append((A, b, (rng.random(m) < 0.3).astype(float), c, lower, upper))
    return programs


def test_highs_on_the_page_finds_the_optimum_of_the_kernel(visited: Visit) -> None:
    """And the same point where there are several; and says alike that there is none."""
    programs, names = drawn_programs(400), lp.LinearProgram._fields
    given = [
        {
            name: [None if not np.isfinite(value) else value for value in part] if part.ndim == 1 else part.tolist()
            for name, part in zip(names, parts, strict=True)
        }
        for parts in programs
    ]
    kinds = []
    for parts, theirs in zip(programs, visited.page.evaluate(SOLVE, given), strict=True):
        ours = solve_one(*parts)
        kinds.append(theirs if isinstance(theirs, str) else "optimal")
        if isinstance(ours, str):
            assert ours.startswith(f"is {theirs}"), parts
        else:
            np.testing.assert_allclose(theirs, ours, atol=1e-6, err_msg=str(parts))
    assert {kind for kind in kinds if kinds.count(kind) >= 40} == {"optimal", "infeasible", "unbounded"}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_is_accessible_in_every_state(browser: Browser, address: str, theme: str) -> None:
    with visit(browser, f"{address}/{theme}.html", width=390) as visited:
        visited.page.add_script_tag(path=AXE)
        figure = visited.page.locator("rich-explorer")
        for text in (SOLVED["four variables"].strip(), INFEASIBLE, SOLVED["full"]):
            moved(figure, {"program": text})
            violations = visited.page.evaluate("async () => (await axe.run('rich-explorer')).violations")
            assert [(violation["id"], [node["html"] for node in violation["nodes"]]) for violation in violations] == []
            assert visited.page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
