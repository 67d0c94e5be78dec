"""Jacobian-free backpropagation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from implicit_lib.gradients._phantom import PhantomGradient
from implicit_lib.solvers import Solution

Y = TypeVar("Y")


@dataclass(frozen=True)
class JacobianFreeGradient:
    """dL/dθ ≈ (∂G/∂θ)ᵀ dL/dy*: the inverse of I − ∂G/∂y replaced by the identity.

    One application of G is differentiated, so that the backward pass costs and remembers as much as one layer's,
    whatever the number of iterations. The result is not the gradient; for a contraction whose ∂G/∂θ is well
    conditioned it is a descent direction. Differentiating it again raises. It is `PhantomGradient(steps=1, damping=1)`.

    Source: Fung, Heaton, Li, McKenzie, Osher, Yin, JFB: Jacobian-Free Backpropagation for Implicit Networks,
    AAAI 2022, Theorem 3.1.
    """

    def differentiate(self, G: Callable[[Y], Y], walk: Callable[[int], Solution[Y]], max_iter: int) -> Solution[Y]:
        """The solution, found without a graph, its value attached to one application of G."""
        return PhantomGradient(steps=1, damping=1.0).differentiate(G, walk, max_iter)
