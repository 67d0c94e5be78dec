"""The figure of a typed function: its iterates, its step and its slopes, against closed forms and independent sums."""

from __future__ import annotations

from pathlib import Path

import mpmath
import numpy as np
import numpy.typing as npt
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from implicit_lib.explore import Explorer
from implicit_lib.theory import Domain, parse
from implicit_lib.theory._radius import LipschitzRadius
from implicit_lib.theory._reaching import RegularOperator
from implicit_lib.typed import PRESETS, Preset, answer, figure_of
from implicit_lib.typed._cells import Cells
from implicit_lib.typed._gamma import without_gamma
from implicit_lib.typed._grid import Window

REACHED = [preset for preset in PRESETS if "jump" not in preset.label and "infinite" not in preset.label]
REFUSED = [preset for preset in PRESETS if preset not in REACHED]
ITERATES, STEPS, SLOPES = "The target F and the iterate y_t", "The step ε(x)", "Slope L_t under the speed limit"
Column = npt.NDArray[np.float64]


@pytest.fixture(scope="module", params=REACHED, ids=lambda preset: preset.label)
def shown(request: pytest.FixtureRequest) -> tuple[Preset, RegularOperator, Explorer]:
    preset: Preset = request.param
    operator = RegularOperator.reaching(preset.formula, preset.domain)
    figure = figure_of(parse(preset.formula), Domain.parse(preset.domain), operator)
    return preset, operator, figure


def test_shows_the_iterates_of_the_operator(shown: tuple[Preset, RegularOperator, Explorer]) -> None:
    _, operator, figure = shown
    arrays = figure.arrays(t=60)
    x, y, step = (arrays[panel][trace][axis] for panel, trace, axis in
                  ((ITERATES, "y_t", "x"), (ITERATES, "y_t", "y"), (STEPS, "ε", "y")))  # fmt: skip
    inside = ~np.isnan(x)
    expected = -np.expm1(60 * np.log1p(-step[inside])) * operator.F(x[inside])  # y_t = (1 − (1 − ε)^t) F
    np.testing.assert_allclose(y[inside], expected, rtol=1e-9, atol=1e-12)


def test_the_step_is_a_lower_bound_of_the_certified_one(shown: tuple[Preset, RegularOperator, Explorer]) -> None:
    _, operator, figure = shown
    step = figure.arrays()[STEPS]["ε"]
    inside = ~np.isnan(step["x"])
    certified = operator.epsilon(step["x"][inside])
    assert (step["y"][inside] <= certified * (1 + 1e-9)).all()
    assert (step["y"][inside] >= 0.9 * certified).all()  # and loses little


def test_the_slope_is_that_of_the_iterate(shown: tuple[Preset, RegularOperator, Explorer]) -> None:
    """Against difference quotients between probes."""
    _, _, figure = shown
    probe, h = figure.controls["x0"], 1e-6
    for share in (0.31, 0.77):
        x0 = probe.minimum + share * (probe.maximum - probe.minimum)  # type: ignore[union-attr]
        values = [figure.frame(t=25, x0=x)[1]["y0"] for x in (x0 - h, x0, x0 + h)]
        slopes = [abs(values[1] - values[0]) / h, abs(values[2] - values[1]) / h]
        found = figure.frame(t=25, x0=x0)[1]["slope0"]
        assert min(slopes) * (1 - 1e-3) - 1e-5 <= found <= max(slopes) * (1 + 1e-3) + 1e-5  # r̂ has corners


def test_no_slope_is_above_its_limit(shown: tuple[Preset, RegularOperator, Explorer]) -> None:
    _, _, figure = shown
    slopes = {trace: axes["y"][1:] for trace, axes in figure.arrays(t=100)[SLOPES].items()}  # they begin at t = 1
    assert (slopes["largest on the grid"] <= slopes["its limit"] * (1 + 1e-6)).all()
    assert (slopes["at x₀"] <= slopes["limit at x₀"] * (1 + 1e-6)).all()
    assert np.isfinite(slopes["its limit"]).all()


def test_a_hole_is_a_gap() -> None:
    figure = answer("1/x", r"[-1, 1] \ {0}").figure
    assert figure is not None
    curve = figure.arrays(t=10)[ITERATES]["y_t"]
    assert np.isnan(curve["x"]).sum() == 1
    assert np.isfinite(curve["y"]).all()
    assert np.isnan(figure.frame(x0=0.0)[1]["y0"])


@pytest.mark.parametrize("preset", REFUSED, ids=lambda preset: preset.label)
def test_what_is_refuted_has_no_figure(preset: Preset) -> None:
    found = answer(preset.formula, preset.domain)
    assert found.figure is None and found.verdict.kind == "refuted" and found.verdict.at == (0.0,)


