"""When to trust an extrapolation: what Anderson, Broyden and Newton–Krylov share so that they never do worse for long.

Every sample decides for itself. An iterate is good if its residual is the smallest so far. From a good iterate the
method may extrapolate. From any other the step is a Picard step; and if it was an extrapolation that led to this
iterate, it is undone: the walk goes on from the image before, where a Picard step would have led. (Newton's method
tries shorter steps first.)
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from implicit_lib.solvers._solver import Evaluation
from implicit_lib.solvers._state import is_large

# How a success and a failure change how far a step may go, where that is limited at all. A near-critical operator needs
# steps of 1/(1 − μ) residuals, and gets there after a few successes.
_SUCCESS, _FAILURE = 4.0, 0.125
_LEAST_TRUST, _MOST_TRUST = 1e-3, 1e12


class Guard(NamedTuple):
    """What one sample knows of its past: each (B, 1, 1), a number a sample."""

    unit: Tensor  # about one over the size of the problem, a power of two: in this unit no square of a length overflows
    best: Tensor  # the smallest length of a residual so far
    extrapolated: Tensor  # whether the last step was more than a Picard step


def first_guard(image: Tensor, residual: Tensor) -> Guard:
    """The guard after the first evaluation (B, 1, N), from which the step is Picard's."""
    image, residual = image.detach(), residual.detach()
    size = torch.maximum(image.abs(), residual.abs()).amax(2, keepdim=True)
    unit = torch.exp2(-torch.floor(torch.log2(size.clamp(2.0**-120, 2.0**120))))
    best = lengths(residual * unit)
    return Guard(unit, best, torch.zeros_like(best, dtype=torch.bool))


def judge(guard: Guard, length: Tensor, *, patience: float = 1.0) -> tuple[Tensor, Tensor, Guard]:
    """Which iterates are good, which extrapolations failed, (B, 1, 1) each, and the guard to go on with.

    With patience > 1, an iterate is good up to that multiple of the smallest residual: for methods that do not
    minimise it.
    """
    length = length.detach()
    good = length < (guard.best if patience == 1 else patience * guard.best)
    failed = guard.extrapolated > good
    return good, failed, Guard(guard.unit, torch.minimum(guard.best, length), good)


def renewed(trust: Tensor, guard: Guard, good: Tensor) -> Tensor:
    """How far a step may go, in lengths of the residual (B, 1, 1), from how far the last one might and how it ended."""
    changed = trust * torch.where(good, _SUCCESS, _FAILURE)
    return torch.where(guard.extrapolated, changed, trust).clamp(_LEAST_TRUST, _MOST_TRUST)


def moved(image: Tensor, move: Tensor, limit: Tensor, share: Tensor) -> Tensor:
    """image − share · move, (B, 1, N), the move shortened to the limit (B, 1, 1).

    The share (B, 1, 1) undoes the guard's unit, in which move and limit are, and is 0 where the iterate is not good.
    """
    size = lengths(move)
    far = size > limit  # the derivative of the other branch is finite, too: an unrolled gradient multiplies it by zero
    return torch.addcmul(image, move, torch.where(far, limit / torch.where(far, size, 1.0), 1.0) * share, value=-1)


def unless_overflowed(y: Tensor, image: Tensor, dtype: torch.dtype) -> Tensor:
    """The next iterate (B, 1, N) as (B, N) in the dtype of the state; the image where half precision overflows."""
    y = y.squeeze(1).to(dtype)
    if y.element_size() >= 4:
        return y
    return torch.where(torch.isfinite(y).all(dim=1, keepdim=True), y, image)


def lengths(rows: Tensor) -> Tensor:
    """Euclidean norms of rows (B, 1, N), as numbers (B, 1, 1)."""
    norms: Tensor = torch.linalg.vector_norm(rows, dim=2, keepdim=True)
    return norms


def dots(a: Tensor, b: Tensor) -> Tensor:
    """Scalar products of rows (B, 1, N) with all rows (B, k, N) of the same sample, (B, 1, k).

    In this order: with the single row as a column, PyTorch takes ten times as long.
    """
    return torch.bmm(a, b.mT)


def in_unit(residual: Tensor, guard: Guard) -> Tensor:
    """The residual of an evaluation (B, 1, N) in the guard's unit, in its own memory if that is worth it."""
    return residual.mul_(guard.unit) if is_large(residual) else residual * guard.unit


def rows(at: Evaluation) -> tuple[Tensor, Tensor]:
    """Image and residual as (B, 1, N), the factors of batched products, in the dtype of the residual."""
    residual = at.residual.unsqueeze(1)
    return at.image.unsqueeze(1).to(residual.dtype), residual
