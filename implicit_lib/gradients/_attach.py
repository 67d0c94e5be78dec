"""A value with the graph of something else: its numbers are one computation's, its gradient another's."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec

from implicit_lib.solvers import Solution
from implicit_lib.solvers._state import Leaves, flatten_state, unflatten_state

Y = TypeVar("Y")


def without_graph(walk: Callable[[int], Solution[Y]], max_iter: int) -> tuple[Solution[Y], Leaves, TreeSpec]:
    """The solution of at most max_iter iterations, none of them recorded, and its value in leaves."""
    with torch.no_grad():
        solution = walk(max_iter)
    return solution, *flatten_state(solution.value, "the value of the solution")


def attach(solution: Solution[Y], images: Leaves) -> Solution[Y]:
    """The solution, its value differentiated as if it were the images; where they have no graph, as it is.

    The result is no gradient of anything, and its derivative nothing at all: differentiating it again raises.
    """
    if not any(image.requires_grad for image in images):
        return solution
    values, spec = flatten_state(solution.value, "the value of the solution")
    return replace(solution, value=unflatten_state(_Attach.apply(values, *images), spec))  # type: ignore[no-untyped-call]


class _Attach(torch.autograd.Function):
    """Returns `values` in the place of the images, to which the gradient goes."""

    @staticmethod
    def forward(values: Leaves, *images: Tensor) -> Leaves:
        return tuple(value.detach() for value in values)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Leaves) -> None:
        ctx.save_for_backward(*output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            gradients = _Once.apply(len(gradients), *gradients, *ctx.saved_tensors)  # type: ignore[no-untyped-call]
        return None, *gradients


class _Once(torch.autograd.Function):
    """Its first n tensors. It takes the values too, so that whatever depends on them is found out."""

    @staticmethod
    def forward(n: int, *tensors: Tensor) -> Leaves:
        return tuple(tensor.view_as(tensor) for tensor in tensors[:n])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Leaves) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        raise RuntimeError(
            "Jacobian-free and phantom gradients can be differentiated once: for second derivatives use "
            "ImplicitGradient() or UnrolledGradient()"
        )
