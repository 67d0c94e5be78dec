"""Broyden's method with a limited memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

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
from implicit_lib.solvers._slots import empty_slots, mark, no_slots_used, place
from implicit_lib.solvers._solver import Evaluation

# An update whose denominator ⟨Δy, H Δf⟩ is this small next to its factors would blow H up by more than a thousand.
_LEAST_COSINE = 1e-3

# Broyden's steps do not minimise the residual: it may rise by this before a step counts as failed.
_PATIENCE = 1.5

_FIRST_TRUST = 3.0  # how far the first quasi-Newton step may go beyond G(y), in lengths of the residual


class _Memory(NamedTuple):
    guard: Guard
    trust: Tensor  # (B, 1, 1), how far the last step might go
    residual: Tensor  # (B, 1, N), the last one, in the guard's unit
    image: Tensor  # (B, 1, N), the last one
    left: Tensor  # (B, m, N), the vectors u of H = −I + Σ u vᵀ
    right: Tensor  # (B, m, N), its vectors v
    used: Tensor  # (B, 1, m), 1 where a slot holds a pair, 0 where it is empty or forgotten, and for the oldest
    oldest: int  # the slot that the next pair is written to


@dataclass(frozen=True, kw_only=True)
class Broyden:
    """Broyden's good method: a quasi-Newton step y − H f, with f = G(y) − y and H an approximation of (∂f/∂y)⁻¹.

    H starts as −I, which makes the first step a Picard step. Each iteration changes it as little as possible, in the
    inverse's own form (Sherman–Morrison), so that H Δf = Δy for the newest changes: a matrix of rank 1,
    (Δy − H Δf) Δyᵀ H / ⟨Δy, H Δf⟩, is added. The last `history` of these are kept, and older ones dropped. (Broyden
    1965; with limited memory as in Bai, Kolter and Koltun 2019, arXiv:1909.01377.)

    Every sample is guarded: from an iterate whose residual is half as large again as the smallest so far it takes a
    Picard step and starts H afresh, and a quasi-Newton step that led to such an iterate is undone. How far a step may
    go grows with each success and shrinks with each failure. An update is left out if it would divide by almost
    nothing, or if Δf does not oppose Δy, as it does wherever G contracts.

    Args:
        history: how many updates are remembered, at least 1. Memory: 2 history + 2 states.

    Raises:
        TypeError, ValueError: history is not an integer, or less than 1.
    """

    history: int = 5
    patience: ClassVar[int] = 5

    def __post_init__(self) -> None:
        check_at_least_one(self.history, "history", "plain iteration is Picard()")

    def init(self, y: Tensor) -> None:
        """Nothing: the first step makes the memory, in the dtype of the residual."""

    def step(self, G: Callable[[Tensor], Tensor], at: Evaluation, memory: _Memory | None) -> tuple[Tensor, _Memory]:
        """The next iterate (B, N) and memory. G is not called."""
        image, residual = rows(at)
        if memory is None:
            y, memory = image, self._start(image, residual)
        else:
            y, memory = _quasi_newton(memory, image, in_unit(residual, memory.guard))
        return unless_overflowed(y, at.image, at.y.dtype), memory

    def _start(self, image: Tensor, residual: Tensor) -> _Memory:
        guard = first_guard(image, residual)
        trust, residual = torch.full_like(guard.best, _FIRST_TRUST), in_unit(residual, guard)
        left, right = empty_slots(residual, self.history), empty_slots(residual, self.history)
        return _Memory(guard, trust, residual, image, left, right, no_slots_used(left), 0)


def _quasi_newton(memory: _Memory, image: Tensor, residual: Tensor) -> tuple[Tensor, _Memory]:
    """The next iterate (B, 1, N) and memory, from the residual in the guard's unit."""
    length = lengths(residual)
    good, failed, guard = judge(memory.guard, length, patience=_PATIENCE)
    trust = renewed(memory.trust, memory.guard, good)
    following = _update(memory, image, residual, good)
    # y − H f = G(y) − Σ u ⟨v, f⟩: what it moves the iterate beyond G(y).
    move = _times(residual, following.right, following.left, following.used)
    y = moved(image, move, trust * length, good / guard.unit)
    y = torch.where(failed, memory.image, y)
    oldest = (memory.oldest + 1) % following.used.shape[2]
    used = mark(following.used, oldest, 0)
    return y, following._replace(guard=guard, trust=trust, residual=residual, image=image, used=used, oldest=oldest)


def _times(row: Tensor, inner: Tensor, outer: Tensor, used: Tensor) -> Tensor:
    """Σ ⟨row, inner⟩ outer over the used slots, (B, 1, N)."""
    return torch.bmm(dots(row, inner) * used, outer)


def _update(memory: _Memory, image: Tensor, residual: Tensor, good: Tensor) -> _Memory:
    """The memory with H changed so that H Δf = Δy, its new pair in the place of the oldest."""
    change = residual - memory.residual
    step = (image - memory.image).mul_(memory.guard.unit).sub_(change)  # Δy = ΔG − Δf
    used, slot = memory.used * good, memory.oldest
    attracted, size = dots(step, change) < 0, lengths(change)
    carried = _times(change, memory.right, memory.left, used).sub_(change)  # H Δf
    del change  # as large as a state
    denominator = dots(step, carried)
    left = place(memory.left, slot, torch.sub, step, carried)
    del carried
    right = _times(step, memory.left, memory.right, used).sub_(step)  # Hᵀ Δy
    safe = attracted & (denominator.abs() > _LEAST_COSINE * size * lengths(right))
    right = place(memory.right, slot, torch.div, right, torch.where(safe, denominator, math.inf))
    return memory._replace(left=left, right=right, used=mark(used, slot, 1))
