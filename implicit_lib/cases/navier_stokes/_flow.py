"""The steady Navier–Stokes equation for the vorticity: its residual, its plain iterations, its forcings."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ._torus import Torus

HIGHEST = 7 / 16
"""Waves with max(|k_x|, |k_y|) beyond this share of N are the outermost: a resolved forcing has hardly any of them."""

_MOST_THERE = 1e-4
_MOST_MEAN = 1e-6


class ForcingError(ValueError):
    """A forcing that has no steady flow here; the message says what is wrong with it and what to do."""


class Flow(nn.Module):
    """Steady flow on a periodic square: u·∇ω = νΔω + g, with u the velocity of the vorticity ω, both of mean 0.

    Fields are (…, N, N), y first; see `Torus`. The equation is that of the waves which the N × N points resolve.

    Source: Liu, Ding, Osher, Yin (arXiv:2510.03638), Section 3.2.

    Args:
        side: N, an even number, at least 4.
        viscosity: ν, positive. With velocities and lengths of size 1 the Reynolds number is 1/ν.

    Raises:
        ValueError: one of them is not such.
    """

    def __init__(self, side: int, viscosity: float) -> None:
        super().__init__()
        if not (math.isfinite(viscosity) and viscosity > 0):
            raise ValueError(f"viscosity must be a positive number, but is {viscosity}")
        self.torus = Torus(side)
        self.viscosity = viscosity

    def residual(self, vorticity: Tensor, forcing: Tensor) -> Tensor:
        """g − u·∇ω + νΔω, of g the waves that are resolved: 0 for a steady flow."""
        return (
            self.torus.resolved(forcing)
            - self.torus.advection(vorticity)
            + self.viscosity * self.torus.laplacian(vorticity)
        )

    def relative_residual(self, vorticity: Tensor, forcing: Tensor) -> Tensor:
        """‖g − u·∇ω + νΔω‖ / ‖g‖ (…)."""
        size = length(forcing).clamp(min=torch.finfo(forcing.dtype).tiny)
        return length(self.residual(vorticity, forcing)) / size

    def forcing_of(self, vorticity: Tensor) -> Tensor:
        """g = u·∇ω − νΔω, under which ω is steady."""
        return self.torus.advection(vorticity) - self.viscosity * self.torus.laplacian(vorticity)

    def stokes(self, forcing: Tensor) -> Tensor:
        """(−νΔ)⁻¹ g: the flow without inertia."""
        return self.torus.poisson(forcing) / self.viscosity

    def derivative_at(self, vorticity: Tensor) -> Callable[[Tensor], Tensor]:
        """The derivative of `forcing_of` at ω, which maps a change (…, N, N)."""
        inertia = self.torus.advection_at(vorticity)

        def of(change: Tensor) -> Tensor:
            return inertia(change) - self.viscosity * self.torus.laplacian(change)

        return of

    def step(self, vorticity: Tensor, forcing: Tensor, time: float = math.inf) -> Tensor:
        """One step of pseudo-time, explicit in the advection: (1/τ − νΔ)⁻¹(ω/τ + g − u·∇ω), τ = `time`.

        Steady flows are its fixed points, whatever τ > 0. Small τ follow the flow in time, and arrive at stable states
        only. For τ = ∞ it is the Stokes iteration, which arrives where inertia is small.
        """
        rest = forcing - self.torus.advection(vorticity)
        return self.torus.shifted(rest + vorticity / time, 1 / time, self.viscosity)

    def check_forcing(self, forcing: Tensor) -> None:
        """Raise unless it is one that has a steady flow on these points.

        Raises:
            ForcingError: it is of another shape, not finite, has a mean, which would accelerate the flow for ever, or
                waves that these points do not resolve.
        """
        side = self.torus.side
        if forcing.ndim < 2 or forcing.shape[-2:] != (side, side) or not forcing.is_floating_point():
            raise ForcingError(
                f"a forcing has real values at {side} × {side} points, (…, {side}, {side}); "
                f"got {tuple(forcing.shape)}, {forcing.dtype}"
            )
        if not torch.isfinite(forcing).all():
            raise ForcingError("the forcing has entries that are not finite; give numbers at all points")
        size = length(forcing).clamp(min=torch.finfo(forcing.dtype).tiny) / side
        mean = float((forcing.mean(dim=(-2, -1)).abs() / size).max())
        if mean > _MOST_MEAN:
            raise ForcingError(
                f"the forcing has a mean, {mean:.1e} of its size, and nothing holds against it; subtract the mean"
            )
        there = float((self._outermost(forcing) / size.square()).max())
        if there > _MOST_THERE:
            raise ForcingError(
                f"{there:.1e} of the forcing's energy lies in waves that {side} points a side hardly resolve; "
                f"smooth it to {_MOST_THERE:.0e}, or use more points"
            )

    def _outermost(self, forcing: Tensor) -> Tensor:
        """The energy (…) in waves beyond HIGHEST, also in those that are dropped."""
        found = self.torus.coefficients(forcing)
        inside = found * (self.torus.highest <= HIGHEST * self.torus.side)
        rest: Tensor = forcing.square().mean(dim=(-2, -1)) - inside.square().sum(dim=(-2, -1))
        return rest


def length(field: Tensor) -> Tensor:
    """‖f‖ (…) of fields (…, N, N)."""
    found: Tensor = torch.linalg.vector_norm(field, dim=(-2, -1))
    return found
