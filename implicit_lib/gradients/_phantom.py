"""Phantom gradients: a few damped iterations from the fixed point are differentiated, the rest is forgotten."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch

from implicit_lib.gradients._attach import attach, without_graph
from implicit_lib.solvers import Solution
from implicit_lib.solvers._checks import check_at_least_one, check_damping
from implicit_lib.solvers._state import Operator

Y = TypeVar("Y")


@dataclass(frozen=True, kw_only=True)
class PhantomGradient:
    """The gradient of k steps y ← (1 − λ) y + λ G(y) that start from the fixed point y*, itself held constant.

    With J = ∂G/∂y at y* and M = (1 − λ) I + λ J this is dL/dθ ≈ λ (∂G/∂θ)ᵀ (I + Mᵀ + … + (Mᵀ)^{k−1}) dL/dy*, the first
    k terms of a Neumann series of the implicit gradient. Its error is that of (Mᵀ)^k: it vanishes as k grows wherever
    damped iteration converges. Memory and time are those of k layers, forward and backward, whatever the solver did.
    The value stays the solver's y*. Differentiating the result again raises.

    Source: Geng, Zhang, Bai, Wang, Lin, On Training Implicit Models, NeurIPS 2021 (arXiv:2111.05177), the
    unrolling-based form of Section 3.

    Args:
        steps: k, at least 1.
        damping: λ in (0, 1]; with 1 step of damping 1 it is `JacobianFreeGradient`.

    Raises:
        TypeError, ValueError: a setting has the wrong type or is out of range.
    """

    steps: int = 5
    damping: float = 0.5

    def __post_init__(self) -> None:
        check_at_least_one(self.steps, "steps", "without a step there is no gradient")
        check_damping(self.damping, "plain iteration")

    def differentiate(self, G: Callable[[Y], Y], walk: Callable[[int], Solution[Y]], max_iter: int) -> Solution[Y]:
        """The solution, found without a graph, its value attached to k damped applications of G."""
        if not torch.is_grad_enabled():
            return walk(max_iter)
        solution, values, spec = without_graph(walk, max_iter)
        operator, y = Operator(G, spec), tuple(value.detach() for value in values)
        for _ in range(self.steps):
            images = operator(y)
            y = images if self.damping == 1 else self._damped(y, images)
        return attach(solution, y)

    def _damped(self, y: tuple[torch.Tensor, ...], images: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return tuple(torch.lerp(old, new, self.damping) for old, new in zip(y, images, strict=True))
