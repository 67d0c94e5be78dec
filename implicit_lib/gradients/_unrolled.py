"""Differentiation of the iterations themselves."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch.utils.checkpoint import checkpoint

from implicit_lib.solvers import Solution
from implicit_lib.solvers._checks import check_at_least_one

Y = TypeVar("Y")


@dataclass(frozen=True, kw_only=True)
class UnrolledGradient:
    """The exact gradient of the iterate that the solver reached, by backpropagation through all its iterations.

    Right also far from a fixed point, as when training at exactly k iterations, and differentiable any number of
    times. Memory grows in proportion to the number of iterations T; with checkpoints every k iterations, to T/k states
    (and what the solver remembers beside each) and k iterations' graphs, least near k = √T, for one more forward pass.

    Args:
        checkpoint: how many iterations run between two states that are kept; the graph between them is rebuilt, by
            running the very same iterations again, when the backward pass gets there. None: keep the whole graph.

    Raises:
        TypeError, ValueError: checkpoint is not an integer of at least 1.
    """

    checkpoint: int | None = None

    def __post_init__(self) -> None:
        if self.checkpoint is not None:
            check_at_least_one(self.checkpoint, "checkpoint", "None keeps the whole graph")

    def differentiate(self, G: Callable[[Y], Y], walk: Callable[[int], Solution[Y]], max_iter: int) -> Solution[Y]:
        """The solution, which leaves its graph behind, or the checkpoints to rebuild it from."""
        if self.checkpoint is None or not torch.is_grad_enabled():
            return walk(max_iter)
        solution = _segment(walk, min(self.checkpoint, max_iter))
        for done in range(self.checkpoint, max_iter, self.checkpoint):
            further = _segment(solution.extend, min(self.checkpoint, max_iter - done))
            if len(further.blocks) == len(solution.blocks):  # all samples had finished
                break
            solution = further
        return solution


def _segment(walk: Callable[[int], Solution[Y]], iterations: int) -> Solution[Y]:
    """walk(iterations), of whose graph only the ends are kept."""
    solution: Solution[Y] = checkpoint(walk, iterations, use_reentrant=False)
    return solution
