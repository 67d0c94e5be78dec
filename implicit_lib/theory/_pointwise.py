"""The operations of formulas for a library of arrays, NumPy or torch: their values, and where they are defined."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from fractions import Fraction
from functools import reduce
from typing import Any

CONSTANT_VALUES = {"pi": math.pi, "e": math.e}
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}


def operations(library: Any, gamma: Callable[[Any], tuple[Any, Any]]) -> dict[str, Callable[..., tuple[Any, Any]]]:
    """By name: the value, and where it is defined (None: everywhere). NaN in an operand gives NaN by itself.

    Args:
        library: the module whose functions of one name compute: `numpy` or `torch`.
        gamma: its Γ, as the others are returned.
    """
    smooth = {"abs": "abs", "exp": "exp", "sin": "sin", "cos": "cos", "tan": "tan", "atan": "arctan", "tanh": "tanh"}

    def everywhere(function: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
        return lambda *args: (function(*args), None)

    return {
        "add": everywhere(operator.add),
        "sub": everywhere(operator.sub),
        "mul": everywhere(operator.mul),
        "div": lambda a, b: (a / b, b != 0),
        "neg": everywhere(operator.neg),
        "pow": lambda a, b: (a**b, (a > 0) & ~library.isnan(b) | (a == 0) & (b > 0)),
        **{name: everywhere(getattr(library, function)) for name, function in smooth.items()},
        "sqrt": lambda a: (library.sqrt(a), a >= 0),
        "log": lambda a: (library.log(a), a > 0),
        "gamma": gamma,
        "min": everywhere(lambda *values: reduce(library.minimum, values)),
        "max": everywhere(lambda *values: reduce(library.maximum, values)),
    }


def power(library: Any, base: Any, exponent: Fraction) -> Any:
    """A power with a constant exponent; NaN where it is undefined."""
    defined = ~library.isnan(base)  # nan**0 would be 1
    if exponent.denominator > 1:
        defined = defined & (base >= 0)
    if exponent < 0:
        defined = defined & (base != 0)
    return library.where(defined, base ** float(exponent), math.nan)
