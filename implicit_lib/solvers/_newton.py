"""Newton's method, its linear systems solved by GMRES with Jacobian-vector products."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from implicit_lib.solvers._checks import check_at_least_one
from implicit_lib.solvers._guard import Guard, dots, first_guard, in_unit, judge, lengths, rows, unless_overflowed
from implicit_lib.solvers._solver import Evaluation
from implicit_lib.solvers._state import statistics_dtype

# How far the first Newton step may go, in lengths of the residual: a contraction of modulus 0.99 wants 99.
_FIRST_LIMIT = 100.0

# After a success, the next step may be this many times as long as the last one.
_GROWTH = 4.0

# A step that failed is shortened by interpolation, to a share of it in this range, and given up when so little is left.
_SHORTER = (0.2, 0.5)
_LEAST_SHARE = 1e-3

# A Newton step that promises to take less than this off the squared length of the residual is not worth its calls.
_LEAST_GAIN = 0.05

# A Krylov vector of which orthogonalisation leaves this many roundings is rounding itself: the space is exhausted.
_EXHAUSTED = 10

# Relative to the trace of the small least-squares systems, so that it only matters where the Krylov space is exhausted
# and rows of zeros are left.
_RIDGE = 1e-14


class _Memory(NamedTuple):
    guard: Guard
    start: Tensor  # (B, 1, N), the iterate that the last Newton step started from
    image: Tensor  # (B, 1, N), G there
    step: Tensor  # (B, 1, N), the whole Newton step from there, in the guard's unit
    gain: Tensor  # (B, 1, 1), what it promised to take off the squared length of the residual, as a share
    share: Tensor  # (B, 1, 1), how much of it was taken
    limit: Tensor  # (B, 1, 1), how long a step may be, in the guard's unit


@dataclass(frozen=True, kw_only=True)
class NewtonKrylov:
    """Newton's method: y + s with (I − ∂G/∂y) s = G(y) − y, solved for every sample by GMRES.

    GMRES (Saad and Schultz 1986) works in a Krylov space of fixed dimension and calls for the action of ∂G/∂y on that
    many vectors: exact products from forward-mode differentiation of G, each at the cost of about two calls of G. So
    one iteration costs 1 + 2 krylov calls. It pays where G is near-critical; elsewhere `Anderson` needs fewer calls.
    An affine G, such as an adjoint system, is solved in one step if krylov is large enough; that G may itself be made
    of vector-Jacobian products.

    Every sample is guarded. A Newton step after which the residual is not the smallest so far is taken back and tried
    again, shorter: along it the residual shrinks at first, whether G contracts or not. So it arrives where Newton's
    whole steps or Picard's iteration diverge; but it may end where no short step helps, at a smallest residual that is
    not zero. Where a Newton step promises next to nothing, since the Krylov space holds no solution, or is given up,
    the sample takes Picard steps till its residual is the smallest again.

    Args:
        krylov: the dimension of the Krylov space, at least 1. Memory: krylov + 10 states.

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
        y = at.y.unsqueeze(1).to(residual.dtype)
        if memory is None:
            memory = _first(y, image, residual)
        residual = in_unit(residual, memory.guard)

        def system(v: Tensor) -> Tensor:
            return v - _jvp(G, at.y, v.squeeze(1).to(at.y.dtype)).unsqueeze(1).to(v.dtype)

        following, memory = _next(memory, y, image, lengths(residual), _gmres(system, residual, self.krylov))
        return unless_overflowed(following, at.image, at.y.dtype), memory


def _first(y: Tensor, image: Tensor, residual: Tensor) -> _Memory:
    guard = first_guard(image, residual)
    limit, one = _FIRST_LIMIT * guard.best, torch.ones_like(guard.best)
    # Better than nothing is good: the first step is a Newton step already.
    guard = guard._replace(best=torch.full_like(one, math.inf))
    return _Memory(guard, y, image, torch.zeros_like(y), torch.zeros_like(one), one, limit)


