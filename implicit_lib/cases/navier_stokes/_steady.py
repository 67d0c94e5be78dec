"""Steady flows by classical means: Newton–Krylov with continuation, and pseudo-time stepping."""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from implicit_lib import solve
from implicit_lib.solvers import NewtonKrylov, Picard, Solver

from ._flow import Flow

_RISES = 5
_RISE = 1.5
"""Newton's method begins at the viscosity ν · _RISE^_RISES, where inertia is small, and comes down in so many steps."""

_SHORT = 2.0
"""The pseudo-time step that preconditions it on the way: where Newton fails, a step of it does no harm."""


class SteadyFlow(NamedTuple):
    """What a solver reached, a row for each forcing.

    Attributes:
        vorticity: ω (B, N, N).
        residual: ‖g − u·∇ω + νΔω‖ / ‖g‖ (B,).
        arrived: whether that is at most the tolerance asked for (B,).
        calls: evaluations of the equation, or of its derivative, for each (B,).
    """

    vorticity: Tensor
    residual: Tensor
    arrived: Tensor
    calls: Tensor


@torch.no_grad()
def newton_krylov(flow: Flow, forcing: Tensor, *, start: Tensor | None = None, tol: float = 1e-8) -> SteadyFlow:
    """Newton's method with GMRES, preconditioned by a pseudo-time step, or at the end by Stokes flow.

    Without a start it comes down from a larger viscosity in steps (continuation), so that it follows the branch of
    flows that begins at Stokes flow, if that goes so far. It does not always arrive; and where the equation has several
    solutions, it may arrive at another one. Float64 is advised: in float32 residuals end at about 1e-5.

    Args:
        flow: the equation, on the device and in the dtype of the forcing.
        forcing: g (B, N, N).
        start: ω (B, N, N) to begin at instead.
        tol: of the relative residual.

    Raises:
        ForcingError: the forcing has no steady flow on these points.
    """
    flow.check_forcing(forcing)
    rises = range(_RISES, -1, -1) if start is None else [0]
    plan = [(_RISE**rise, _SHORT, NewtonKrylov(krylov=10), 10 if rise else 20, 1e-2) for rise in rises]
    plan.append((1.0, math.inf, NewtonKrylov(krylov=20), 20, tol / 100))
    at, calls = torch.zeros_like(forcing) if start is None else start, 0 * forcing[:, 0, 0]
    for larger, time, solver, most, until in plan:
        thicker = Flow(flow.torus.side, larger * flow.viscosity).to(forcing)
        at, more = _walk(thicker, forcing, at, time, solver, most, until)
        calls = calls + (1 + 2 * solver.krylov) * more
    return _judged(flow, forcing, at, calls, tol)


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
    at = flow.stokes(forcing) if start is None else start
    at, calls = _walk(flow, forcing, at, time, Picard(), most, tol / 100)
    return _judged(flow, forcing, at, calls, tol)


def _walk(
    flow: Flow, forcing: Tensor, at: Tensor, time: float, solver: Solver, most: int, until: float
) -> tuple[Tensor, Tensor]:
    """Where the solver ends, and its iterations; the residual that it stops by is that of `Flow.step`."""
    found = solve(partial(_step, flow, time), at, inputs=forcing, solver=solver, max_iter=most, tol=until)
    return found.value, found.iterations.to(forcing.dtype)


def _step(flow: Flow, time: float, vorticity: Tensor, forcing: Tensor) -> Tensor:
    return flow.step(vorticity, forcing, time)


def _judged(flow: Flow, forcing: Tensor, vorticity: Tensor, calls: Tensor, tol: float) -> SteadyFlow:
    residual = flow.relative_residual(vorticity, forcing)
    return SteadyFlow(vorticity, residual, residual <= tol, calls)
