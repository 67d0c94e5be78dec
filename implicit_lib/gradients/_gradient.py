"""What a gradient is: how to differentiate through an equilibrium, whatever solver found it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor
from torch.autograd.graph import get_gradient_edge

from implicit_lib.solvers import Solution
from implicit_lib.solvers._state import Leaves, Operator, flatten_state, unflatten_state

Y = TypeVar("Y")


class Gradient(Protocol):
    """How the value of a solve gets its gradient with respect to whatever G depends on."""

    def differentiate(self, G: Callable[[Y], Y], walk: Callable[[], Solution[Y]], /) -> Solution[Y]:
        """Call `walk`, which solves y = G(y), once, and return its solution with a differentiable value.

        The numbers in the value are those that `walk` found; only its autograd graph is the gradient's affair.
        Where gradients are disabled this is `walk()`.
        """
        ...


Pull = Callable[[Leaves], Leaves]


def reattach(
    G: Callable[[Y], Y], solution: Solution[Y], pull: Callable[[Leaves, Leaves], Pull], *, differentiate_y: bool
) -> Solution[Y]:
    """The solution with its value y* attached to the graph of one application G(y*).

    `pull(images, points)`, given the leaves of G(y*) and of y*, makes the map from the gradient of the value to the
    gradient that enters G's graph. The leaves of y* take part in that graph if `differentiate_y`. Where G depends on
    nothing that requires gradients, neither does the value.
    """
    values, spec = flatten_state(solution.value, "the value of the solution")
    points = tuple(value.detach().requires_grad_(differentiate_y) for value in values)
    with torch.enable_grad():
        images = Operator(G, spec)(points)
    if not _has_sources(images, points):
        return solution
    attached = _Attach.apply(  # type: ignore[no-untyped-call]
        tuple(value.detach() for value in values), pull(images, points), *images
    )
    return replace(solution, value=unflatten_state(attached, spec))


def _has_sources(images: Leaves, points: Leaves) -> bool:
    """Whether the graph of the images comes from anything but the points, so that there is a gradient to have."""
    todo = [get_gradient_edge(image).node for image in images if image.requires_grad]
    seen = set(todo)
    while todo:
        node = todo.pop()
        variable = getattr(node, "variable", None)  # of a leaf of the graph
        if variable is not None and all(variable is not point for point in points):
            return True
        new = {each for each, _ in node.next_functions if each is not None} - seen
        seen |= new
        todo.extend(new)
    return False


class _Attach(torch.autograd.Function):
    """Returns `values` in the place of `images`, which in the backward pass receive the pulled gradient."""

    @staticmethod
    def forward(ctx: Any, values: Leaves, pull: Pull, *images: Tensor) -> Leaves:
        ctx.pull = pull
        return values

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            # The pulled gradient is a number to autograd: a second derivative through it would silently be wrong.
            raise RuntimeError(
                "implicit and Jacobian-free gradients can be differentiated once: drop create_graph=True, "
                "or use UnrolledGradient() for second derivatives"
            )
        return None, None, *ctx.pull(gradients)
