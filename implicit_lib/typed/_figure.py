"""The figure of a typed function: the iterates of its regular operator, the step, and the slope under its limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import sympy

from implicit_lib.explore import (
    AtProbe,
    Explorer,
    History,
    Iterations,
    Maximum,
    Now,
    Panel,
    Readout,
    Slider,
    SymbolicSystem,
    palette,
)
from implicit_lib.explore._system import Arrays
from implicit_lib.theory import Domain, Formula, RegularOperator

from ._cells import Cells
from ._gamma import without_gamma
from ._grid import Span, Window

ITERATIONS = 100
CELLS = 80  # printed into a page, times the square of the number of variables
PROBE_STEPS = 200
PROBE_SHARES = (0.3, 0.8, 0.05, 0.55)  # of its way, where a slider may stand first
CONSTANT = 2  # of every operator of Theorem 2

X = sympy.Symbol("x", real=True)
X0 = sympy.Symbol("x0")
# In two variables a curve runs along the first one, and the second is that of the probe.
SECTION = sympy.Symbol("section", real=True)
Y, STEP, F, LIMIT = sympy.symbols("y step target limit", real=True)
# What is added to hide a value: NaN in holes; and NaN at t = 0, where slopes are 0, which no logarithmic axis has.
GAP, BEFORE = sympy.symbols("gap before", real=True)


def figure_of(formula: Formula, domain: Domain, operator: RegularOperator, *, name: str = "typed") -> Explorer:
    """The explorer of y ← y + ε(x) (F(x) − y), y_0 = 0, for an operator that was certified.

    ε is that of the operator, with its cells merged until few enough remain to be printed: r̂ becomes smaller, and stays
    a 1-Lipschitz lower bound, so that the operator stays regular with constant 2. Outside of the domain, curves have
    gaps. In two variables they show the section through the probe along the first one; slopes are lengths of gradients,
    in both variables.

    Args:
        formula: F, in one variable or two.
        domain: where; of an infinite interval, a part is shown.
        operator: the one that reaches F there.
        name: of the explorer; an identifier.

    Raises:
        ValueError: the domain is too narrow to be drawn, or r̂ is 0 everywhere.
    """
    window = Window.of(domain)
    system = _system(formula, window, Cells.of(operator.table))
    probe = _probe(domain, formula.variables)
    ranges = {"x": [window.axes[0].low, window.axes[0].high], **_ranges(system, probe)}
    across = "x" if domain.dimension == 1 else "x, at the y of x₀"
    return Explorer(
        name=name,
        title=f"F({', '.join(formula.variables)}) = {formula.text} on {domain.text}",
        system=system,
        controls=[Iterations(maximum=ITERATIONS, value=20), *probe],
        panels=[_iterates(ranges, across), _steps(ranges, across), _slopes(ranges)],
        readouts=[
            Readout(label="F(x₀)", name="target0", format=".3g"),
            Readout(label="y_t(x₀)", name="y0", format=".3g"),
            Readout(label="error |F − y_t| at x₀", name="error0", format=".1e"),
            Readout(label="ε(x₀)", name="step0", format=".1e"),
            Readout(label="L_t at x₀", name="slope0", format=".3g"),
            Readout(label="its limit", name="limit0", format=".3g"),
            Readout(label="largest L_t on the grid", name="slope", format=".3g"),
        ],
    )


def _system(formula: Formula, window: Window, cells: Cells) -> SymbolicSystem:
    point = (X, SECTION)[: len(formula.variables)]
    # y_t, ε and F with their derivatives along each axis
    rates = {part: [sympy.Symbol(f"d{part}_{x}", real=True) for x in point] for part in (Y, STEP, F)}
    names = [sympy.Symbol(variable, real=True) for variable in formula.variables]
    target = without_gamma(formula.sympy.xreplace(dict(zip(names, point, strict=True))))
    slopes = [_at_kinks(sympy.diff(target, x)) for x in point]
    near = cells.within([span.low for span in window.axes], [span.high for span in window.axes])
    near = near.merged(CELLS * len(point) ** 2)
    size = 1 + sympy.Abs(target)
    radius, bends = near.radius(*point)
    step = radius / size
    step_slopes = [
        bend / size - step * sympy.sign(target) * slope / size for bend, slope in zip(bends, slopes, strict=True)
    ]
    start = {
        Y: 0,
        STEP: step,
        F: target,
        LIMIT: 0,
        GAP: 0,
        BEFORE: sympy.nan,
        **dict.fromkeys(rates[Y], 0),
        **dict(zip(rates[STEP], step_slopes, strict=True)),
        **dict(zip(rates[F], slopes, strict=True)),
    }
    moved = Y + STEP * (F - Y)
    # In a hole, where GAP hides it, a point stands still at 0 with the least of limits: it is never the largest.
    holes = dict.fromkeys(start, 0) | {STEP: 1, GAP: sympy.nan, BEFORE: sympy.nan}
    inside = window.contains(*point)
    return SymbolicSystem(
        start={key: sympy.Piecewise((value, inside), (holes[key], True)) for key, value in start.items()},
        step={
            **{part: part for part in start},
            Y: moved,
            # the chain rule: y, ε and F all depend on x
            **{dy: sum(sympy.diff(moved, part) * rates[part][i] for part in rates) for i, dy in enumerate(rates[Y])},
            BEFORE: 0,
            LIMIT: (1 - STEP) * LIMIT + CONSTANT * (1 + sympy.Abs(Y)),
        },
        points=(X, window.points()),
        probe=X0,
        view=_view(sympy.sqrt(sum(rate**2 for rate in rates[Y]))),
    )


def _view(slope: sympy.Expr) -> dict[str, sympy.Expr | Maximum | AtProbe]:
    """What is drawn; the slope is that of y_t. The twin on the page has the same order."""
    return {
        "x": X + GAP,
        "target": F,
        "y": Y,
        "step": STEP,
        "slope": Maximum(slope),
        "limit": Maximum(LIMIT),
        "x0": X0,
        "target0": AtProbe(F + GAP),
        "y0": AtProbe(Y + GAP),
        "error0": AtProbe(sympy.Abs(F - Y) + GAP),
        "step0": AtProbe(STEP + GAP),
        "slope0": AtProbe(slope + GAP),
        "limit0": AtProbe(LIMIT + GAP),
        "slopes": Maximum(slope + BEFORE),
        "limits": Maximum(LIMIT + BEFORE),
        "slopes0": AtProbe(slope + BEFORE + GAP),
        "limits0": AtProbe(LIMIT + BEFORE + GAP),
    }


def _at_kinks(derivative: sympy.Expr) -> sympy.Expr:
    """A derivative that is a number at kinks as well, in functions that NumPy and JavaScript have.

    Those of Min and Max have steps. That of a root has a pole at 0, and where F is locally Lipschitz all the same, as
    √(x² + y²) is, 0 lies between its slopes on the two sides.
    """
    steps = derivative.replace(sympy.Heaviside, lambda at, _: (1 + sympy.sign(at)) / 2)
    return steps.replace(
        lambda part: part.is_Pow and part.exp.is_negative and not part.exp.is_integer,
        lambda part: sympy.Piecewise((part, part.base > 0), (0, True)),
    )


def _probe(domain: Domain, variables: Sequence[str]) -> list[Slider]:
    """A slider for each coordinate of x₀, which stands at a point of the domain if one of a few is."""
    spans = Window.of(domain).axes
    labels = ["Point x₀"] if len(spans) == 1 else [f"Point x₀: its {variable}" for variable in variables]
    names = ("x0", SECTION.name)[: len(spans)]
    probes = [[_slider(*parts, share) for parts in zip(names, labels, spans, strict=True)] for share in PROBE_SHARES]
    inside = (probe for probe in probes if domain.contains([[slider.value for slider in probe]])[0])
    return next(inside, probes[0])


def _slider(name: str, label: str, span: Span, share: float) -> Slider:
    step = (span.high - span.low) / PROBE_STEPS
    if step < 1e-6 * max(abs(span.low), abs(span.high)):
        raise ValueError(f"the domain from {span.low} to {span.high} is too narrow to be drawn so far from 0")
    first, last = span.low + step * span.low_open, span.high - step * span.high_open
    value = first + round(share * (last - first) / step) * step
    return Slider(name=name, label=label, minimum=first, maximum=last, step=step, value=value, format=".3g")


def _ranges(system: SymbolicSystem, probe: Sequence[Slider]) -> dict[str, list[float]]:
    """Of the axes: what the figure shows at any t, in sections all over the domain, but for the far ends of F."""
    views = [_views(system, {"x0": probe[0].maximum, **section}) for section in _sections(probe)]
    starts = [first for first, *_ in views if np.isfinite(first["x"]).any()]
    steps = _inside("step", starts)
    steps = steps[steps > 0]
    if not len(steps):
        raise ValueError("no slope of this F could be bounded anywhere in the window: there is no step to show")
    # at its first and last value the second variable may be next to a pole, where F is out of proportion
    values = _inside("target", starts[1:-1] or starts)
    low, high = np.quantile(np.append(values, 0.0), [0.06, 0.94])
    reach = 0.35 * (high - low) or 1.0
    low, high = max(low - reach, values.min() - 0.1 * reach), min(high + reach, values.max() + 0.1 * reach)
    slopes, limits = ([float(view[key]) for after in views for view in after[1:]] for key in ("slope", "limit"))
    top = max(limits)
    bottom = max(min([s for s in slopes if s > 0], default=top), 1e-4 * top)
    return {
        "y": [min(low, -0.1 * reach), max(high, 0.1 * reach)],
        "step": _decades(steps.min(), steps.max()),
        "slope": _decades(bottom, top),
    }


def _inside(name: str, views: Sequence[Arrays]) -> np.ndarray[tuple[int], np.dtype[np.floating[Any]]]:
    """The values of curves, where they have no gap."""
    return np.concatenate([np.empty(0), *(view[name][np.isfinite(view["x"])] for view in views)])


def _sections(probe: Sequence[Slider]) -> list[dict[str, float]]:
    """Of a function of one variable there is one; else those at some values of the second variable."""
    return [{slider.name: value} for slider in probe[1:] for value in slider.sweep()] or [{}]


def _views(system: SymbolicSystem, settings: dict[str, float]) -> list[Arrays]:
    """The views of all iterations."""
    state = system.start(settings)
    views = [system.view(state, state, settings, 0)]
    for t in range(1, ITERATIONS + 1):
        state = system.step(state)
        views.append(system.view(state, state, settings, t))
    return views


def _decades(low: float, high: float) -> list[float]:
    """A range of a logarithmic axis."""
    return [float(np.log10(low)) - 0.3, float(np.log10(high)) + 0.3]


def _line(name: str, colour: str, dash: str = "solid", width: float = 2) -> go.Scatter:
    return go.Scatter(name=name, mode="lines", line={"color": colour, "dash": dash, "width": width})


def _marker(name: str) -> go.Scatter:
    return go.Scatter(name=name, mode="markers", marker={"color": palette.PROBE, "size": 9})


def _iterates(ranges: dict[str, list[float]], across: str) -> Panel:
    figure = go.Figure(
        [
            _line("F", palette.TARGET, width=3),
            _line("y_t", palette.ITERATES[-1]),
            _marker("y_t(x₀)"),
        ],
        layout={"xaxis": {"title": across, "range": ranges["x"]}, "yaxis": {"range": ranges["y"]}},
    )
    bind = {
        "F": {"x": Now("x"), "y": Now("target")},
        "y_t": {"x": Now("x"), "y": Now("y")},
        "y_t(x₀)": {"x": Now("x0"), "y": Now("y0")},
    }
    alt = f"Over {across}: the graph of F, and that of the iterate y_t, which starts at 0 and climbs to F as t grows."
    return Panel(title="The target F and the iterate y_t", figure=figure, bind=bind, alt=alt)


def _steps(ranges: dict[str, list[float]], across: str) -> Panel:
    figure = go.Figure(
        [_line("ε", palette.RESIDUAL), _marker("ε(x₀)")],
        layout={
            "xaxis": {"title": across, "range": ranges["x"]},
            "yaxis": {"type": "log", "range": ranges["step"], "exponentformat": "power"},
        },
    )
    bind = {"ε": {"x": Now("x"), "y": Now("step")}, "ε(x₀)": {"x": Now("x0"), "y": Now("step0")}}
    alt = f"The step ε over {across}, on a logarithmic axis: small where F is steep or large."
    return Panel(title="The step ε(x)", figure=figure, bind=bind, alt=alt)


def _slopes(ranges: dict[str, list[float]]) -> Panel:
    figure = go.Figure(
        [
            _line("largest on the grid", palette.LIPSCHITZ, width=3),
            _line("its limit", palette.ENVELOPE, "dash"),
            _line("at x₀", palette.LIPSCHITZ, "dot"),
            _line("limit at x₀", palette.ENVELOPE, "dot"),
        ],
        layout={
            "xaxis": {"title": "iterations t", "range": [0, 1.02 * ITERATIONS]},
            "yaxis": {"type": "log", "range": ranges["slope"], "dtick": 1, "exponentformat": "power"},
        },
    )
    names = {"largest on the grid": "slopes", "its limit": "limits", "at x₀": "slopes0", "limit at x₀": "limits0"}
    bind = {trace: {"x": History("t"), "y": History(name)} for trace, name in names.items()}
    alt = "The slope L_t of the iterates against t, at x₀ and the largest on the grid, each below its speed limit."
    return Panel(title="Slope L_t under the speed limit", figure=figure, bind=bind, alt=alt)
