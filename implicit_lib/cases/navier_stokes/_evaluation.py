"""How good a network is, iteration by iteration, and how steep: its own slope, and that of the equation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from implicit_lib.cases import _limits
from implicit_lib.cases._limits import Limit
from implicit_lib.lipschitz import Estimate, effective_lipschitz
from implicit_lib.model import ImplicitModel

from ._flow import Flow, length
from ._informed import ImplicitInformed
from ._networks import ImplicitFNO
from ._training import relative_error

FAR = 0.05
"""A relative error beyond it counts as far."""

_AT_ONCE = 50
"""Flows that are computed at once."""


@torch.no_grad()
def iterates(
    model: ImplicitFNO, forcing: Tensor, iterations: int, damping: float = 0.5
) -> Iterator[tuple[Tensor, Tensor]]:
    """h_1, h_2, … (B, width, N, N) of the damped Picard iteration from 0, each with its vorticity (B, N, N)."""
    q = model.encoder(forcing)
    h = torch.zeros_like(q)
    for _ in range(iterations):
        h = torch.lerp(h, model.blocks(h, q), damping)
        yield h, model.decoder(h)


@torch.no_grad()
def walked(model: nn.Module, forcing: Tensor, iterations: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The states of any model's walk, each with its vorticity (B, N, N); of an explicit model its one output.

    An informed operator computes in its own dtype; its state is the vorticity.
    """
    if isinstance(model, ImplicitFNO):
        yield from iterates(model, forcing, iterations)
    elif isinstance(model, ImplicitInformed):
        g = forcing.to(model.informed.flow.torus.analysis)
        w = torch.zeros_like(g)
        for _ in range(iterations):
            w = model.informed(w, g)
            yield w, w
    else:
        vorticity = model(forcing)
        yield vorticity, vorticity


class Quality(NamedTuple):
    """Of many flows, float64, a row for every t asked for: (T,) each."""

    error: Tensor
    """‖ω_t − ω*‖ / ‖ω*‖, the mean."""
    worst: Tensor
    """The largest one."""
    far: Tensor
    """How many flows are missed by more than FAR."""
    step: Tensor
    """‖h_t − h_{t−1}‖ / ‖h_t‖, the largest; 1 for an explicit model."""
    imbalance: Tensor
    """‖g − u·∇ω_t + νΔω_t‖ / ‖g‖, the mean: by how much the equation is missed, which no network is told."""


def quality(model: nn.Module, flow: Flow, forcing: Tensor, known: Tensor, at: Iterable[int] = (1,)) -> Quality:
    """How near the model comes to flows after t iterations for every t in `at`; of an explicit model its one output.

    Args:
        model: any.
        flow: the equation.
        forcing, known: g and ω* (B, N, N).
        at: the t, at least 1.
    """
    wanted = sorted(set(at)) if isinstance(model, ImplicitModel) else [1]
    parts = zip(*(torch.split(each, _AT_ONCE) for each in (forcing, known)), strict=True)
    rows = torch.cat([_of_some(model, flow, g, w, wanted) for g, w in parts], dim=2)  # (3, T, B)
    error, step, imbalance = rows
    missed = (error > FAR).sum(dim=1)
    return Quality(error.mean(dim=1), error.amax(dim=1), missed, step.amax(dim=1), imbalance.mean(dim=1))


@torch.no_grad()
def _of_some(model: nn.Module, flow: Flow, forcing: Tensor, known: Tensor, wanted: list[int]) -> Tensor:
    """(3, T, B)."""

    def told(vorticity: Tensor, step: Tensor) -> Tensor:
        found = vorticity.to(known)
        return torch.stack([relative_error(found, known), step.to(known), flow.relative_residual(found, forcing)])

    rows, last = [], torch.zeros(())
    for t, (h, vorticity) in enumerate(walked(model, forcing, wanted[-1]), start=1):
        if t in wanted:
            rows.append(told(vorticity, (h - last).flatten(1).norm(dim=1) / h.flatten(1).norm(dim=1)))
        last = h
    return torch.stack(rows, dim=1).double()


