"""The figure of a typed function: the iterates of its regular operator, the step, and the slope under its limit."""

from __future__ import annotations

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
from implicit_lib.theory import Domain, Formula, RegularOperator

from ._cells import Cells
from ._gamma import without_gamma
from ._grid import Window

ITERATIONS = 100
CELLS = 80  # printed into a page
PROBE_STEPS = 200
CONSTANT = 2  # of every operator of Theorem 2
# The step of the difference quotients of r̂, relative to the window.
QUOTIENT = 2.0**-24

X = sympy.Symbol("x", real=True)
X0 = sympy.Symbol("x0")
Y, DY, STEP, DSTEP, F, DF, LIMIT = sympy.symbols("y dy step dstep target dtarget limit", real=True)
# What is added to hide a value: NaN in holes; and NaN at t = 0, where slopes are 0, which no logarithmic axis has.
GAP, BEFORE = sympy.symbols("gap before", real=True)


def figure_of(formula: Formula, domain: Domain, operator: RegularOperator, *, name: str = "typed") -> Explorer:
    """The explorer of y ← y + ε(x) (F(x) − y), y_0 = 0, for an operator that was certified.

    ε is that of the operator, with its cells merged until at most `CELLS` remain: r̂ becomes smaller, and stays a
    1-Lipschitz lower bound, so that the operator stays regular with constant 2. Outside of the domain,
    curves have gaps.

    Args:
        formula: F, in one variable.
        domain: where; of an infinite interval, a part is shown.
        operator: the one that reaches F there.
        name: of the explorer; an identifier.

    Raises:
        ValueError: F has more than one variable; or the domain is too narrow to be drawn, or r̂ is 0 everywhere.
    """
    if domain.dimension != 1:
        raise ValueError(f"this figure shows functions of one variable, but {domain.text} has {domain.dimension}")
    window = Window.of(domain)
    system = _system(formula, window, Cells.of(operator.table))
    ranges = _ranges(system, window)
    return Explorer(
        name=name,
        title=f"F(x) = {formula.text} on {domain.text}",
        system=system,
        controls=[Iterations(maximum=ITERATIONS, value=20), _probe(window)],
        panels=[_iterates(ranges), _steps(ranges), _slopes(ranges)],
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
    inside = window.contains(X)
    (symbol,) = sorted(formula.sympy.free_symbols, key=str) or [X]
    target = without_gamma(formula.sympy.xreplace({symbol: X}))
    slope = _without_heaviside(sympy.diff(target, X))
    near = cells.within(window.low, window.high).merged(CELLS)
    h = QUOTIENT * (window.high - window.low)
    radius = near.radius(X)
    # r̂ is piecewise linear: away from its corners the quotient is its slope
    dradius = (near.radius(X + h) - near.radius(X - h)) / (2 * h)
    size = 1 + sympy.Abs(target)
    step = radius / size
    start = {
        Y: 0,
        DY: 0,
        STEP: step,
        DSTEP: dradius / size - step * sympy.sign(target) * slope / size,
        F: target,
        DF: slope,
        LIMIT: 0,
        GAP: 0,
        BEFORE: sympy.nan,
    }
    moved = Y + STEP * (F - Y)
    # In a hole, where GAP hides it, a point stands still at 0 with the least of limits: it is never the largest.
    holes = {Y: 0, DY: 0, STEP: 1, DSTEP: 0, F: 0, DF: 0, LIMIT: 0, GAP: sympy.nan, BEFORE: sympy.nan}
    return SymbolicSystem(
        start={key: sympy.Piecewise((value, inside), (holes[key], True)) for key, value in start.items()},
        step={
            Y: moved,
            # the chain rule: y, ε and F all depend on x
            DY: sum(sympy.diff(moved, part) * rate for part, rate in ((Y, DY), (STEP, DSTEP), (F, DF))),
            **{part: part for part in (STEP, DSTEP, F, DF, GAP)},
            BEFORE: 0,
            LIMIT: (1 - STEP) * LIMIT + CONSTANT * (1 + sympy.Abs(Y)),
        },
        points=(X, window.points()),
        probe=X0,
        view={
            "x": X + GAP,
            "target": F,
            "y": Y,
            "step": STEP,
            "slope": Maximum(sympy.Abs(DY)),
            "limit": Maximum(LIMIT),
            "x0": X0,
            "target0": AtProbe(F + GAP),
            "y0": AtProbe(Y + GAP),
            "error0": AtProbe(sympy.Abs(F - Y) + GAP),
            "step0": AtProbe(STEP + GAP),
            "slope0": AtProbe(sympy.Abs(DY) + GAP),
            "limit0": AtProbe(LIMIT + GAP),
            "slopes": Maximum(sympy.Abs(DY) + BEFORE),
            "limits": Maximum(LIMIT + BEFORE),
            "slopes0": AtProbe(sympy.Abs(DY) + BEFORE + GAP),
            "limits0": AtProbe(LIMIT + BEFORE + GAP),
        },
    )


def _without_heaviside(expression: sympy.Expr) -> sympy.Expr:
    """The derivatives of Min and Max in functions that NumPy and JavaScript have."""
    return expression.replace(sympy.Heaviside, lambda at, _: (1 + sympy.sign(at)) / 2)


def _probe(window: Window) -> Slider:
    low, high = window.low, window.high
    step = (high - low) / PROBE_STEPS
    first = low + step if window.parts[0][2] else low
    if step < 1e-6 * max(abs(low), abs(high)):
        raise ValueError(f"the domain from {low} to {high} is too narrow to be drawn so far from 0")
    count = PROBE_STEPS - int(window.parts[0][2]) - int(window.parts[-1][3])
    value = first + round(0.3 * count) * step
    return Slider(
        name="x0", label="Point x₀", minimum=first, maximum=first + count * step, step=step, value=value, format=".3g"
    )


def _ranges(system: SymbolicSystem, window: Window) -> dict[str, list[float]]:
    """Of the axes: what the figure shows at any t, but for the far ends of F."""
    state = system.start({"x0": window.high})
    settings = {"x0": window.high}
    first = system.view(state, state, settings, 0)
    inside = np.isfinite(first["x"])
    values, steps = first["target"][inside], first["step"][inside & (first["step"] > 0)]
    if not len(steps):
        raise ValueError("no slope of this F could be bounded anywhere in the window: there is no step to show")
    low, high = np.quantile(np.append(values, 0.0), [0.06, 0.94])
    reach = 0.35 * (high - low) or 1.0
    low, high = max(low - reach, values.min() - 0.1 * reach), min(high + reach, values.max() + 0.1 * reach)
    slopes, limits = [], []
    for t in range(1, ITERATIONS + 1):
        state = system.step(state)
        view = system.view(state, state, settings, t)
        slopes.append(float(view["slope"]))
        limits.append(float(view["limit"]))
    top = max(limits)
    bottom = max(min([s for s in slopes if s > 0], default=top), 1e-4 * top)
    return {
        "x": [window.low, window.high],
        "y": [min(low, -0.1 * reach), max(high, 0.1 * reach)],
        "step": _decades(steps.min(), steps.max()),
        "slope": _decades(bottom, top),
    }


def _decades(low: float, high: float) -> list[float]:
    """A range of a logarithmic axis."""
    return [float(np.log10(low)) - 0.3, float(np.log10(high)) + 0.3]


def _line(name: str, colour: str, dash: str = "solid", width: float = 2) -> go.Scatter:
    return go.Scatter(name=name, mode="lines", line={"color": colour, "dash": dash, "width": width})


def _marker(name: str) -> go.Scatter:
    return go.Scatter(name=name, mode="markers", marker={"color": palette.PROBE, "size": 9})


def _iterates(ranges: dict[str, list[float]]) -> Panel:
    figure = go.Figure(
        [
            _line("F", palette.TARGET, width=3),
            _line("y_t", palette.ITERATES[-1]),
            _marker("y_t(x₀)"),
        ],
        layout={"xaxis": {"title": "x", "range": ranges["x"]}, "yaxis": {"range": ranges["y"]}},
    )
    bind = {
        "F": {"x": Now("x"), "y": Now("target")},
        "y_t": {"x": Now("x"), "y": Now("y")},
        "y_t(x₀)": {"x": Now("x0"), "y": Now("y0")},
    }
    alt = "The graph of F, and below it that of the iterate y_t, which starts at 0 and climbs towards F as t grows."
    return Panel(title="The target F and the iterate y_t", figure=figure, bind=bind, alt=alt)


def _steps(ranges: dict[str, list[float]]) -> Panel:
    figure = go.Figure(
        [_line("ε", palette.RESIDUAL), _marker("ε(x₀)")],
        layout={
            "xaxis": {"title": "x", "range": ranges["x"]},
            "yaxis": {"type": "log", "range": ranges["step"], "exponentformat": "power"},
        },
    )
    bind = {"ε": {"x": Now("x"), "y": Now("step")}, "ε(x₀)": {"x": Now("x0"), "y": Now("step0")}}
    alt = "The step ε over x on a logarithmic axis: small where F is steep or large."
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
