"""A system given by formulas: run in NumPy float64 here, and printed to JavaScript for the page."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import sympy

from ._system import Arrays, Settings

if TYPE_CHECKING:
    from ._onnx import Exports

State = tuple[npt.NDArray[np.float64], ...]
_T = sympy.Symbol("t")


@dataclass(frozen=True)
class Maximum:
    """The largest value of a pointwise expression over the points (NaN where it is NaN somewhere)."""

    expression: sympy.Expr


@dataclass(frozen=True)
class AtProbe:
    """The value of a pointwise expression at the point that the reader has chosen."""

    expression: sympy.Expr


def tangent(step: sympy.Expr, *, y: sympy.Symbol, x: sympy.Symbol, dy: sympy.Symbol) -> sympy.Expr:
    """The step of dy_t/dx that belongs to the step `y ← G(y, x)`: ∂G/∂y · dy + ∂G/∂x (chain rule)."""
    return sympy.diff(step, y) * dy + sympy.diff(step, x)


class SymbolicSystem:
    """`y ← G(y, x)`, pointwise in x, from sympy expressions.

    Every symbol that is neither a state variable, nor the point, nor `t` (which only the view may read) is a control of
    that name.

    Args:
        step: one step of every state variable, e.g. `{y: y - eta * (x * y - 1)}`.
        start: iteration 0 of every state variable; may depend on the point and on controls.
        points: the point variable and its values, a 1-D array of N finite float64 numbers.
        view: what to draw. An expression in the state or the point is an array of shape (N,); one in controls and `t`
            alone is a scalar; `Maximum(e)` and `AtProbe(e)` are scalars.
        probe: the control that `AtProbe` reads its point from.

    Raises:
        ValueError: if `start` and `step` do not define the same variables or read `t`, if the points are not finite
            numbers, or if `AtProbe` is used without `probe`; `SympifyError`, which is one, for text in place of an
            expression.
    """

    def __init__(
        self,
        *,
        step: Mapping[sympy.Symbol, sympy.Expr],
        start: Mapping[sympy.Symbol, sympy.Expr | float],
        points: tuple[sympy.Symbol, npt.ArrayLike],
        view: Mapping[str, sympy.Expr | Maximum | AtProbe],
        probe: sympy.Symbol | None = None,
    ) -> None:
        if set(step) != set(start):
            raise ValueError(f"step defines {sorted(map(str, step))} but start defines {sorted(map(str, start))}.")
        self._variables = tuple(_plain(v) for v in step)
        self._point, values = _plain(points[0]), points[1]
        self._points = np.asarray(values, dtype=np.float64)
        if self._points.ndim != 1 or not self._points.size or not np.isfinite(self._points).all():
            raise ValueError(f"points must be a non-empty 1-D array of finite numbers; got shape {self._points.shape}.")
        if probe is None and any(isinstance(entry, AtProbe) for entry in view.values()):
            raise ValueError("AtProbe(…) needs probe=: the control that holds the chosen point.")
        self._probe = None if probe is None else _plain(probe)
        self._pointwise = {self._point, *self._variables}
        self._step = [_plain(step[v]) for v in step]
        self._start = [_plain(start[v]) for v in step]
        # found here, once: sympy takes its time, and every frame asks
        stepped = self._free(self._step + self._start)
        if _T.name in stepped:
            raise ValueError("step and start cannot read t: the operator is the same in every iteration.")
        self._view = {name: self._field(entry) for name, entry in view.items()}
        viewed = [e for _, e in self._view.values()]
        self._controls = stepped | self._free(viewed) - {_T.name}
        self._step_controls = stepped | ({self._probe.name} if self._probe is not None else set())
        self._view_controls = self._controls - self._step_controls
        arguments = [*self._variables, self._point, *map(sympy.Symbol, sorted(self._step_controls))]
        self._run_start = _numeric(arguments, self._start)
        self._run_step = _numeric(arguments, self._step)
        self._run_view = _numeric([*arguments, *map(sympy.Symbol, sorted(self._view_controls)), _T], viewed)

    def _field(self, entry: sympy.Expr | Maximum | AtProbe) -> tuple[str, sympy.Expr]:
        """How an entry of the view becomes numbers ("maximum", "probe", "curve", "scalar"), and its expression."""
        if isinstance(entry, Maximum):
            return "maximum", _plain(entry.expression)
        if isinstance(entry, AtProbe):
            return "probe", _plain(entry.expression)
        expression = _plain(entry)
        return ("curve" if expression.free_symbols & self._pointwise else "scalar"), expression

    def _free(self, expressions: Sequence[sympy.Expr]) -> frozenset[str]:
        return frozenset(s.name for e in expressions for s in e.free_symbols - self._pointwise)

    @property
    def step_controls(self) -> frozenset[str]:
        """Controls that the iteration reads (the probe too: it is one more point)."""
        return self._step_controls

    @property
    def view_controls(self) -> frozenset[str]:
        """Controls that only the view reads."""
        return self._view_controls

    def start(self, settings: Settings) -> tuple[State, list[Any]]:
        """Iteration 0, with what every further step reads: the points, the probe's last, and its controls."""
        points = self._points
        if self._probe is not None:
            points = np.append(points, settings[self._probe.name])
        inputs = [points, *_columns(self._step_controls, settings, len(points))]
        nothing = [np.nan] * len(self._variables)
        return self._run_start(*nothing, *inputs, size=len(points)), inputs

    def step(self, state: tuple[State, list[Any]]) -> tuple[State, list[Any]]:
        """One more iteration of every variable at every point."""
        values, inputs = state
        return self._run_step(*values, *inputs, size=len(inputs[0])), inputs

    def view(self, state: tuple[State, list[Any]], previous: Any, settings: Settings, t: int) -> Arrays:
        """The arrays and scalars of iteration t."""
        values, inputs = state
        size = len(inputs[0])
        columns = self._run_view(*values, *inputs, *_columns(self._view_controls, settings, size), float(t), size=size)
        n = len(self._points)
        return {
            name: _reduce(kind, column, n)
            for (name, (kind, _)), column in zip(self._view.items(), columns, strict=True)
        }

    def write_page(self, exports: Exports, name: str, settings: Settings) -> str:
        """The system as a JavaScript object; nothing is written beside it."""
        fields = [{"name": key, "reduce": kind} for key, (kind, _) in self._view.items()]
        parts = {
            "kind": json.dumps("symbolic"),
            "points": json.dumps(self._points.tolist()),
            "probe": json.dumps(self._probe.name if self._probe is not None else None),
            "stepControls": json.dumps(sorted(self.step_controls)),
            "fields": json.dumps(fields),
            "start": self._javascript(self._start),
            "step": self._javascript(self._step),
            "view": self._javascript([e for _, e in self._view.values()]),
        }
        return "{" + ",\n".join(f"{json.dumps(key)}: {value}" for key, value in parts.items()) + "}"

    def _javascript(self, expressions: Sequence[sympy.Expr]) -> str:
        """`(state, point, controls, t) => [values]`, printed by sympy; names are prefixed, so none is reserved."""
        names = [*(v.name for v in self._variables), self._point.name, *self._controls, _T.name]
        rename = {sympy.Symbol(name): sympy.Symbol(f"v_{name}") for name in names}
        rename[sympy.nan] = sympy.Symbol("NaN")  # sympy's printer knows no NaN
        shared, reduced = sympy.cse(
            [e.xreplace(rename) for e in expressions], symbols=sympy.numbered_symbols("shared_")
        )
        state = ", ".join(f"v_{v.name}" for v in self._variables)
        controls = ", ".join(f"{name}: v_{name}" for name in sorted(self._controls))
        lines = [f"const {symbol} = {sympy.jscode(value)};" for symbol, value in shared]
        lines.append("return [" + ", ".join(sympy.jscode(e) for e in reduced) + "];")
        return f"([{state}], v_{self._point.name}, {{{controls}}}, v_t) => {{ " + " ".join(lines) + " }"


