"""A classical iteration for linear programs, plain: what a graph network's iterations are to be measured by."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from ._program import LinearProgram


@torch.no_grad()
def primal_dual(programs: LinearProgram, at: Iterable[int], *, weight: float = 1e-3) -> Tensor:
    """The primal–dual hybrid gradient method from 0: its iterates y_k for the k in `at`, ascending, (len(at), B, n).

    y ← clip(y − τ (c + Aᵀλ)) to the bounds, λ ← λ + σ (A (2 y⁺ − y) − b), not negative where a row is ≤. In float64,
    with τ = 0.9 / (ω ‖A‖) and σ = 0.9 ω / ‖A‖. No restarts, no preconditioning, no adaptive steps.

    Source: Chambolle and Pock, J. Math. Imaging Vis. 40 (2011); for linear programs, Applegate et al. (NeurIPS 2021).

    Args:
        programs: x, (B, …).
        at: which iterates to keep.
        weight: ω, the size of prices over that of solutions; a tuned number.

    Raises:
        ValueError: `at` is empty, or one of it is negative.
    """
    A, b, equality, c, lower, upper = (field.double() for field in programs)
    wanted = sorted(set(at))
    if not wanted or wanted[0] < 0:
        raise ValueError(f"at: must name iterations from 0 on, but is {wanted}")
    norm = torch.linalg.matrix_norm(A, ord=2).clamp(min=1e-12).unsqueeze(1) if A.shape[1] else torch.ones_like(c[:, :1])
    y = torch.zeros_like(c).clamp(lower, upper)
    prices, kept = torch.zeros_like(b), []
    least = torch.where(equality > 0.5, -torch.inf, 0.0)
    for k in range(wanted[-1] + 1):
        if k in wanted:
            kept.append(y)
        pull = c + (A.mT @ prices.unsqueeze(2)).squeeze(2)
        after = (y - 0.9 / (weight * norm) * pull).clamp(lower, upper)
        over = (A @ (2 * after - y).unsqueeze(2)).squeeze(2) - b
        prices = torch.maximum(prices + 0.9 * weight / norm * over, least)
        y = after
    return torch.stack(kept)
