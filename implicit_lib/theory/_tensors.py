"""Formulas on torch tensors: NaN where they are undefined, and derivatives that no other branch can spoil."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import torch
from torch import Tensor

from implicit_lib.theory._pointwise import COMPARE, CONSTANT_VALUES, operations, power
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
        value: Tensor = power(torch, self._guarded(base), exponent)
        return value

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


_FUNCTIONS = operations(torch, _gamma)