def _plain(expression: Any) -> Any:
    """The expression with symbols told apart by name alone: `x` assumed positive is the same variable as `x`.

    Numbers become sympy's. Text is refused (`strict`): sympy would evaluate it as Python.
    """
    expression = sympy.sympify(expression, strict=True)
    return expression.xreplace({s: sympy.Symbol(s.name) for s in expression.free_symbols})


def _numeric(arguments: list[sympy.Symbol], expressions: list[sympy.Expr]) -> Callable[..., State]:
    """A NumPy function of `arguments` that returns one float64 array of `size` per expression."""
    compiled = sympy.lambdify(arguments, expressions, modules="numpy", cse=True)

    def run(*values: Any, size: int) -> State:
        with np.errstate(all="ignore"):  # overflow and NaN are part of what the book shows
            return tuple(_column(value, size) for value in compiled(*values))

    return run


def _column(value: Any, size: int) -> npt.NDArray[np.float64]:
    """A value at every point. An array of all points stays itself: to copy or broadcast it takes as long as a step."""
    column = np.asarray(value, dtype=np.float64)
    return column if column.shape == (size,) else np.full(size, column)


def _columns(controls: frozenset[str], settings: Settings, size: int) -> list[npt.NDArray[Any]]:
    """Each control at every point, since conditions are printed for arrays of one shape; in alphabetical order."""
    return [np.full(size, settings[name]) for name in sorted(controls)]


def _reduce(kind: str, column: npt.NDArray[np.float64], n: int) -> npt.NDArray[np.float64]:
    if kind == "curve":
        return column[:n]
    if kind == "maximum":
        return np.asarray(column[:n].max())
    return np.asarray(column[-1])
