"""Implicit differentiation: the implicit function theorem, with the adjoint system solved by fixed-point iteration."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import torch
from torch import Tensor

from implicit_lib.gradients._adjoint import AdjointReport, AdjointSolver
from implicit_lib.gradients._attach import without_graph
from implicit_lib.gradients._closure import LeafMap
from implicit_lib.gradients._equilibrium import attach_equilibrium, in_this_autocast
from implicit_lib.solvers import ConvergenceWarning, Picard, Solution, Solver
from implicit_lib.solvers._checks import check_settings
from implicit_lib.solvers._state import (
    Leaves,
    Operator,
    per_sample,
    readable,
    statistics_dtype,
    unflatten_state,
)

Y = TypeVar("Y")


@dataclass(kw_only=True)
class ImplicitGradient:
    """dL/dθ = (∂G/∂θ)ᵀ v with (I − ∂G/∂y)ᵀ v = dL/dy*, all derivatives at the fixed point y*.

    The adjoint system is the fixed-point problem v = (∂G/∂y)ᵀ v + dL/dy*, a contraction wherever G is, solved from
    v = dL/dy* with vector-Jacobian products of one application of G. Memory does not depend on the number of
    iterations, forward or backward.

    A sample's adjoint has converged when its estimated relative error is at most tol. The estimate is the residual,
    times how much larger the error is than the residual: 1/(1 − ρ) for residuals that fall by ρ an iteration
    (Proposition 5 of the book), or what the walk itself showed, whichever is larger. It is an estimate, not a bound:
    the part of the error that falls slowest can hide below the rest. Scaling the loss changes nothing. If some sample
    does not converge, the backward pass issues a `ConvergenceWarning`, and uses what was reached; `last_report` tells
    which, how far, and after how many iterations.

    The gradient can be differentiated again, any number of times: the adjoint system is an equilibrium too, and is
    differentiated implicitly. For this G is called once more at y*, so it has to be deterministic.

    Where the forward solve stopped short of the fixed point, at exactly k iterations say, this is still the derivative
    of the fixed point, evaluated at the iterate: not the derivative of the iterate (that is `UnrolledGradient`).

    Args:
        tol: the tolerance above. With 0, exactly max_iter iterations run, without synchronising host and device and
            without a warning.
        max_iter: the most iterations of the adjoint solve; 0 is `JacobianFreeGradient`.
        solver: the method for the adjoint system.

    Attributes:
        last_report: statuses, iterations, residuals and estimated errors of the last backward solve of this object.

    Raises:
        TypeError, ValueError: as `solve` does for tol, max_iter and solver.
    """

    tol: float = 1e-4
    max_iter: int = 100
    solver: Solver = field(default_factory=Picard)
    last_report: AdjointReport | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_settings(self.solver, self.max_iter, self.tol)

    def differentiate(self, G: Callable[[Y], Y], walk: Callable[[int], Solution[Y]], max_iter: int) -> Solution[Y]:
        """The solution, found without a graph, its value attached to the adjoint solve."""
        if not torch.is_grad_enabled():
            return walk(max_iter)
        solution, values, spec = without_graph(walk, max_iter)
        attached = attach_equilibrium(values, in_this_autocast(Operator(G, spec), values[0].device), self._solve)
        return replace(solution, value=unflatten_state(attached, spec))

    def _solve(self, pullback: LeafMap, gradients: Leaves) -> Leaves:
        """v = pullback(v) + gradients, to the tolerance."""
        unit = self._unit(gradients)
        g = gradients if unit is None else _times(gradients, 1 / unit)

        def transposed(v: Leaves) -> Leaves:
            return tuple(pulled + each for pulled, each in zip(pullback(v), g, strict=True))

        settings = AdjointSolver(solver=self.solver, max_iter=self.max_iter, tol=self.tol)
        value, report = settings.solve(transposed, g)
        self._tell(report)
        return value if unit is None else _times(value, unit)

    def _unit(self, gradients: Leaves) -> Tensor | None:
        """What to measure each sample's gradients in (B,), lest the adjoint leave the range of its dtype.

        Powers of two, which round nothing. None where the gradients are far from the ends of the range, as far as can
        be seen: with tol=0 nobody waits for another device.
        """
        narrowest = min((torch.finfo(each.dtype) for each in gradients), key=lambda info: info.max)
        largest = _largest(gradients)
        proper = (largest > 0) & (largest < math.inf)
        if (self.tol > 0 or readable(largest)) and narrowest.bits >= 32:
            extreme = proper & ((largest < narrowest.tiny**0.25) | (largest > narrowest.max**0.25))
            if not bool(extreme.any()):
                return None
        return torch.where(proper, torch.exp2(torch.log2(largest).round()), 1.0)

    def _tell(self, report: AdjointReport) -> None:
        self.last_report = report
        if self.tol > 0 and not bool(report.converged.all()):
            warnings.warn(
                f"the adjoint solve did not converge, so that this gradient is inexact: {report.message}",
                ConvergenceWarning,
                stacklevel=2,
            )


def _largest(leaves: Leaves) -> Tensor:
    """The largest magnitude in every sample (B,)."""
    dtype = statistics_dtype(leaves[0].device)
    rows = [leaf.reshape(len(leaf), math.prod(leaf.shape[1:])) for leaf in leaves]
    each = [torch.linalg.vector_norm(row, ord=math.inf, dim=1).to(dtype) for row in rows if row.shape[1]]
    return torch.stack(each).amax(dim=0) if each else rows[0].new_zeros(len(rows[0]), dtype=dtype)


def _times(leaves: Leaves, factor: Tensor) -> Leaves:
    """Every sample times its power of two (B,), in two factors of which each is within the range of float32."""
    first = torch.exp2((torch.log2(factor) / 2).round())
    return tuple(_product(leaf, first, factor / first) for leaf in leaves)


def _product(leaf: Tensor, first: Tensor, second: Tensor) -> Tensor:
    wide = torch.promote_types(leaf.dtype, torch.float32)
    return (leaf * per_sample(first, leaf).to(wide) * per_sample(second, leaf).to(wide)).to(leaf.dtype)