@torch.no_grad()
def perturbations(flow: Flow, vorticity: Tensor, size: float = 1e-3) -> Tensor:
    """The paper's δ (15, B, N, N): changes of the forcing along which, to first order, ω* moves by a sine.

    The sines are size · sin(k·x) with the 15 lowest wave vectors k, of which −k is another phase. δ comes from the
    linearised equation, so that ‖sine‖ / ‖δ‖ is the slope of the solution map in that direction.

    Args:
        flow: the equation.
        vorticity: ω* (B, N, N).
        size: of the sine.
    """
    side = flow.torus.side
    at = 2 * torch.pi / side * torch.arange(side, dtype=vorticity.dtype, device=vorticity.device)
    sines = [torch.sin(x * at + y * at[:, None]) for y, x in _LOWEST]
    along = flow.derivative_at(vorticity)
    return torch.stack([along(size * sine.expand_as(vorticity)) for sine in sines])


_LOWEST = sorted(
    ((y, x) for y in range(-4, 5) for x in range(5) if (x, y) > (0, 0)), key=lambda k: (k[0] ** 2 + k[1] ** 2, k)
)[:15]
"""The wave vectors (k_y, k_x) along which L_t is measured."""


def sensitivity(model: nn.Module, forcing: Tensor, changes: Tensor, iterations: int) -> Estimate:
    """The paper's L_t (T,): the largest ‖ω_t(g + δ) − ω_t(g)‖ / ‖δ‖ over forcings and changes.

    Args:
        model: any, in the dtype of the forcing; an explicit one has T = 1 iterate.
        forcing: g (B, N, N).
        changes: δ (P, B, N, N), such as `perturbations`.
        iterations: T.
    """

    def outputs(g: Tensor) -> list[Tensor]:
        return [vorticity for _, vorticity in walked(model, g, iterations)]

    return effective_lipschitz(outputs, forcing, changes, reduce="max")


def speed_limit(model: ImplicitFNO, forcing: Tensor, iterations: int, damping: float = 0.5) -> Limit:
    """The `Limit` of the damped walk of ω_t from h_0 = 0 on forcings (B, N, N), T = iterations."""

    def step(h: Tensor, g: Tensor) -> Tensor:
        return torch.lerp(h, model.blocks(h, model.encoder(g)), damping)

    return _limits.speed_limit(step, forcing, torch.zeros_like(model.encoder(forcing)), iterations, model.decoder)


class Steepest(NamedTuple):
    """The direction in which the solution map g ↦ ω is steepest at a steady flow."""

    slope: float
    """‖(∂g/∂ω)⁻¹‖, in mean squares."""
    forcing: Tensor
    """A change of the forcing (N, N) of length 1."""
    vorticity: Tensor
    """What it does to the flow, to first order (N, N), of the length of the slope."""


@torch.no_grad()
def steepest(flow: Flow, vorticity: Tensor) -> Steepest:
    """Where the solution map is steepest, by dense linear algebra.

    Args:
        flow: the equation, in float64.
        vorticity: ω (N, N); it is steady under `Flow.forcing_of` of it.
    """
    left, sizes, right = torch.linalg.svd(_derivative(flow, vorticity))

    def field(waves: Tensor) -> Tensor:
        found = flow.torus.values(torch.cat([waves.new_zeros(1), waves]).view(flow.torus.squares.shape))
        return found / length(found)

    steepness = float(1 / sizes[-1])
    return Steepest(steepness, field(left[:, -1]), steepness * field(right[-1]))


@torch.no_grad()
def slope(flow: Flow, vorticity: Tensor) -> float:
    """How steep the solution map is there: the slope of `steepest`, in half the time."""
    return float(1 / torch.linalg.svdvals(_derivative(flow, vorticity))[-1])


def _derivative(flow: Flow, vorticity: Tensor) -> Tensor:
    """∂g/∂ω at ω (N, N) as a matrix between coefficients, without the mean, which nothing drives."""
    torus, shape = flow.torus, flow.torus.squares.shape
    waves = torus.values(torch.eye(shape.numel()).to(vorticity).view(-1, *shape))
    return torus.coefficients(flow.derivative_at(vorticity)(waves)).flatten(1).mT[1:, 1:]


@torch.no_grad()
def flops(run: Callable[[], object]) -> int:
    """Floating-point operations of matrix products and convolutions while `run` runs, counted by torch.

    Every Fourier transform here is a matrix product. What takes time in proportion to the points is left out.
    """
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())