def test_refuses_a_domain_too_narrow_to_be_drawn() -> None:
    with pytest.raises(ValueError, match="too narrow"):
        answer("x", "[1000000, 1000001]")


def test_what_is_undecided_has_no_figure() -> None:
    found = answer("gamma(x)", "(-1, 0)")  # beside a pole the enclosures of Γ' are too wide
    assert found.figure is None and found.verdict.kind == "undecided" and found.verdict.at is not None


def test_refuses_two_variables() -> None:
    with pytest.raises(ValueError, match="one variable"):
        answer("x", "[0, 1] x [0, 1]")


cells = st.lists(st.tuples(st.floats(-3, 3), st.floats(0, 1), st.floats(0, 0.6)), min_size=1, max_size=40)


@settings(max_examples=200, deadline=None)
@given(cells, st.integers(1, 12))
def test_merged_cells_bound_the_radius_from_below(table: list[tuple[float, float, float]], count: int) -> None:
    lows, widths, inverses = map(np.array, zip(*table, strict=True))
    radius = LipschitzRadius(lows[:, None], (lows + widths)[:, None], inverses)
    merged = Cells.of(radius).merged(count)
    assert len(merged.lows) <= max(count, 1)
    x = np.linspace(-3, 4, 301)
    fewer = LipschitzRadius(merged.lows[:, None], merged.highs[:, None], merged.inverses)
    assert (fewer(x[:, None]) <= radius(x[:, None]) + 1e-15).all()


@settings(max_examples=50, deadline=None)
@given(cells)
def test_the_printed_radius_is_the_radius(table: list[tuple[float, float, float]]) -> None:
    lows, widths, inverses = map(np.array, zip(*table, strict=True))
    radius = LipschitzRadius(lows[:, None], (lows + widths)[:, None], inverses)
    x = sympy.Symbol("x")
    printed = sympy.lambdify(x, Cells.of(radius).radius(x), "numpy")
    at = np.linspace(-3, 4, 57)
    np.testing.assert_allclose(printed(at) + 0 * at, radius(at[:, None]), rtol=1e-12, atol=1e-15)


def test_a_cell_left_out_is_noticed() -> None:
    """The bound above would not hold for cells that are dropped in place of merged."""
    radius = LipschitzRadius([[0.0], [1.0]], [[1.0], [2.0]], [0.1, 0.3])
    fewer = LipschitzRadius([[1.0]], [[2.0]], [0.3])
    assert fewer(np.array([[0.5]])) > radius(np.array([[0.5]]))


def test_gamma_as_arithmetic() -> None:
    x = sympy.Symbol("x", real=True)
    gamma = sympy.lambdify(x, without_gamma(sympy.gamma(x)), "numpy")
    for at in [*np.linspace(0.01, 20, 400), *(np.linspace(-3.9, -0.1, 39) + 0.003)]:
        exact = mpmath.gamma(mpmath.mpf(float(at)))
        conditioning = 1 + abs(at * float(mpmath.digamma(mpmath.mpf(float(at)))))
        assert abs(gamma(float(at)) - exact) <= 1e-13 * conditioning * abs(exact)


@pytest.mark.parametrize(
    ("domain", "parts"),
    [
        ("(0, 1]", [(0.0, 1.0)]),
        ("(0, inf)", [(0.0, 8.0)]),
        ("(-inf, inf)", [(-8.0, 8.0)]),
        ("(-inf, 3]", [(-5.0, 3.0)]),
        (r"[-1, 1] \ {0}", [(-1.0, 0.0), (0.0, 1.0)]),
    ],
)
def test_the_window_of_a_domain(domain: str, parts: list[tuple[float, float]]) -> None:
    read = Domain.parse(domain)
    window = Window.of(read)
    assert [part[:2] for part in window.parts] == parts
    points = window.points()
    assert read.contains(points[:, None]).sum() == len(points) - (len(parts) - 1)


def test_a_page_gets_a_module_for_each_figure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from implicit_lib.explore import PAGE_FILES
    from implicit_lib.typed import TYPED_MIME, TypedFunction

    monkeypatch.setenv(PAGE_FILES, str(tmp_path))
    presets = [PRESETS[0], REFUSED[0]]
    bundle = TypedFunction(name="few", presets=presets)._repr_mimebundle_()
    assert bundle[TYPED_MIME] == {"name": "few", "title": "Type your own F", "src": "few-presets.js"}
    assert {path.name for path in tmp_path.iterdir()} == {"few-presets.js", "few_0.js"}
