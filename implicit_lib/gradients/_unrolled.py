"""Differentiation of the iterations themselves."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from implicit_lib.solvers import Solution

Y = TypeVar("Y")


@dataclass(frozen=True)
class UnrolledGradient:
    """The exact gradient of the iterate that the solver reached, by backpropagation through all its iterations.

    Right also far from a fixed point, as when training at exactly k iterations, and differentiable any number of
    times. Memory grows in proportion to the number of iterations.
    """

    def differentiate(self, G: Callable[[Y], Y], walk: Callable[[], Solution[Y]]) -> Solution[Y]:
        """`walk()`, which leaves its graph behind."""
        return walk()
