"""Steady flows by classical means: Newton's method with short steps, and pseudo-time stepping."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from implicit_lib import solve

from ._flow import Flow, length

_SHORT = 0.35
"""The longest Newton step, beside the length of the flow itself, in units of √(root mean square of g)."""

_KRYLOV = 10
"""Directions that one Newton step is combined of."""

_NOTHING = 1e-6
"""A direction adds nothing if this share of its image, or less, is new."""


class SteadyFlow(NamedTuple):
    """What a solver reached, a row for each forcing.

    Attributes:
        vorticity: ω (B, N, N).
        residual: ‖g − u·∇ω + νΔω‖ / ‖g‖ (B,).
        arrived: whether that is at most the tolerance asked for (B,).
        iterations: steps (B,).
    """

    vorticity: Tensor
    residual: Tensor
    arrived: Tensor
    iterations: Tensor


@torch.no_grad()
def newton_krylov(
    flow: Flow, forcing: Tensor, *, start: Tensor | None = None, tol: float = 1e-8, most: int = 50
) -> SteadyFlow:
    """Newton's method, its linear systems preconditioned by Stokes flow and solved by ten steps of GCR.

    Far from the flow, Newton's steps are too long. No step here is longer than the flow is large plus what the forcing
    suggests for its size, √g (inertia alone would balance u·∇ω ~ ω² and g). So it arrives from ω = 0 where full steps
    or plain iterations diverge. It may still fail, or arrive at another of several solutions; a start decides. Float64
    is advised: in float32 residuals end at about 1e-5.

    Source: generalised conjugate residuals, Eisenstat, Elman, Schultz 1983.

    Args:
        flow: the equation, on the device and in the dtype of the forcing.
        forcing: g (B, N, N).
        start: ω (B, N, N) to begin at; its mean, and waves that are not resolved, are left out; None: 0.
        tol: of the relative residual.
        most: steps, of which each costs 12 evaluations of the equation or its derivative, with the test for arrival.

    Raises:
        ForcingError: the forcing has no steady flow on these points.
    """
    flow.check_forcing(forcing)
    at = torch.zeros_like(forcing) if start is None else _admitted(flow, start)
    taken = torch.zeros_like(forcing[:, 0, 0])
    for _ in range(most):
        rows = (flow.relative_residual(at, forcing) > tol).nonzero().squeeze(1)
        if not len(rows):
            break
        at[rows] += _newton_step(flow, at[rows], forcing[rows])
        taken[rows] += 1
    return _judged(flow, forcing, at, taken, tol)


def _admitted(flow: Flow, start: Tensor) -> Tensor:
    """Without its mean and the outermost waves, which the equation does not see: no step would remove them."""
    return flow.torus.resolved(start - start.mean(dim=(1, 2), keepdim=True))


def _newton_step(flow: Flow, vorticity: Tensor, forcing: Tensor) -> Tensor:
    inertia = flow.torus.advection_at(vorticity)
    rest = flow.stokes(flow.residual(vorticity, forcing))
    step = combined(lambda change: change + flow.stokes(inertia(change)), rest, _KRYLOV)
    return shortened(flow.torus.resolved(step), vorticity, forcing)  # rounding left other waves


def shortened(step: Tensor, vorticity: Tensor, forcing: Tensor) -> Tensor:
    """The step (B, N, N), no longer than the flow is large plus what the forcing suggests for its size."""
    longest = length(vorticity) + _SHORT * (forcing.shape[-1] * length(forcing)).sqrt()
    return step * (longest / length(step).clamp(min=torch.finfo(step.dtype).tiny)).clamp(max=1)[:, None, None]


def combined(system: Callable[[Tensor], Tensor], target: Tensor, directions: int) -> Tensor:
    """The v (B, N, N) whose system(v) is nearest to the target, in the Krylov space of so many directions, by GCR."""
    found, left = torch.zeros_like(target), target
    known = its_images = target.new_zeros(0, *target.shape)
    for _ in range(directions):
        direction, image = left, system(left)
        least = _NOTHING * length(image)[:, None, None]
        share = _dot(its_images, image)
        direction, image = direction - (share * known).sum(dim=0), image - (share * its_images).sum(dim=0)
        size = length(image)[:, None, None]
        size = torch.where(size > least, size, torch.inf)
        direction, image = direction / size, image / size
        known, its_images = torch.cat([known, direction[None]]), torch.cat([its_images, image[None]])
        share = _dot(left, image)
        found, left = found + share * direction, left - share * image
    return found


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=(-2, -1), keepdim=True)


@torch.no_grad()
def pseudo_time(
    flow: Flow, forcing: Tensor, *, start: Tensor | None = None, time: float = 0.3, most: int = 2000, tol: float = 1e-6
) -> SteadyFlow:
    """Steps of pseudo-time from Stokes flow until the flow stands still: to stable states only, and slowly.

    Args:
        flow, forcing, start, tol: as of `newton_krylov`.
        time: the step τ. Where the flow crosses several points in one step, it blows up.
        most: steps.

    Raises:
        ForcingError: the forcing has no steady flow on these points.
    """
    flow.check_forcing(forcing)
    at = flow.stokes(forcing) if start is None else _admitted(flow, start)
    found = solve(partial(_step, flow, time), at, inputs=forcing, max_iter=most, tol=tol / 100)
    return _judged(flow, forcing, found.value, found.iterations.to(forcing.dtype), tol)


def _step(flow: Flow, time: float, vorticity: Tensor, forcing: Tensor) -> Tensor:
    return flow.step(vorticity, forcing, time)


def _judged(flow: Flow, forcing: Tensor, vorticity: Tensor, iterations: Tensor, tol: float) -> SteadyFlow:
    residual = flow.relative_residual(vorticity, forcing)
    return SteadyFlow(vorticity, residual, residual <= tol, iterations)
