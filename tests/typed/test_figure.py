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

from implicit_lib.explore import Explorer, Slider
from implicit_lib.theory import Domain, Formula
from implicit_lib.theory._radius import LipschitzRadius
from implicit_lib.theory._reaching import RegularOperator
from implicit_lib.typed import PRESETS, Preset, answer, figure_of
from implicit_lib.typed._cells import Cells
from implicit_lib.typed._gamma import without_gamma
from implicit_lib.typed._grid import Span, Window

# where F is not locally Lipschitz
REFUSED = {
    "|x|^(1/3): an infinite slope": lambda x: x == 0,
    "a step: a jump": lambda x: x == 0,
    "√|xy|: an infinite slope": lambda x, y: x * y == 0,
    "a step in the plane: a jump": lambda x, y: x == y,
}
REACHED = [preset for preset in PRESETS if preset.label not in REFUSED]
ITERATES, STEPS, SLOPES = "The target F and the iterate y_t", "The step ε(x)", "Slope L_t under the speed limit"
Column = npt.NDArray[np.float64]


@pytest.fixture(scope="module", params=REACHED, ids=lambda preset: preset.label)
def shown(request: pytest.FixtureRequest) -> tuple[Preset, RegularOperator, Explorer]:
    preset: Preset = request.param
    operator = RegularOperator.reaching(preset.formula, preset.domain)
    assert isinstance(operator.target, Formula)
    figure = figure_of(operator.target, operator.domain, operator)
    return preset, operator, figure


def probe(figure: Explorer) -> list[Slider]:
    return [control for control in figure.controls.values() if isinstance(control, Slider)]


def sections(figure: Explorer) -> list[dict[str, float]]:
    """Values of the second variable; of a function of one variable, none."""
    return [{slider.name: value} for slider in probe(figure)[1:] for value in slider.sweep()] or [{}]


def test_the_sliders_are_the_coordinates_of_the_probe(shown: tuple[Preset, RegularOperator, Explorer]) -> None:
    _, operator, figure = shown
    for section in sections(figure):
        point = np.array([figure.settings(**section)[slider.name] for slider in probe(figure)])
        assert len(point) == operator.domain.dimension
        value = figure.frame(**section)[1]["target0"]
        np.testing.assert_allclose(value, operator.F(point if len(point) > 1 else point[0]), rtol=1e-12)


def test_shows_the_iterates_of_the_operator(shown: tuple[Preset, RegularOperator, Explorer]) -> None:
    _, operator, figure = shown
    for section in sections(figure):
        arrays = figure.arrays(t=60, **section)
        x, y, step = (arrays[panel][trace][axis] for panel, trace, axis in
                      ((ITERATES, "y_t", "x"), (ITERATES, "y_t", "y"), (STEPS, "ε", "y")))  # fmt: skip
        inside = ~np.isnan(x)
        assert inside.sum() > 100
        points = np.stack([x[inside], *(np.full(inside.sum(), value) for value in section.values())], axis=-1)
        F = operator.F(points if section else points[:, 0])
        expected = -np.expm1(60 * np.log1p(-step[inside])) * F  # y_t = (1 − (1 − ε)^t) F
        np.testing.assert_allclose(y[inside], expected, rtol=1e-9, atol=1e-12)


def test_the_step_is_a_lower_bound_of_the_certified_one(shown: tuple[Preset, RegularOperator, Explorer]) -> None:
    _, operator, figure = shown
    for section in sections(figure):
        step = figure.arrays(**section)[STEPS]["ε"]
        inside = ~np.isnan(step["x"])
        points = np.stack([step["x"][inside], *(np.full(inside.sum(), value) for value in section.values())], axis=-1)
        certified = operator.epsilon(points if section else points[:, 0])
        assert (step["y"][inside] <= certified * (1 + 1e-9)).all()
        kept = step["y"][inside] / certified
        assert np.quantile(kept, 0.03) >= 0.9 and kept.min() > 0.05  # and loses little, in corners at most


def test_the_slope_is_that_of_the_iterate(shown: tuple[Preset, RegularOperator, Explorer]) -> None:
    """Against difference quotients between probes: along each axis, and the length of the gradient."""
    _, _, figure = shown
    h = 1e-6
    for share in (0.31, 0.77):
        point = {slider.name: slider.minimum + share * (slider.maximum - slider.minimum) for slider in probe(figure)}
        here = figure.frame(t=25, **point)[1]
        least, most = 0.0, 0.0
        for name, at in point.items():
            sides = [figure.frame(t=25, **{**point, name: at + sign * h})[1]["y0"] for sign in (-1, 1)]
            slopes = sorted(abs(side - here["y0"]) / h for side in sides)
            least, most = np.hypot(least, slopes[0]), np.hypot(most, slopes[1])
        assert least * (1 - 1e-3) - 1e-5 <= here["slope0"] <= most * (1 + 1e-3) + 1e-5  # r̂ has corners


