"""What a solver is: settings, and how to take one step from a memory that it does not own."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from torch import Tensor


class Evaluation(NamedTuple):
    """What the solve loop knows when it asks for a step: one call of G, at y. Each is (B, N), a row a sample."""

    y: Tensor
    image: Tensor
    """G(y)."""
    residual: Tensor
    """G(y) − y, in float32 where y is in half precision. A step may overwrite it where it `is_large`, or keep it as its
    memory till the next step; the evaluation after the next one fills the same memory again."""


class Solver(Protocol):
    """Settings of a fixed-point method. It holds no state, so that one solver serves any number of solves at once.

    The solve loop packs the state into a matrix (B, N) of B samples, calls G once an iteration, measures the residual,
    and hands both to `step`; a method that needs more of G (Newton) calls or differentiates it there.

    `memory` is whatever the method remembers: nested tuples and dicts of tensors whose first axis is the batch, and
    of Python numbers; None for Picard, histories for Anderson and Broyden. The loop drops the rows of samples that have
    finished. Where no graph is recorded and nothing is compiled, a step may overwrite what an earlier memory held, but
    not the memory it was given; a solution that is extended walks from a copy. A step treats the samples one by one,
    without data-dependent branches and without synchronising host and device.
    """

    @property
    def patience(self) -> int:
        """How many steps may be taken between two looks at the residuals, where the state is small.

        A look costs as much as several small operators, and synchronises host and device. The loop looks sooner when
        a sample nears the tolerance.
        """
        ...

    def init(self, y: Tensor, /) -> Any:
        """The memory at the start y (B, N)."""
        ...

    def step(self, G: Callable[[Tensor], Tensor], at: Evaluation, memory: Any, /) -> tuple[Tensor, Any]:
        """The next iterate, (B, N) in the dtype of y, and the next memory."""
        ...
