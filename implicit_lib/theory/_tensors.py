"""Formulas on torch tensors: NaN where they are undefined, and derivatives that no other branch can spoil."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from implicit_lib.theory._arrays import COMPARE, CONSTANT_VALUES
from implicit_lib.theory._tree import Piecewise, evaluate


@dataclass(frozen=True)
class Tensors:
    """The algebra of tensors of one dtype on one device, which broadcast against each other.

    Where a branch of a piecewise formula does not apply, its operands are replaced by 1, at which every operation is
    smooth. Otherwise backpropagation would multiply the 0 that reaches that branch by an infinite slope, and get NaN.
    """

    dtype: torch.dtype
    device: torch.device
    active: Tensor | None = None  # where the values matter, None: everywhere

    def number(self, value: Fraction) -> Tensor:
        return self._full(float(value))

    def constant(self, name: str) -> Tensor:
        return self._full(CONSTANT_VALUES[name])

    def power(self, base: Tensor, exponent: Fraction) -> Tensor:
        base = self._guarded(base)
        defined = ~torch.isnan(base)  # torch's nan**0 is 1
        if exponent.denominator > 1:
            defined = defined & (base >= 0)
        if exponent < 0:
            defined = defined & (base != 0)
        return torch.where(defined, base ** float(exponent), torch.nan)

    def apply(self, name: str, *args: Tensor) -> Tensor:
        value, defined = _FUNCTIONS[name](*map(self._guarded, args))
        return value if defined is None else torch.where(defined, value, torch.nan)

    def piecewise(self, node: Piecewise, variables: Mapping[str, Tensor]) -> Tensor:
        left_over = torch.ones((), dtype=torch.bool, device=self.device) if self.active is None else self.active
        value = self._full(0.0)
        for test, branch in node.branches:
            here = replace(self, active=left_over)
            left, right = evaluate(test.left, here, variables), evaluate(test.right, here, variables)
            value = torch.where(left_over & (torch.isnan(left) | torch.isnan(right)), torch.nan, value)
            chosen = left_over & COMPARE[test.relation](left, right)
            value = torch.where(chosen, evaluate(branch, replace(self, active=chosen), variables), value)
            left_over = left_over & ~chosen & ~torch.isnan(value)
        return torch.where(left_over, evaluate(node.otherwise, replace(self, active=left_over), variables), value)

    def _guarded(self, value: Tensor) -> Tensor:
        return value if self.active is None else torch.where(self.active, value, 1.0)

    def _full(self, value: float) -> Tensor:
        return torch.full((), value, dtype=self.dtype, device=self.device)


def _gamma(x: Tensor) -> tuple[Tensor, Tensor]:
    """Through log|Γ|, whose derivative torch knows: to about 1e-13 relative in double precision.

    Between the poles on the negative side the sign alternates.
    """
    floor = torch.floor(x)
    negative = (x < 0) & (torch.remainder(floor, 2) == 1)
    size = torch.exp(torch.lgamma(x))
    return torch.where(negative, -size, size), (x > 0) | (x != floor)


# The value, and where the operation is defined (None: everywhere); NaN in an operand gives NaN by itself.
_FUNCTIONS: dict[str, Callable[..., tuple[Tensor, Any]]] = {
    "add": lambda a, b: (a + b, None),
    "sub": lambda a, b: (a - b, None),
    "mul": lambda a, b: (a * b, None),
    "div": lambda a, b: (a / b, b != 0),
    "neg": lambda a: (-a, None),
    "pow": lambda a, b: (a**b, (a > 0) & ~torch.isnan(b) | (a == 0) & (b > 0)),
    "abs": lambda a: (torch.abs(a), None),
    "sqrt": lambda a: (torch.sqrt(a), a >= 0),
    "exp": lambda a: (torch.exp(a), None),
    "log": lambda a: (torch.log(a), a > 0),
    "sin": lambda a: (torch.sin(a), None),
    "cos": lambda a: (torch.cos(a), None),
    "tan": lambda a: (torch.tan(a), None),
    "atan": lambda a: (torch.atan(a), None),
    "tanh": lambda a: (torch.tanh(a), None),
    "gamma": _gamma,
    "min": lambda *values: (reduce(torch.minimum, values), None),
    "max": lambda *values: (reduce(torch.maximum, values), None),
}
