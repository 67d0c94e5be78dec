"""How good a network is, iteration by iteration, and how steep: its own slope, and that of the equation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from implicit_lib.lipschitz import Estimate, effective_lipschitz

from ._flow import Flow, length
from ._networks import ImplicitFNO
from ._training import relative_error

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


class Quality(NamedTuple):
    """Of many flows, float64, a row for every t asked for: (T,) each."""

    error: Tensor
    """‖ω_t − ω*‖ / ‖ω*‖, the mean."""
    worst: Tensor
    """The largest one."""
    step: Tensor
    """‖h_t − h_{t−1}‖ / ‖h_t‖, the largest; 0 for an explicit model."""
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
    wanted = sorted(set(at)) if isinstance(model, ImplicitFNO) else [1]
    parts = zip(*(torch.split(each, _AT_ONCE) for each in (forcing, known)), strict=True)
    rows = torch.cat([_of_some(model, flow, g, w, wanted) for g, w in parts], dim=2)  # (3, T, B)
    error, step, imbalance = rows
    return Quality(error.mean(dim=1), error.amax(dim=1), step.amax(dim=1), imbalance.mean(dim=1))


@torch.no_grad()
def _of_some(model: nn.Module, flow: Flow, forcing: Tensor, known: Tensor, wanted: list[int]) -> Tensor:
    """(3, T, B)."""

    def told(vorticity: Tensor, step: Tensor) -> Tensor:
        found = vorticity.to(known)
        return torch.stack([relative_error(found, known), step.to(known), flow.relative_residual(found, forcing)])

    if not isinstance(model, ImplicitFNO):
        return told(model(forcing), torch.zeros(len(known)))[:, None].double()
    rows, last = [], torch.zeros(())
    for t, (h, vorticity) in enumerate(iterates(model, forcing, wanted[-1]), start=1):
        if t in wanted:
            rows.append(told(vorticity, (h - last).flatten(1).norm(dim=1) / h.flatten(1).norm(dim=1)))
        last = h
    return torch.stack(rows, dim=1).double()


def sensitivity(model: ImplicitFNO, forcing: Tensor, changes: Tensor, iterations: int) -> Estimate:
    """The paper's L_t (T,): the largest ‖ω_t(g + δ) − ω_t(g)‖ / ‖δ‖ over forcings and changes.

    Args:
        model: implicit, in the dtype of the forcing.
        forcing: g (B, N, N).
        changes: δ (P, B, N, N).
        iterations: T.
    """

    def outputs(g: Tensor) -> list[Tensor]:
        return [vorticity for _, vorticity in iterates(model, g, iterations)]

    return effective_lipschitz(outputs, forcing, changes, reduce="max")


@torch.no_grad()
def slope(flow: Flow, vorticity: Tensor) -> tuple[float, Tensor]:
    """How steep the solution map g ↦ ω is at a steady flow, in mean squares: ‖(∂g/∂ω)⁻¹‖, by dense linear algebra.

    Args:
        flow: the equation, in float64.
        vorticity: ω (N, N); it is steady under `Flow.forcing_of` of it.

    Returns:
        The slope, and a change of the forcing (N, N) of length 1 along which ω changes so fast.
    """
    torus, shape = flow.torus, flow.torus.squares.shape
    waves = torus.values(torch.eye(shape.numel()).to(vorticity).view(-1, *shape))
    change = torus.coefficients(flow.derivative_at(vorticity)(waves)).flatten(1).mT
    matrix = change[1:, 1:]  # without the mean, which nothing drives
    left, sizes, _ = torch.linalg.svd(matrix)
    forcing = torus.values(torch.cat([sizes.new_zeros(1), left[:, -1]]).view_as(torus.squares))
    return float(1 / sizes[-1]), forcing / length(forcing)
