"""Gradient ascent to the points where an operator is steepest, all samples side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from implicit_lib.solvers._state import per_sample

Slope = Callable[[Tensor, Tensor, Tensor], Tensor]
"""How much G stretches a direction v at (y, x), sample by sample (B,): at most the norm of its Jacobian there."""
Membership = Callable[[Tensor], Tensor | NDArray[np.bool_]]
"""Which of the inputs (B, …) belong to the domain: booleans (B,)."""

_STEPS = 60
_FIRST_STEP, _LAST_STEP = 0.25, 1e-6  # of the region's size


@dataclass(frozen=True, eq=False)
class Region:
    """Where an ascent stays: ‖y‖ ≤ radius (B,), or = radius on the sphere; low ≤ x ≤ high, in the domain."""

    radius: Tensor
    low: Tensor
    high: Tensor
    domain: Membership | None
    sphere: bool = False

    def state(self, y: Tensor) -> Tensor:
        """The nearest states of the region (B, …)."""
        scale = self.radius / sizes(y).clamp(min=torch.finfo(y.dtype).tiny)
        return y * per_sample(scale if self.sphere else scale.clamp(max=1), y)

    def input(self, x: Tensor, before: Tensor) -> Tensor:
        """The nearest inputs between the bounds (B, …); those before the step where these are not of the domain."""
        inside = torch.maximum(torch.minimum(x, self.high), self.low)
        if self.domain is None:
            return inside
        belongs = torch.as_tensor(self.domain(inside), device=x.device)
        return torch.where(per_sample(belongs, x), inside, before)


def ascend(slope: Slope, y: Tensor, x: Tensor, v: Tensor, region: Region) -> tuple[Tensor, Tensor]:
    """Points (y, x) where `slope` is at least as large as at the given ones, after steps along its gradient.

    Every sample has a step size of its own, which grows when a step goes up and shrinks when it does not. The direction
    v climbs too, by v ← JᵀJv / ‖JᵀJv‖: one step of the power method at every point.

    Args:
        slope: what to climb.
        y, x: where to start, in the region.
        v: directions of length 1 to start with.
        region: where to stay.
    """
    step = torch.full((len(x),), _FIRST_STEP, dtype=x.dtype, device=x.device)
    height, gradients = _climb(slope, y, x, v)
    width = region.high - region.low
    for _ in range(_STEPS):
        towards, sideways, turn = unit(gradients[0]), unit(width * gradients[1]), gradients[2]
        trial = (
            region.state(y + per_sample(step * region.radius, y) * towards),
            region.input(x + per_sample(step, x) * width * sideways, x),
            unit(turn + per_sample(height, v) * v, v),  # ∇‖Jv‖ = JᵀJv / ‖Jv‖ − ‖Jv‖ v, for v of length 1
        )
        found, found_gradients = _climb(slope, *trial)
        up = (found > height) & found.isfinite()
        step = torch.where(up, 1.5 * step, 0.5 * step)
        if not bool((step > _LAST_STEP).any()):
            break
        height = torch.where(up, found, height)
        y, x, v, *gradients = (
            torch.where(per_sample(up, new), new, old)
            for new, old in zip((*trial, *found_gradients), (y, x, v, *gradients), strict=True)
        )
    return y, x


def sizes(values: Tensor) -> Tensor:
    """‖·‖ of every sample (B,), from (B, …)."""
    norms: Tensor = torch.linalg.vector_norm(values.reshape(len(values), -1), dim=1)
    return norms


def unit(directions: Tensor, otherwise: Tensor | None = None) -> Tensor:
    """Every sample of (B, …) divided by its norm; where that is 0, what is given instead, or 0."""
    length = per_sample(sizes(directions), directions)
    return torch.where(length > 0, directions / length, directions if otherwise is None else otherwise)


def random_directions(like: Tensor) -> Tensor:
    """The same directions of length 1 at every call, (B, …), drawn on the CPU so that every device gets them."""
    drawn = torch.randn(like.shape, generator=torch.Generator().manual_seed(0), dtype=like.dtype)
    return unit(drawn.to(like.device))


def _climb(slope: Slope, *point: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The slope (B,) at a point (y, x, v), and its gradients; 0 where it does not depend on one of them."""
    leaves = [each.detach().requires_grad_() for each in point]
    with torch.enable_grad():
        found = slope(*leaves)
        if not found.requires_grad:
            return found, [torch.zeros_like(leaf) for leaf in leaves]
        gradients = torch.autograd.grad(found.sum(), leaves, allow_unused=True, materialize_grads=True)
    return found.detach(), [gradient.nan_to_num(0.0, 0.0, 0.0) for gradient in gradients]