def test_no_slope_is_above_its_limit(shown: tuple[Preset, RegularOperator, Explorer]) -> None:
    _, _, figure = shown
    for section in sections(figure):
        slopes = {trace: axes["y"][1:] for trace, axes in figure.arrays(t=100, **section)[SLOPES].items()}
        assert (slopes["largest on the grid"] <= slopes["its limit"] * (1 + 1e-6)).all()  # they begin at t = 1
        assert (slopes["at x₀"] <= slopes["limit at x₀"] * (1 + 1e-6)).all()
        assert np.isfinite(slopes["its limit"]).all()


@pytest.mark.parametrize("at", ["0", "1/3", "pi/4"])
def test_a_hole_is_a_gap(at: str) -> None:
    figure = answer(f"1/(x - {at})", rf"[-1, 1] \ {{{at}}}").figure
    assert figure is not None
    curve = figure.arrays(t=10)[ITERATES]["y_t"]
    assert np.isnan(curve["x"]).sum() == 1
    assert np.isfinite(curve["y"]).all()
    assert np.isfinite(figure.frame(t=10)[1]["slope"])


def test_at_a_hole_the_probe_has_no_value() -> None:
    figure = answer("1/x", r"[-1, 1] \ {0}").figure
    assert figure is not None and np.isnan(figure.frame(x0=0.0)[1]["y0"])


@pytest.mark.parametrize(
    ("formula", "hole", "gaps"),
    [
        ("1/(x**2 + y**2)", "{(0, 0)}", {0.0: 1, 0.5: 0}),  # at y = 0 the section runs into the hole
        ("x + y", "[-0.5, 0.5] x [-0.25, 1]", {-0.5: 0, 0.5: 81}),
        ("y", "[-1, 1] x [0, 0.5]", {-0.5: 0, 0.25: 161}),
    ],
)
def test_a_section_has_gaps_where_it_meets_a_hole(formula: str, hole: str, gaps: dict[float, int]) -> None:
    figure = answer(formula, rf"[-1, 1] x [-1, 1] \ {hole}").figure
    assert figure is not None
    for at, count in gaps.items():
        arrays, numbers = figure.frame(t=10, section=at)
        assert np.isnan(arrays[ITERATES]["y_t"]["x"]).sum() == count
        assert np.isfinite(numbers["slope"])


def test_a_hole_as_wide_as_the_box_cuts_its_end_off() -> None:
    window = Window.of(Domain.parse(r"[-1, 1] x [-1, 1] \ [-1, 0] x [-1, 1] \ {(0.5, 0.5)}"))
    assert window.axes == (Span(0.0, 1.0, low_open=True), Span(-1.0, 1.0))
    with pytest.raises(ValueError, match="leave nothing"):
        Window.of(Domain.parse(r"[0, 1] x [0, 1] \ [0, 0.5] x [0, 1] \ [0.5, 1] x [0, 1]"))


@pytest.mark.parametrize("domain", [r"[-1, 1] \ [-0.9, 0.1]", r"[-1, 1] x [-1, 1] \ [-0.5, 0.9] x [-0.5, 0.5]"])
def test_the_probe_stands_in_the_domain(domain: str) -> None:
    figure = answer("x", domain).figure
    assert figure is not None and np.isfinite(figure.frame()[1]["target0"])


def test_at_a_kink_there_is_a_slope() -> None:
    figure = answer("sqrt(x**2 + y**2)", "[-1, 1] x [-1, 1]").figure
    assert figure is not None
    _, numbers = figure.frame(t=50, x0=0.0, section=0.0)
    assert numbers["slope0"] <= 1 and 0.9 < numbers["slope"] <= 1.1


@pytest.mark.parametrize("preset", [preset for preset in PRESETS if preset.label in REFUSED], ids=str)
def test_what_is_refuted_has_no_figure(preset: Preset) -> None:
    found = answer(preset.formula, preset.domain)
    assert found.figure is None and found.verdict.kind == "refuted"
    assert found.verdict.at is not None and REFUSED[preset.label](*found.verdict.at)


def test_refuses_a_domain_too_narrow_to_be_drawn() -> None:
    with pytest.raises(ValueError, match="too narrow"):
        answer("x", "[1000000, 1000001]")


def test_what_is_undecided_has_no_figure() -> None:
    found = answer("gamma(x)", "(-1, 0)")  # beside a pole the enclosures of Γ' are too wide
    assert found.figure is None and found.verdict.kind == "undecided" and found.verdict.at is not None


