"""Formulas on NumPy arrays in double precision: NaN where they are undefined."""

import math
import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from implicit_lib.theory._tree import Piecewise, evaluate

Array = npt.NDArray[np.float64]

CONSTANT_VALUES = {"pi": math.pi, "e": math.e}
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}


class _Arrays:
    """The algebra of float64 arrays, which broadcast against each other."""

    def number(self, value: Fraction) -> Array:
        return np.asarray(float(value))

    def constant(self, name: str) -> Array:
        return np.asarray(CONSTANT_VALUES[name])

    def power(self, base: Array, exponent: Fraction) -> Array:
        defined = ~np.isnan(base)  # NumPy's nan**0 is 1
        if exponent.denominator > 1:
            defined &= base >= 0
        if exponent < 0:
            defined &= base != 0
        with np.errstate(all="ignore"):
            return np.where(defined, np.power(base, float(exponent)), np.nan)

    def apply(self, name: str, *args: Array) -> Array:
        with np.errstate(all="ignore"):
            value, defined = _FUNCTIONS[name](*args)
            return np.where(defined, value, np.nan)

    def piecewise(self, node: Piecewise, variables: Mapping[str, Array]) -> Array:
        value = evaluate(node.otherwise, self, variables)
        for test, branch in reversed(node.branches):
            left, right = evaluate(test.left, self, variables), evaluate(test.right, self, variables)
            chosen = COMPARE[test.relation](left, right)
            value = np.where(chosen, evaluate(branch, self, variables), value)
            value = np.where(np.isnan(left) | np.isnan(right), np.nan, value)
        return value


def _gamma(x: Array) -> tuple[Array, bool]:
    return np.asarray(_gamma_of(x), dtype=np.float64), True


def _gamma_at(x: float) -> float:
    """The standard library's gamma; its errors become what a float can hold."""
    try:
        return math.gamma(x)
    except OverflowError:
        return math.inf
    except ValueError:  # a pole, or −inf
        return math.nan


_gamma_of = np.frompyfunc(_gamma_at, 1, 1)

# The value, and where the operation is defined; NaN in an operand gives NaN everywhere by itself.
_FUNCTIONS: dict[str, Callable[..., tuple[Array, Any]]] = {
    "add": lambda a, b: (a + b, True),
    "sub": lambda a, b: (a - b, True),
    "mul": lambda a, b: (a * b, True),
    "div": lambda a, b: (a / b, b != 0),
    "neg": lambda a: (-a, True),
    "pow": lambda a, b: (np.power(a, b), (a > 0) & ~np.isnan(b) | (a == 0) & (b > 0)),
    "abs": lambda a: (np.abs(a), True),
    "sqrt": lambda a: (np.sqrt(a), a >= 0),
    "exp": lambda a: (np.exp(a), True),
    "log": lambda a: (np.log(a), a > 0),
    "sin": lambda a: (np.sin(a), True),
    "cos": lambda a: (np.cos(a), True),
    "tan": lambda a: (np.tan(a), True),
    "atan": lambda a: (np.arctan(a), True),
    "tanh": lambda a: (np.tanh(a), True),
    "gamma": _gamma,
    "min": lambda *values: (np.minimum.reduce(np.broadcast_arrays(*values)), True),
    "max": lambda *values: (np.maximum.reduce(np.broadcast_arrays(*values)), True),
}

ARRAYS = _Arrays()
