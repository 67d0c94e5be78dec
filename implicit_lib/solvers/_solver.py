"""What a solver is: settings, and how to take one step from a memory that it does not own."""

from typing import Any, Protocol

from implicit_lib.solvers._state import Leaves, Operator


class Solver(Protocol):
    """Settings of a fixed-point method. It holds no state, so that one solver serves any number of solves at once.

    The solve loop calls G once an iteration, measures the residual, and hands y and image = G(y) to `step`; a method
    that needs more of G (Newton) calls or differentiates it there. `memory` is whatever the method remembers
    (None for Picard, histories for Anderson and Broyden). `step` returns a new memory and leaves the old one as it
    was: a solution that is extended twice walks from the same memory twice.
    """

    def init(self, y: Leaves, /) -> Any:
        """The memory at the start y."""
        ...

    def step(self, G: Operator, y: Leaves, image: Leaves, memory: Any, /) -> tuple[Leaves, Any]:
        """The next iterate and memory."""
        ...
