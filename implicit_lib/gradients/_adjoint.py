"""The adjoint system v = Jᵀ v + g as a fixed-point problem, solved until its error, not only its residual, is small."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from implicit_lib.solvers import Report, Solver, Status, solve
from implicit_lib.solvers._state import Leaves, differences, norms

# The first walk ends at this part of the tolerance: where residuals fall fast, that suffices and costs an iteration.
_FIRST = 0.25

# A sample whose error is estimated too large walks on until the same estimate would give this part of the tolerance.
_MARGIN = 0.7

# Over how many iterations, at most, the rate is taken at which residuals fall.
_LOOK_BACK = 3


@dataclass(frozen=True, eq=False)
class AdjointReport(Report):
    """How a backward solve went. Its residuals are ‖Jᵀ v + g − v‖ / ‖g‖, for the incoming gradient g.

    Attributes:
        error: (B,) the estimated relative error ‖v − v*‖ / ‖v‖; infinity where there is no estimate.
    """

    error: Tensor = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class AdjointSolver:
    """Settings of adjoint solves; see `ImplicitGradient`."""

    solver: Solver
    max_iter: int
    tol: float

    def solve(self, transposed: Callable[[Leaves], Leaves], g: Leaves) -> tuple[Leaves, AdjointReport]:
        """v = transposed(v) = Jᵀ v + g from the start v = g.

        A residual r leaves the error (I − Jᵀ)^{-1} r, which may be far larger. A sample has converged when its error,
        by the estimate of `_amplification`, is at most tol ‖v‖; until then it walks on, to the residual at which it
        would be. With tol=0 exactly max_iter iterations run, and nobody looks.
        """
        size = norms(g)
        everyone = torch.ones_like(size, dtype=torch.bool)
        stand = self._walk(transposed, _Stand.at(g, size), everyone, _FIRST * self.tol * size)
        while self.tol > 0:
            doubtful = (stand.status == Status.CONVERGED) & ~(stand.error <= self.tol)
            if stand.length == self.max_iter or not bool(doubtful.any()):
                return stand.value, stand.report(stand.status.masked_fill(doubtful, Status.MAX_ITER))
            stand = self._walk(transposed, stand, doubtful, stand.goal(self.tol))
        return stand.value, stand.report(stand.status)

    def _walk(self, transposed: Callable[[Leaves], Leaves], stand: "_Stand", going: Tensor, goal: Tensor) -> "_Stand":
        """Where the samples that are going have reached the residual `goal`, the others having stayed."""
        scale = torch.where(going, goal / self.tol if self.tol > 0 else stand.size, math.inf)
        scale = scale.masked_fill(scale.isnan(), math.inf)  # of a gradient that is no number; its residual tells
        left = self.max_iter - stand.length
        solution = solve(transposed, stand.value, solver=self.solver, max_iter=left, tol=self.tol, relative_to=scale)
        rows = solution.residuals * scale
        moved = norms(differences(solution.value, stand.value))
        return _Stand(
            value=solution.value,
            size=stand.size,
            status=torch.where(going, solution.status_codes, stand.status),
            iterations=stand.iterations + torch.where(going, solution.iterations, 0),
            blocks=(*stand.blocks, torch.where(going, rows, stand.residual)),
            amplification=torch.where(going, _amplification(moved, rows, solution.iterations), stand.amplification),
        )


@dataclass(frozen=True)
class _Stand:
    """Where an adjoint solve stands."""

    value: Leaves
    size: Tensor  # (B,) ‖g‖
    status: Tensor
    iterations: Tensor
    blocks: tuple[Tensor, ...]  # residuals ‖Jᵀ v + g − v‖, (k, B) each
    amplification: Tensor  # (B,) how many times larger than its residual the error of a sample is thought to be

    @classmethod
    def at(cls, start: Leaves, size: Tensor) -> "_Stand":
        zeros = torch.zeros_like(size, dtype=torch.int64)
        return cls(start, size, zeros.to(torch.int8), zeros, (), torch.full_like(size, math.inf))

    @property
    def length(self) -> int:
        return sum(len(block) for block in self.blocks)

    @property
    def residual(self) -> Tensor:
        """The newest residuals (B,)."""
        return self.blocks[-1][-1] if self.length else torch.full_like(self.amplification, math.inf)

    @property
    def error(self) -> Tensor:
        """The estimated relative error of the value (B,)."""
        error = self.amplification * self.residual / norms(self.value)
        # Where no step was taken since the residual was below rounding already, there is no error to speak of.
        rounding = torch.finfo(self.value[0].dtype).eps * self.size
        error = error.masked_fill(self.amplification.isinf() & (self.residual <= rounding), 0)
        return error.masked_fill(error.isnan(), math.inf)

    def goal(self, tol: float) -> Tensor:
        """The residual at which the error would be somewhat less than tol; without an estimate, the next few."""
        goal = _MARGIN * tol * norms(self.value) / self.amplification
        return torch.where(self.amplification < math.inf, goal, self.residual / 4)

    def report(self, status: Tensor) -> AdjointReport:
        relative = tuple(block / (self.size + torch.finfo(self.size.dtype).tiny) for block in self.blocks)
        return AdjointReport(status, self.iterations, relative, self.error)


def _amplification(moved: Tensor, residuals: Tensor, taken: Tensor) -> Tensor:
    """An estimate (B,) of ‖v − v*‖ / ‖r‖ for the value v of a walk with residual r; infinity where it took no step.

    The larger of two. While the residual went from r_a to r_b the value went from v_a to v_b, and by linearity
    (I − Jᵀ)(v_b − v_a) = r_a − r_b. And where residuals fall by ρ an iteration, ‖v − v*‖ ≤ ‖r‖ / (1 − ρ):
    Proposition 5 of the book, with the rate observed in the place of the modulus.

    Args:
        moved: ‖v_b − v_a‖ (B,).
        residuals: their norms (T, B); a sample's last goes on after it has finished.
        taken: how many of the T iterations each sample took (B,).
    """
    if not len(residuals):
        return torch.full_like(moved, math.inf)
    last = residuals[-1]
    span = (taken - 1).clamp(0, _LOOK_BACK)
    earlier = residuals.gather(0, (taken - 1 - span).clamp(min=0).unsqueeze(0)).squeeze(0)
    rate = (last / earlier).pow(1 / span)  # NaN where there is no span
    by_move = moved / (residuals[0] - last)
    by_rate = torch.where(rate < 1, 1 / (1 - rate), 0)
    estimate = torch.maximum(by_move, by_rate)
    return estimate.masked_fill(~((span > 0) & (residuals[0] > last)), math.inf)
