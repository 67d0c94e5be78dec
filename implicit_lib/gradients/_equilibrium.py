"""The autograd node of an equilibrium, y* = G(y*) with G's dependence on everything else, to any order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from implicit_lib.gradients._closure import LeafMap, apply, substitute
from implicit_lib.solvers._state import Leaves

# Solves v = pullback(v) + gradients for numbers: (pullback, gradients) ↦ v.
AdjointSolve = Callable[[LeafMap, Leaves], Leaves]


def attach_equilibrium(values: Leaves, G: LeafMap, solve: AdjointSolve) -> Leaves:
    """The fixed point `values` of G, differentiable implicitly by what G depends on; if on nothing, as it is."""
    points = tuple(value.detach() for value in values)
    reusable = torch._C._functorch.peek_interpreter_stack() is None  # torch.func forbids requires_grad_
    if reusable:
        points = tuple(point.requires_grad_() for point in points)
    images, found = apply(G, points)
    if not found:
        return values
    forward = (images, points) if reusable else None
    system = _System(lambda y, sources: substitute(G, found, sources, y), solve, len(values), forward)
    attached: Leaves = _Equilibrium.apply(system, *values, *found, *(images if reusable else ()))  # type: ignore[no-untyped-call]
    return attached


@dataclass(frozen=True)
class _System:
    """What the backward pass needs, beside the tensors that autograd saves."""

    G: Callable[[Leaves, Leaves], Leaves]  # (y, sources) ↦ images
    solve: AdjointSolve
    leaves: int  # how many tensors make up a state
    forward: tuple[Leaves, Leaves] | None  # images with their graph, and the points that they are the images of

    def transposed(self, v: Leaves, sources: Leaves) -> Leaves:
        """(∂G/∂y)ᵀ v + g, for the sources (*y, *those of G, *g)."""
        n = self.leaves
        y, own, g = sources[:n], sources[n:-n], sources[-n:]
        pulled = _pull(self.G(y, own), y, v)
        return tuple(each + gradient for each, gradient in zip(pulled, g, strict=True))


class _Equilibrium(torch.autograd.Function):
    """Returns the values.

    A first derivative enters the graph of the images of the values, as if they were the result: so everything that
    they depend on gets its gradient. For higher ones that graph is no use, because the values are constants in it; then
    G is applied to the values as this node returned them, and the gradient goes straight to the sources.
    """

    @staticmethod
    def forward(system: _System, *tensors: Tensor) -> Leaves:
        """From the values, the sources, and the images if there are any."""
        return tuple(value.detach() for value in tensors[: system.leaves])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Leaves) -> None:
        system, *tensors = inputs
        sources = tensors[system.leaves : -system.leaves] if system.forward else tensors[system.leaves :]
        ctx.system = system
        ctx.save_for_backward(*output, *sources)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        system: _System = ctx.system
        n = system.leaves
        if any(_under_vmap(gradient) for gradient in gradients):
            raise RuntimeError(
                "implicit gradients stop sample by sample, which vmap does not allow: take rows of a Jacobian one by "
                "one, by torch.func.jacrev(…, chunk_size=1) or torch.autograd.functional.jacobian"
            )
        if system.forward is not None and not torch.is_grad_enabled():
            images, points = system.forward
            v = system.solve(lambda v: _pull(images, points, v), gradients)
            return *(None,) * (len(ctx.needs_input_grad) - n), *v
        values, sources = ctx.saved_tensors[:n], ctx.saved_tensors[n:]
        wanted, for_images = ctx.needs_input_grad[1 + n :][: len(sources)], (None,) * (n if system.forward else 0)
        return *(None,) * (1 + n), *_to_sources(system, values, sources, wanted, gradients), *for_images


def _to_sources(
    system: _System, values: Leaves, sources: Leaves, wanted: Sequence[bool], gradients: Leaves
) -> tuple[Tensor | None, ...]:
    """(∂G/∂sources)ᵀ v for the wanted sources, differentiable where gradients are enabled; None where there is none."""
    with torch.enable_grad():  # a derivative by an alias is a partial one, however values and sources hang together
        y, own = _alias(values, (True,) * system.leaves), _alias(sources, wanted)
        images = system.G(y, own)
    with torch.no_grad():
        v = system.solve(lambda v: _pull(images, y, v), gradients)
    if torch.is_grad_enabled():  # then v is an equilibrium to be differentiated, too
        adjoint = _System(system.transposed, system.solve, system.leaves, None)
        v = _Equilibrium.apply(adjoint, *v, *values, *sources, *gradients)  # type: ignore[no-untyped-call]
    found = iter(_vjp(images, [source for source in own if source.requires_grad], v))
    return tuple(next(found) if source.requires_grad else None for source in own)


def _under_vmap(tensor: Tensor) -> bool:
    functorch = torch._C._functorch
    return functorch.is_batchedtensor(tensor) or functorch.is_legacy_batchedtensor(tensor)


def _alias(tensors: Leaves, wanted: Sequence[bool]) -> Leaves:
    """The same tensors as other nodes of the graph, of which those that are wanted require gradients."""
    aliases = tuple(tensor.view_as(tensor) for tensor in tensors)
    # After torch.func.vjp has returned, the tensors of its graph are bare numbers to everybody else.
    return tuple(
        alias if alias.requires_grad or not want else alias.detach().requires_grad_()
        for alias, want in zip(aliases, wanted, strict=True)
    )


def _pull(images: Leaves, points: Leaves, v: Leaves) -> Leaves:
    """(∂images/∂points)ᵀ v, zero where the images ignore the points."""
    pulled = _vjp(images, points, v)
    return tuple(torch.zeros_like(point) if each is None else each for each, point in zip(pulled, points, strict=True))


def _vjp(images: Leaves, inputs: Sequence[Tensor], v: Leaves) -> tuple[Tensor | None, ...]:
    """(∂images/∂inputs)ᵀ v, None where there is no dependence, with a graph where gradients are enabled."""
    pairs = [(image, each) for image, each in zip(images, v, strict=True) if image.requires_grad]
    return torch.autograd.grad(
        [image for image, _ in pairs],
        inputs,
        [each for _, each in pairs],
        retain_graph=True,
        create_graph=torch.is_grad_enabled(),
        allow_unused=True,
    )


def in_this_autocast(G: LeafMap, device: torch.device) -> LeafMap:
    """G under the autocast settings of this moment, for whenever the backward pass calls it."""
    kind = device.type
    if not torch.amp.is_autocast_available(kind):
        return G
    enabled, dtype = torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)

    def settled(y: Leaves) -> Leaves:
        with torch.autocast(kind, dtype=dtype, enabled=enabled):
            return G(y)

    return settled
