"""The norm of an operator's Jacobian as something to train on: a step of the power method a training step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def jacobian_norm(G: Callable[[Tensor], Tensor], y: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """A lower bound of ‖∂G/∂y‖ at y for every sample, and the direction to pass for a better one: power iteration.

    With J = ∂G/∂y, v the direction and u = Jv / ‖Jv‖, the bound is ‖Jᵀu‖, and the next direction is Jᵀu / ‖Jᵀu‖: a step
    of the power method on JᵀJ. Keep the direction of every sample from training step to training step, and the bound
    tends to the norm while the weights move little. Penalise its excess over a modulus below 1, and G becomes a
    contraction where it is trained, which `jacobian_penalty`, a mean over all directions, does not promise.

    It is differentiable in whatever G depends on; u is held constant, at the price of a jvp and of double backward.

    Args:
        G: maps a state to a state, sample by sample.
        y: the points (B, …), floating point. They are held constant.
        direction: v, of the shape of y, in no sample zero.

    Returns:
        The bounds (B,) and the next directions, of the shape of y and of norm 1, without a graph.

    Example:
        >>> bound, direction = jacobian_norm(lambda y: 0.5 * y, torch.ones(2, 3), torch.ones(2, 3))
        >>> bound
        tensor([0.5000, 0.5000])
    """
    with torch.no_grad():
        image = torch.func.jvp(G, (y.detach(),), (direction,))[1]
        u = image / _lengths(image)
    points = y.detach().clone().requires_grad_()
    with torch.enable_grad():
        (pulled,) = torch.autograd.grad(G(points), points, u, create_graph=True)
    found = pulled.detach()
    return pulled.flatten(1).norm(dim=1), found / _lengths(found)


def _lengths(rows: Tensor) -> Tensor:
    """Of every sample, so shaped that the samples can be divided by it; never 0."""
    length: Tensor = rows.flatten(1).norm(dim=1).clamp(min=torch.finfo(rows.dtype).tiny)
    return length.view(-1, *(1,) * (rows.dim() - 1))
