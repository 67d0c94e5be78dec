"""Anderson acceleration on an orthonormal history."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from implicit_lib.solvers._checks import check_at_least_one, check_damping
from implicit_lib.solvers._evidence import Evidence, Seen, no_evidence, stepped, weigh
from implicit_lib.solvers._guard import Guard, dots, first_guard, in_unit, judge, lengths, rows, unless_overflowed
from implicit_lib.solvers._slots import empty_slots, mark, no_slots_used, place
from implicit_lib.solvers._solver import Evaluation
from implicit_lib.solvers._state import may_overwrite

# A change of the residual that points within half a degree (0.01 as a sine) of where remembered changes point adds no
# direction. It is newer word of old ones, and where the two disagree, G is nonlinear and the older word outdated.
_DEPENDENT = math.sqrt(1 - 0.01**2)


class _Memory(NamedTuple):
    guard: Guard
    residual: Tensor  # (B, 1, N), the last one, in the guard's unit
    image: Tensor  # (B, 1, N), the last one
    changes: Tensor  # (B, m, N), orthonormal combinations of changes of the residual
    images: Tensor  # (B, m, N), the same combinations of changes of the image
    used: Tensor  # (B, 1, m), 1 where a slot holds a pair, 0 where it is empty or forgotten, and for the oldest
    evidence: Evidence
    oldest: int  # the slot that the next pair is written to


@dataclass(frozen=True, kw_only=True)
class Anderson:
    """Anderson acceleration: extrapolate the last changes of y and G(y) to where the residual is smallest.

    With f = G(y) − y, the next iterate is G(y) − P γ, where γ minimises ‖f − Q γ‖; the columns of Q and P are changes
    of f and of G(y) from iteration to iteration. Each new pair of changes is made orthogonal to the remembered ones
    (truncated Gram–Schmidt: Tang, Xu, He, Saad and Xi 2024, arXiv:2403.14961), so that γ = Qᵀ f, without a linear
    system to solve or a ridge to choose, whatever the scale of the state. A pair that is forgotten lives on in those
    that were made orthogonal to it: where ∂G/∂y is symmetric, a short history does the work of an unlimited one.

    Every sample decides for itself how far to trust its history, and takes Picard's steps till there is evidence that a
    short one suffices: its residuals show that ∂G/∂y is symmetric or skew, more or less, or the history explains them,
    window after window. So an acceleration is rarely a gamble. On operators that only an unlimited history could
    accelerate safely, such as nilpotent ones, on which Picard ends all of a sudden, it walks with Picard, unless the
    residuals make them seem symmetric, as those that vary smoothly do with a shift.

    An iterate whose residual is not the smallest so far takes a Picard step, and forgets its history; if it was
    acceleration that led there, the step goes back and starts from the image before. So a sample loses one call of G
    when an acceleration fails, and none where Picard's own residuals grow first, as they do for operators far from
    normal. A pair of changes whose Δf does not oppose its Δy, as it does wherever G contracts, is left out: it leads to
    a fixed point that repels.

    Where G is affine and ∂G/∂y symmetric, no tolerance takes more than one call more than Picard's iteration needs, if
    rounding is left aside. For all G, no method that leaves Picard's path twice can promise that: let the next image on
    the path be the fixed point, and G elsewhere as the method has seen it; then Picard is there with its next call, and
    the method is two behind. The evidence makes this rare: on chains of random numbers with 16 links, one sample in ten
    is more than a call behind, with 32 one in a hundred.

    Args:
        history: how many pairs of changes are remembered, at least 1. Memory: 2 history + 2 states.
        damping: β in (0, 1]: accelerate (1 − β) y + β G(y) instead of G(y).

    Raises:
        TypeError, ValueError: a setting has the wrong type or is out of range.
    """

    history: int = 5
    damping: float = 1.0
    patience: ClassVar[int] = 5

    def __post_init__(self) -> None:
        check_at_least_one(self.history, "history", "plain iteration is Picard()")
        check_damping(self.damping, "undamped")

    def init(self, y: Tensor) -> None:
        """Nothing: the first step makes the memory, in the dtype of the residual."""

    def step(self, G: Callable[[Tensor], Tensor], at: Evaluation, memory: _Memory | None) -> tuple[Tensor, _Memory]:
        """The next iterate (B, N) and memory. G is not called."""
        image, residual = rows(at)
        if self.damping < 1:
            image = image - (1 - self.damping) * residual
        if memory is None:
            y, memory = image, self._start(image, residual)
        else:
            y, memory = _accelerated(memory, image, in_unit(residual, memory.guard))
        return unless_overflowed(y, at.image, at.y.dtype), memory

    def _start(self, image: Tensor, residual: Tensor) -> _Memory:
        guard = first_guard(image, residual)
        residual = in_unit(residual, guard)
        changes, images = empty_slots(residual, self.history), empty_slots(residual, self.history)
        used = no_slots_used(changes)
        return _Memory(guard, residual, image, changes, images, used, no_evidence(guard.best, used), 0)


def _accelerated(memory: _Memory, image: Tensor, residual: Tensor) -> tuple[Tensor, _Memory]:
    """The next iterate (B, 1, N) and memory, from the residual in the guard's unit."""
    length = lengths(residual)
    good, failed, guard = judge(memory.guard, length)
    following, seen = _remember(memory, residual, image, length, good)
    weights = dots(residual, following.changes) * following.used
    pairs = following.used.sum(2, keepdim=True)
    evidence, enough = weigh(memory.evidence, seen, length.detach(), weights.detach(), pairs, memory.guard.extrapolated)
    trusted = good & enough
    y = torch.baddbmm(image, weights * (trusted / guard.unit), following.images, alpha=-1)
    y = torch.where(failed, memory.image, y)
    oldest = (memory.oldest + 1) % following.used.shape[2]
    # A full window of plain steps is done with: the next one explains the residuals afresh.
    used = mark(following.used * (trusted | (pairs < following.used.shape[2])), oldest, 0)
    return y, following._replace(
        guard=guard._replace(extrapolated=trusted),
        residual=residual,
        image=image,
        used=used,
        evidence=stepped(evidence, good, trusted, failed),
        oldest=oldest,
    )


