"""Jacobian-free backpropagation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch

from implicit_lib.gradients._gradient import Pull, reattach
from implicit_lib.solvers import Solution
from implicit_lib.solvers._state import Leaves

Y = TypeVar("Y")


@dataclass(frozen=True)
class JacobianFreeGradient:
    """dL/dθ ≈ (∂G/∂θ)ᵀ dL/dy*: the inverse of I − ∂G/∂y replaced by the identity.

    One application of G is differentiated, so that the backward pass costs and remembers as much as one layer's,
    whatever the number of iterations. The result is not the gradient; for a contraction whose ∂G/∂θ is well
    conditioned it is a descent direction. Differentiating it again raises.

    Source: Fung, Heaton, Li, McKenzie, Osher, Yin, JFB: Jacobian-Free Backpropagation for Implicit Networks,
    AAAI 2022, Theorem 3.1.
    """

    def differentiate(self, G: Callable[[Y], Y], walk: Callable[[], Solution[Y]]) -> Solution[Y]:
        """The solution of `walk`, found without a graph, its value attached to one application of G."""
        if not torch.is_grad_enabled():
            return walk()
        with torch.no_grad():
            solution = walk()
        return reattach(G, solution, _identity, differentiate_y=False)


def _identity(images: Leaves, points: Leaves) -> Pull:
    return lambda gradients: gradients