@pytest.mark.parametrize(
    ("formula", "domain", "reason"),
    [("x*y", "[0, 1]", "give it an interval too"), ("x", "[0, 1] x [0, 1] x [0, 1]", "one variable or two")],
)
def test_refuses_a_domain_for_other_variables(formula: str, domain: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        answer(formula, domain)


def test_a_function_of_x_alone_may_live_on_a_box() -> None:
    line, plane = (answer("x**2", domain).figure for domain in ("[0, 1]", "[0, 1] x [0, 1]"))
    assert line is not None and plane is not None
    for trace, axes in line.arrays(t=30)[ITERATES].items():
        np.testing.assert_allclose(plane.arrays(t=30)[ITERATES][trace]["y"], axes["y"], rtol=1e-9)


def tables(dimension: int) -> st.SearchStrategy[LipschitzRadius]:
    """Boxes anywhere, some of them points, with 1/M each."""
    side = st.tuples(st.floats(-3, 3), st.floats(0, 1))
    cell = st.tuples(st.lists(side, min_size=dimension, max_size=dimension), st.floats(0, 0.6))
    return st.lists(cell, min_size=1, max_size=40).map(_table)


def _table(cells: list[tuple[list[tuple[float, float]], float]]) -> LipschitzRadius:
    corners = np.array([sides for sides, _ in cells])
    return LipschitzRadius(corners[..., 0], corners.sum(axis=-1), [inverse for _, inverse in cells])


def grid(dimension: int, count: int) -> Column:
    """About `count` points between −3 and 4, (N, dimension)."""
    axis = np.linspace(-3, 4, round(count ** (1 / dimension)))
    return np.stack(np.meshgrid(*[axis] * dimension), axis=-1).reshape(-1, dimension)


both = st.one_of(tables(1), tables(2))


@settings(max_examples=200, deadline=None)
@given(both, st.integers(1, 12))
def test_merged_cells_bound_the_radius_from_below(radius: LipschitzRadius, count: int) -> None:
    merged = Cells.of(radius).merged(count)
    assert len(merged.lows) <= count
    x = grid(radius.lows.shape[1], 300)
    fewer = LipschitzRadius(merged.lows, merged.highs, merged.inverses)
    assert (fewer(x) <= radius(x) + 1e-15).all()


@settings(max_examples=50, deadline=None)
@given(both)
def test_the_printed_radius_is_the_radius(radius: LipschitzRadius) -> None:
    point = sympy.symbols("x:2")[: radius.lows.shape[1]]
    value, slopes = Cells.of(radius).radius(*point)
    printed = sympy.lambdify(point, [value, *slopes], "numpy", cse=True)
    at, h = grid(len(point), 60), 1e-7
    with np.errstate(all="ignore"):
        found, *slopes = printed(*at.T)
    np.testing.assert_allclose(found, radius(at), rtol=1e-12, atol=1e-15)
    for step, slope in zip(h * np.eye(len(point)), slopes, strict=True):
        sides = np.stack([(radius(at + step) - radius(at)) / h, (radius(at) - radius(at - step)) / h])
        assert (sides.min(axis=0) - 1e-5 <= slope).all() and (slope <= sides.max(axis=0) + 1e-5).all()


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
    ("domain", "axes"),
    [
        ("(0, 1]", [(0.0, 1.0)]),
        ("(0, inf)", [(0.0, 8.0)]),
        ("(-inf, inf)", [(-8.0, 8.0)]),
        ("(-inf, 3]", [(-5.0, 3.0)]),
        (r"(-inf, inf) \ {100}", [(92.0, 108.0)]),
        (r"[-1, 1] \ {0}", [(-1.0, 1.0)]),
        (r"[0, 1] \ [0, 0.5]", [(0.5, 1.0)]),
        ("[-1, 1] x (0, inf)", [(-1.0, 1.0), (0.0, 8.0)]),
    ],
)
def test_the_window_of_a_domain(domain: str, axes: list[tuple[float, float]]) -> None:
    read = Domain.parse(domain)
    window = Window.of(read)
    assert [(span.low, span.high) for span in window.axes] == axes
    points = window.points()
    assert 150 <= len(points) <= 170
    inside = read.contains(np.stack([points, *(np.full(len(points), high) for _, high in axes[1:])], axis=1))
    assert inside.sum() == len(points) - len(window.holes) * (domain[0] != "[" or axes[0][0] < 0)


def test_a_page_gets_a_module_for_each_figure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from implicit_lib.explore import PAGE_FILES
    from implicit_lib.typed import TYPED_MIME, TypedFunction

    monkeypatch.setenv(PAGE_FILES, str(tmp_path))
    presets = [PRESETS[0], next(preset for preset in PRESETS if preset.label in REFUSED)]
    bundle = TypedFunction(name="few", presets=presets)._repr_mimebundle_()
    assert bundle[TYPED_MIME] == {"name": "few", "title": "Type your own F", "src": "few-presets.js"}
    assert {path.name for path in tmp_path.iterdir()} == {"few-presets.js", "few_0.js"}
