"""Newton's method, its linear systems solved by GMRES with Jacobian-vector products."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from implicit_lib.solvers._checks import check_count
from implicit_lib.solvers._guard import Guard, allowed, first_guard, judge, lengths, renewed
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
    trust: Tensor  # (B, 1), how far the last step might go
    image: Tensor  # (B, N), the last one


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
        if check_count(self.krylov, "krylov") == 0:
            raise ValueError("krylov must be at least 1, but is 0; plain iteration is Picard()")

    def init(self, y: Tensor) -> None:
        """Nothing: the first step makes the memory."""

    def step(self, G: Callable[[Tensor], Tensor], at: Evaluation, memory: _Memory | None) -> tuple[Tensor, _Memory]:
        """The next iterate (B, N) and memory. G is differentiated krylov times."""
        image = at.image.to(at.residual.dtype)
        if memory is None:
            first = first_guard(at)  # better than nothing is good: the first step is a Newton step already
            first = first._replace(best=torch.full_like(first.best, torch.inf))
            memory = _Memory(first, torch.full_like(first.best, _FIRST_TRUST), image)
        residual = at.residual * memory.guard.unit
        length = lengths(residual)
        good, failed, guard = judge(memory.guard, length)
        trust = renewed(memory.trust, memory.guard, good)

        def system(v: Tensor) -> Tensor:
            return v - _jvp(G, at.y, v.to(at.y.dtype)).to(v.dtype)

        move = residual - _gmres(system, residual, length, self.krylov)
        y = torch.addcmul(image, move, allowed(trust, good, move, length) / guard.unit, value=-1)
        y = torch.where(failed, memory.image, y)
        return y.to(at.y.dtype), _Memory(guard, trust, image)


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
    """The vector s in the Krylov space of this dimension with the smallest ‖system(s) − b‖, (B, N)."""
    tiny = torch.finfo(b.dtype).tiny
    basis, columns = (b / (length + tiny)).unsqueeze(1), []
    for _ in range(dimension):
        new = system(basis[:, -1]).unsqueeze(1)
        least = _EXHAUSTED * torch.finfo(b.dtype).eps * lengths(new.squeeze(1))
        along = torch.bmm(new, basis.mT)
        new = torch.baddbmm(new, along, basis, alpha=-1)
        again = torch.bmm(new, basis.mT)  # the second time removes what rounding left
        new = torch.baddbmm(new, again, basis, alpha=-1)
        size = lengths(new.squeeze(1)).unsqueeze(2)
        size = torch.where(size > least.unsqueeze(2), size, torch.inf)
        basis = torch.cat((basis, new / size), 1)
        columns.append(torch.cat((along + again, torch.where(size < torch.inf, size, 0)), 2).squeeze(1))
    weights = _least_squares(columns, length)
    return torch.bmm(weights.to(b.dtype).unsqueeze(1), basis[:, :-1]).squeeze(1)


def _least_squares(columns: list[Tensor], length: Tensor) -> Tensor:
    """The weights (B, k) with the smallest ‖length e₁ − Σ weight column‖; of column j, j + 2 numbers are not zero."""
    k = len(columns)
    dtype = statistics_dtype(length.device)
    hessenberg = torch.stack([torch.nn.functional.pad(column, (0, k + 1 - column.shape[1])) for column in columns], 1)
    hessenberg = hessenberg.to(dtype)  # transposed: a row for every column
    normal = hessenberg @ hessenberg.mT
    ridge = _RIDGE * normal.diagonal(dim1=1, dim2=2).sum(1) + torch.finfo(dtype).tiny
    normal = normal + ridge[:, None, None] * torch.eye(k, dtype=dtype, device=length.device)
    right = hessenberg[:, :, :1] * length.to(dtype).unsqueeze(2)
    return _eliminate(torch.cat((normal, right), 2))


def _eliminate(rows: Tensor) -> Tensor:
    """The solutions (B, k) of k equations each, the rows of (B, k, k + 1), positive definite, by Gauss and Jordan.

    It never raises, leaves a bad sample to itself, and consists of operations that every exporter knows.
    """
    for i in range(rows.shape[1]):
        pivot = rows[:, i : i + 1] / rows[:, i : i + 1, i : i + 1]
        rows = rows - rows[:, :, i : i + 1] * pivot
        rows = torch.cat((rows[:, :i], pivot, rows[:, i + 1 :]), 1)
    return rows[:, :, -1]
