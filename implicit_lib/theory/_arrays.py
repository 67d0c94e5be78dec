"""Formulas on NumPy arrays in double precision: NaN where they are undefined."""

import math
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from implicit_lib.theory._pointwise import COMPARE, CONSTANT_VALUES, operations, power
from implicit_lib.theory._tree import Piecewise, evaluate

Array = npt.NDArray[np.float64]


class _Arrays:
    """The algebra of float64 arrays, which broadcast against each other."""

    def number(self, value: Fraction) -> Array:
        return np.asarray(float(value))

    def constant(self, name: str) -> Array:
        return np.asarray(CONSTANT_VALUES[name])

    def power(self, base: Array, exponent: Fraction) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(power(np, base, exponent))

    def apply(self, name: str, *args: Array) -> Array:
        with np.errstate(all="ignore"):
            value, defined = _FUNCTIONS[name](*args)
            return np.asarray(value if defined is None else np.where(defined, value, np.nan))

    def piecewise(self, node: Piecewise, variables: Mapping[str, Array]) -> Array:
        value = evaluate(node.otherwise, self, variables)
        for test, branch in reversed(node.branches):
            left, right = evaluate(test.left, self, variables), evaluate(test.right, self, variables)
            chosen = COMPARE[test.relation](left, right)
            value = np.where(chosen, evaluate(branch, self, variables), value)
            value = np.where(np.isnan(left) | np.isnan(right), np.nan, value)
        return value


def _gamma(x: Array) -> tuple[Array, None]:
    return np.asarray(_gamma_of(x), dtype=np.float64), None


def _gamma_at(x: float) -> float:
    """The standard library's gamma; its errors become what a float can hold."""
    try:
        return math.gamma(x)
    except OverflowError:
        return math.inf
    except ValueError:  # a pole, or −inf
        return math.nan


_gamma_of = np.frompyfunc(_gamma_at, 1, 1)

_FUNCTIONS = operations(np, _gamma)

ARRAYS = _Arrays()