def _next(
    memory: _Memory, y: Tensor, image: Tensor, length: Tensor, newton: tuple[Tensor, Tensor]
) -> tuple[Tensor, _Memory]:
    """The next iterate (B, 1, N): on a Newton step from here, or again on the last one, or a Picard step."""
    good, failed, guard = judge(memory.guard, length)
    shorter = _shorter(memory, length)
    start, step, gain, image_there = (
        torch.where(good, new, old)
        for new, old in zip((y, *newton, image), (memory.start, memory.step, memory.gain, memory.image), strict=True)
    )
    limit = _limit(memory, length, good, shorter)
    size = lengths(step.detach())
    share = torch.where(good, (limit / torch.where(size > 0, size, 1.0)).clamp(max=1), shorter)
    walks = (good | failed & (shorter > _LEAST_SHARE)) & (gain > _LEAST_GAIN)
    y = torch.where(walks, start + share / guard.unit * step, torch.where(failed, memory.image, image))
    guard = guard._replace(extrapolated=walks)
    return y, _Memory(guard, start, image_there, step, gain.detach(), share, limit)


def _shorter(memory: _Memory, length: Tensor) -> Tensor:
    """The share to take of a Newton step that failed: least on the parabola through what is known of it."""
    least, most = _SHORTER
    growth = (length.detach() / memory.guard.best).square() - 1
    promised = memory.gain * memory.share
    parabola = promised / (growth + 2 * promised)
    return memory.share * torch.where(parabola > 0, parabola, most).clamp(least, most)


def _limit(memory: _Memory, length: Tensor, good: Tensor, shorter: Tensor) -> Tensor:
    """How long a Newton step may be, after the last step, which was one if it extrapolated."""
    size = lengths(memory.step.detach())
    longer = torch.where(memory.guard.extrapolated, memory.share * size, length.detach()) * _GROWTH
    shortened = torch.where(memory.guard.extrapolated, shorter * size, memory.limit)
    return torch.where(good, torch.maximum(memory.limit, longer), shortened)


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


def _gmres(system: Callable[[Tensor], Tensor], b: Tensor, dimension: int) -> tuple[Tensor, Tensor]:
    """The vector s in the Krylov space of this dimension with the smallest ‖system(s) − b‖, (B, 1, N).

    And by which share of ‖b‖² the square of that is smaller than ‖b‖², (B, 1, 1).
    """
    length = lengths(b)
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
    weights = _least_squares(columns)
    # The solution s is a projection: ⟨b, system(s)⟩ = ‖system(s)‖², and b is the basis' first vector.
    gain = torch.bmm(weights, torch.cat([column[:, :, :1] for column in columns], 2).mT)
    return torch.bmm(weights * length, basis[:, :-1]), gain


def _least_squares(columns: list[Tensor]) -> Tensor:
    """The weights (B, 1, k) with the smallest ‖e₁ − Σ weight column‖; column j has j + 2 numbers."""
    k, own, dtype = len(columns), columns[0].dtype, statistics_dtype(columns[0].device)
    transposed = torch.cat([pad(column, (0, k + 1 - column.shape[2])) for column in columns], 1).to(dtype)
    normal = transposed @ transposed.mT
    ridge = _RIDGE * normal.diagonal(dim1=1, dim2=2).sum(1) + torch.finfo(dtype).tiny
    normal = normal + ridge[:, None, None] * torch.eye(k, dtype=dtype, device=normal.device)
    return _eliminate(torch.cat((normal, transposed[:, :, :1]), 2)).to(own)


def _eliminate(equations: Tensor) -> Tensor:
    """The solutions (B, 1, k) of k equations each, rows of (B, k, k + 1), positive definite, by Gauss and Jordan.

    It never raises, leaves a bad sample to itself, and consists of operations that every exporter knows.
    """
    for i in range(equations.shape[1]):
        pivot = equations[:, i : i + 1] / equations[:, i : i + 1, i : i + 1]
        equations = equations - equations[:, :, i : i + 1] * pivot
        equations = torch.cat((equations[:, :i], pivot, equations[:, i + 1 :]), 1)
    return equations[:, :, -1].unsqueeze(1)
