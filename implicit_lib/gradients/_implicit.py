"""Implicit differentiation: the implicit function theorem, with the adjoint system solved by fixed-point iteration."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from implicit_lib.gradients._gradient import Pull, reattach
from implicit_lib.solvers import ConvergenceWarning, Picard, Report, Solution, Solver, solve
from implicit_lib.solvers._checks import check_settings
from implicit_lib.solvers._state import Leaves, norms, scaled

Y = TypeVar("Y")


@dataclass(kw_only=True)
class ImplicitGradient:
    """dL/dθ = (∂G/∂θ)ᵀ v with (I − ∂G/∂y)ᵀ v = dL/dy*, all derivatives at the fixed point y*.

    The adjoint system is the fixed-point problem v = (∂G/∂y)ᵀ v + dL/dy*, a contraction wherever G is, solved from
    v = dL/dy* with vector-Jacobian products of one application of G. Memory does not depend on the number of
    iterations, forward or backward. Differentiating the gradient again raises.

    A sample's adjoint has converged when ‖(∂G/∂y)ᵀ v + dL/dy* − v‖ ≤ tol ‖dL/dy*‖: relative to that sample's incoming
    gradient, so that scaling the loss changes nothing. The error of v is then at most tol ‖dL/dy*‖ / (1 − μ), for G of
    modulus μ in y. If some sample does not converge, the backward pass issues a `ConvergenceWarning`, and uses what
    was reached; `last_report` tells which, how far, and after how many iterations.

    Where the forward solve stopped short of the fixed point, at exactly k iterations say, this is still the derivative
    of the fixed point, evaluated at the iterate: not the derivative of the iterate (that is `UnrolledGradient`).

    Args:
        tol: the tolerance above. With 0, exactly max_iter iterations run, without synchronising host and device and
            without a warning.
        max_iter: the most iterations of the adjoint solve; 0 is `JacobianFreeGradient`.
        solver: the method for the adjoint system.

    Attributes:
        last_report: statuses, iterations and residuals of the last backward pass through this object.

    Raises:
        TypeError, ValueError: as `solve` does for tol, max_iter and solver.
    """

    tol: float = 1e-4
    max_iter: int = 100
    solver: Solver = field(default_factory=Picard)
    last_report: Report | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_settings(self.solver, self.max_iter, self.tol)

    def differentiate(self, G: Callable[[Y], Y], walk: Callable[[], Solution[Y]]) -> Solution[Y]:
        """The solution of `walk`, found without a graph, its value attached to the adjoint solve."""
        if not torch.is_grad_enabled():
            return walk()
        with torch.no_grad():
            solution = walk()
        return reattach(G, solution, self._adjoint, differentiate_y=True)

    def _adjoint(self, images: Leaves, points: Leaves) -> Pull:
        def pull(gradients: Leaves) -> Leaves:
            # Unit gradients keep the adjoint within the range of every dtype, whatever the scale of the loss.
            size = norms(gradients)
            units = scaled(gradients, torch.where(size > 0, 1 / size, 1.0))

            def transposed(v: Leaves) -> Leaves:
                return tuple(pulled + unit for pulled, unit in zip(_vjp(images, points, v), units, strict=True))

            solution = solve(
                transposed,
                units,
                solver=self.solver,
                max_iter=self.max_iter,
                tol=self.tol,
                relative_to=torch.ones_like(size),
            )
            self._tell(solution.report)
            return scaled(solution.value, size)

        return pull

    def _tell(self, report: Report) -> None:
        self.last_report = report
        if self.tol > 0 and not bool(report.converged.all()):
            warnings.warn(
                f"the adjoint solve did not converge, so that this gradient is inexact: {report.message}",
                ConvergenceWarning,
                stacklevel=2,
            )


def _vjp(images: Leaves, points: Leaves, v: Leaves) -> tuple[Tensor, ...]:
    """(∂images/∂points)ᵀ v, zero where G ignores y."""
    pairs = [(image, each) for image, each in zip(images, v, strict=True) if image.requires_grad]
    return torch.autograd.grad(
        [image for image, _ in pairs], points, [each for _, each in pairs], retain_graph=True, materialize_grads=True
    )