def _remember(memory: _Memory, residual: Tensor, image: Tensor, length: Tensor, good: Tensor) -> tuple[_Memory, Seen]:
    """The memory with the newest pair of changes in the place of the oldest, and what was seen of it."""
    unit, slot = memory.guard.unit, memory.oldest
    change = residual - memory.residual
    products = dots(change, memory.changes)
    along = products * memory.used
    keep = good & (lengths(along) < _DEPENDENT * lengths(change))
    along = along * keep
    new = _without(change, along, memory.changes)
    new_image = _without(image - memory.image, along / unit, memory.images)
    # A change that is lost in the rounding of the residual must not be blown up to length 1.
    size = torch.add(lengths(new), length, alpha=torch.finfo(length.dtype).eps)
    # Where G contracts, ⟨Δf, Δy⟩ < 0, that is ⟨Δf, ΔG⟩ < ‖Δf‖²: a pair for which this fails leads to a fixed point that
    # repels, or to none. It becomes zero, and so takes no part.
    attracted = dots(new, new_image) * unit < size * size
    parts = along + pad(size, (slot, along.shape[2] - 1 - slot))
    size = torch.where(attracted, size, math.inf)
    memory = memory._replace(
        changes=place(memory.changes, slot, torch.div, new, size),
        images=place(memory.images, slot, torch.div, new_image, size / unit),
        used=mark(memory.used * keep, slot, 1),
    )
    return memory, Seen(products.detach(), parts.detach(), attracted)


def _without(row: Tensor, weights: Tensor, rows: Tensor) -> Tensor:
    """row − weights rows, (B, 1, N), in the row's own memory where that is allowed."""
    return torch.baddbmm(row, weights, rows, alpha=-1, out=row if may_overwrite() else None)
