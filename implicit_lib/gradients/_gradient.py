"""What a gradient is: how to differentiate through an equilibrium, whatever solver found it."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from implicit_lib.solvers import Solution

Y = TypeVar("Y")


class Gradient(Protocol):
    """How the value of a solve gets its gradient with respect to whatever G depends on."""

    def differentiate(self, G: Callable[[Y], Y], walk: Callable[[int], Solution[Y]], max_iter: int, /) -> Solution[Y]:
        """The solution walk(max_iter) with a differentiable value.

        The numbers in the value are those that `walk` finds; only its autograd graph is the gradient's affair. Where
        gradients are disabled this is walk(max_iter).

        Args:
            G: maps the whole batch of states to the next; it closes over all that the value depends on.
            walk: solves y = G(y) in at most the given number of iterations, under the caller's autograd mode.
            max_iter: the most iterations.
        """
        ...
