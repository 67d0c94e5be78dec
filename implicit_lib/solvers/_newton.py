"""Newton's method, its linear systems solved by GMRES with Jacobian-vector products."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from implicit_lib.solvers._checks import check_at_least_one
from implicit_lib.solvers._guard import (
    Guard,
    dots,
    first_guard,
    in_unit,
    judge,
    lengths,
    moved,
    renewed,
    rows,
    unless_overflowed,
)
from implicit_lib.solvers._solver import Evaluation
from implicit_lib.solvers._state import statistics_dtype

# How far the first Newton step may go, in lengths of the residual: a contraction of modulus 0.99 wants 99.
_FIRST_TRUST = 100.0

# A Krylov vector of which orthogonalisation leaves this many roundings is rounding itself: the space is exhausted.
_EXHAUSTED = 10

# Relative to the trace of the small least-squares systems, so that it only matters where the Krylov space is exhausted
# and rows of zeros are left.
_RIDGE = 1e-14


class _Memory(NamedTuple):
    guard: Guard
    trust: Tensor  # (B, 1, 1), how far the last step might go
    image: Tensor  # (B, 1, N), the last one


@dataclass(frozen=True, kw_only=True)
class NewtonKrylov:
    """Newton's method: y + s with (I − ∂G/∂y) s = G(y) − y, solved for every sample by GMRES.

    GMRES (Saad and Schultz 1986) works in a Krylov space of fixed dimension and calls for the action of ∂G/∂y on that
    many vectors: exact products from forward-mode differentiation of G, each at the cost of about two calls of G. So
    one iteration costs 1 + 2 krylov calls. It pays where G is near-critical; elsewhere `Anderson` needs fewer calls.
    An affine G, such as an adjoint system, is solved in one step if krylov is large enough; that G may itself be made
    of vector-Jacobian products.

    Every sample is guarded as in `Anderson`: from an iterate whose residual is not the smallest so far it takes a
    Picard step, a Newton step that led to such an iterate is undone, and the next one is shorter.

    Args:
        krylov: the dimension of the Krylov space, at least 1. Memory: krylov + 8 states.

    Raises:
        TypeError, ValueError: krylov is not an integer, or less than 1.
        NotImplementedError: in a solve, if some operation in G has no forward-mode derivative.
    """

    krylov: int = 10
    patience: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_at_least_one(self.krylov, "krylov", "plain iteration is Picard()")

    def init(self, y: Tensor) -> None:
        """Nothing: the first step makes the memory."""

    def step(self, G: Callable[[Tensor], Tensor], at: Evaluation, memory: _Memory | None) -> tuple[Tensor, _Memory]:
        """The next iterate (B, N) and memory. G is differentiated krylov times."""
        image, residual = rows(at)
        if memory is None:
            first = first_guard(image, residual)
            # Better than nothing is good: the first step is a Newton step already.
            first = first._replace(best=torch.full_like(first.best, torch.inf))
            memory = _Memory(first, torch.full_like(first.best, _FIRST_TRUST), image)
        residual = in_unit(residual, memory.guard)
        length = lengths(residual)
        good, failed, guard = judge(memory.guard, length)
        trust = renewed(memory.trust, memory.guard, good)

        def system(v: Tensor) -> Tensor:
            return v - _jvp(G, at.y, v.squeeze(1).to(at.y.dtype)).unsqueeze(1).to(v.dtype)

        move = residual - _gmres(system, residual, length, self.krylov)
        y = moved(image, move, trust * length, good / guard.unit)
        y = torch.where(failed, memory.image, y)
        return unless_overflowed(y, at.image, at.y.dtype), _Memory(guard, trust, image)


def _jvp(G: Callable[[Tensor], Tensor], y: Tensor, v: Tensor) -> Tensor:
    """The derivative of G at y in the direction v, (B, N)."""
    try:
        tangent: Tensor = torch.func.jvp(G, (y,), (v,))[1]
    except (NotImplementedError, RuntimeError) as error:
        if "forward AD" not in str(error) and "setup_context" not in str(error):
            raise
        raise NotImplementedError(
            "NewtonKrylov differentiates G in forward mode, which some operation in G does not support; use Anderson() "
            f"or Broyden(), or write that operation so that it has a jvp. It said: {error}"
        ) from error
    return tangent


def _gmres(system: Callable[[Tensor], Tensor], b: Tensor, length: Tensor, dimension: int) -> Tensor:
    """The vector s in the Krylov space of this dimension with the smallest ‖system(s) − b‖, (B, 1, N)."""
    basis, columns = b / (length + torch.finfo(b.dtype).tiny), []
    for _ in range(dimension):
        new = system(basis[:, -1:])
        least = _EXHAUSTED * torch.finfo(b.dtype).eps * lengths(new)
        along = dots(new, basis)
        new = torch.baddbmm(new, along, basis, alpha=-1)
        again = dots(new, basis)  # the second time removes what rounding left
        new = torch.baddbmm(new, again, basis, alpha=-1)
        size = lengths(new)
        left = size > least
        basis = torch.cat((basis, new / torch.where(left, size, torch.inf)), 1)
        columns.append(torch.cat((along + again, size * left), 2))
    return torch.bmm(_least_squares(columns, length).to(b.dtype), basis[:, :-1])


def _least_squares(columns: list[Tensor], length: Tensor) -> Tensor:
    """The weights (B, 1, k) with the smallest ‖length e₁ − Σ weight column‖; column j has j + 2 numbers."""
    k, dtype = len(columns), statistics_dtype(length.device)
    transposed = torch.cat([pad(column, (0, k + 1 - column.shape[2])) for column in columns], 1).to(dtype)
    normal = transposed @ transposed.mT
    ridge = _RIDGE * normal.diagonal(dim1=1, dim2=2).sum(1) + torch.finfo(dtype).tiny
    normal = normal + ridge[:, None, None] * torch.eye(k, dtype=dtype, device=length.device)
    return _eliminate(torch.cat((normal, transposed[:, :, :1] * length.to(dtype)), 2))


def _eliminate(equations: Tensor) -> Tensor:
    """The solutions (B, 1, k) of k equations each, rows of (B, k, k + 1), positive definite, by Gauss and Jordan.

    It never raises, leaves a bad sample to itself, and consists of operations that every exporter knows.
    """
    for i in range(equations.shape[1]):
        pivot = equations[:, i : i + 1] / equations[:, i : i + 1, i : i + 1]
        equations = equations - equations[:, :, i : i + 1] * pivot
        equations = torch.cat((equations[:, :i], pivot, equations[:, i + 1 :]), 1)
    return equations[:, :, -1].unsqueeze(1)
