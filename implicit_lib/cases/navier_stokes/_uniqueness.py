"""When a steady flow is the only one, and where another one leaves it: one matrix tells both."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ._torus import Torus

_REAL = 1e-7
"""An eigenvalue is real if its imaginary part is no larger; two that differ by no more are one that is double."""

_MOST = 10
"""Newton steps for one point of a branch; three do when the points lie close."""

_ON_THE_CURVE = 1e-12
"""What is left of the equation of a branch, beside its distance from ω°."""


def inertia(torus: Torus, vorticity: Tensor) -> Tensor:
    """K(ω) = Δ⁻¹ D(u·∇ω): the derivative of `Flow.forcing_of` at ω is −Δ(ν − K(ω)), whatever the viscosity ν.

    Args:
        torus: the points, in float64.
        vorticity: ω (N, N).

    Returns:
        Its matrix (M, M), M = (N − 1)² − 1, between `Torus.coefficients` without that of the mean. It is linear in ω.
    """
    wide, slope = torus.wide, torus.slope
    waves = torus.squares.clamp(min=1).flatten()
    w = torus.coefficients(vorticity)
    stream = w / waves.view_as(w)

    def by(field: Tensor, along_y: Tensor, along_x: Tensor) -> Tensor:
        """The waves of a field times those of v, of which `along_y` and `along_x` take values or a derivative."""
        over_x = field @ _pairs(wide, along_x)
        over_both = (_pairs(wide, along_y).mT @ over_x).view(*[len(w)] * 4)
        return over_both.transpose(1, 2).reshape(len(waves), len(waves))

    carried = by(slope @ stream @ wide.mT, wide, slope) - by(wide @ stream @ slope.mT, slope, wide)  # u·∇v
    carrying = by(wide @ w @ slope.mT, slope, wide) - by(slope @ w @ wide.mT, wide, slope)  # ∇ω · the velocity of v
    advection = (carried + carrying / waves) / len(wide) ** 2
    return -(advection / waves[:, None])[1:, 1:]


def _pairs(left: Tensor, right: Tensor) -> Tensor:
    """The products of all columns of two matrices, (points, columns²)."""
    return (left[:, :, None] * right[:, None, :]).flatten(1)


def unique_above(torus: Torus, vorticity: Tensor) -> float:
    """ν_E, the largest eigenvalue of the symmetric part of `inertia`: for ν > ν_E no other flow is steady with ω."""
    k = inertia(torus, vorticity)
    return float(torch.linalg.eigvalsh((k + k.mT) / 2)[-1])


def largest_strain(torus: Torus, vorticity: Tensor) -> float:
    """The largest eigenvalue of (∇u + ∇uᵀ)/2 on 3N/2 × 3N/2 points; never less than `unique_above`.

    Cubic terms of resolved waves are integrated exactly by that many points, so that no other points are needed.
    """
    wide, slope, turn = torus.wide, torus.slope, torus.slope.mT
    stream = torus.coefficients(vorticity) / torus.squares.clamp(min=1)
    second = wide.mT @ slope / len(wide)  # the derivative of coefficients
    shear = (slope @ second @ stream @ wide.mT - wide @ stream @ (slope @ second).mT) / 2
    return float((slope @ stream @ turn).hypot(shear).max())


def critical_viscosities(torus: Torus, vorticity: Tensor) -> Tensor:
    """The ν > 0, in descending order, at which the derivative of `Flow.forcing_of` at ω is singular, (C,).

    They are the real positive eigenvalues of `inertia`. Under the forcing that holds ω, other flows are found just
    below the first of them, if it is simple.
    """
    found = torch.linalg.eigvals(inertia(torus, vorticity))
    real: Tensor = found.real[(found.imag.abs() <= _REAL) & (found.real > _REAL)]
    return real.msort().flip(0)


class Crossing(NamedTuple):
    """Where the derivative becomes singular.

    Attributes:
        viscosity: the largest critical viscosity ν_c.
        mode: φ (N, N) with K φ = ν_c φ, of the length of ω.
        steepest: the change of the forcing (N, N), of length 1, along which the flow changes fastest near ν_c.
        adjoint: ψ (N, N) with ψ K = ν_c ψ, and the sum of ψ φ over all points 1.
    """

    viscosity: float
    mode: Tensor
    steepest: Tensor
    adjoint: Tensor


def first_crossing(torus: Torus, vorticity: Tensor) -> Crossing:
    """The largest critical viscosity of ω, with what happens there.

    Raises:
        ValueError: there is none, or it is not simple.
    """
    critical = critical_viscosities(torus, vorticity)
    if not len(critical) or (len(critical) > 1 and critical[0] - critical[1] <= _REAL):
        raise ValueError(
            f"the flow has {'two modes that become' if len(critical) else 'no mode that becomes'} singular first; "
            "choose one with a simple largest critical viscosity"
        )
    k = inertia(torus, vorticity)
    left, _, right = torch.linalg.svd(k - critical[0] * torch.eye(len(k)).to(k))
    mode, adjoint = _field(torus, right[-1]), _field(torus, left[:, -1])
    lead = mode.flatten()[mode.flatten().abs() >= mode.abs().max() / 2][0]  # of two signs, the one with this positive
    mode = mode * (vorticity.norm() / mode.norm() * lead.sign())
    steepest = torus.poisson(adjoint)
    return Crossing(float(critical[0]), mode, steepest / steepest.norm(), adjoint / (adjoint * mode).sum())


class Branch(NamedTuple):
    """Flows that are steady under the forcing that holds another flow ω°, in their order along a curve.

    Attributes:
        viscosity: at which they are (P,).
        vorticity: ω (P, N, N).
    """

    viscosity: Tensor
    vorticity: Tensor


def branch(torus: Torus, vorticity: Tensor, *, step: float, points: int) -> Branch:
    """The flows that leave ω° at its first critical viscosity, under the forcings `Flow(N, ν).forcing_of(ω°)`.

    ω° + d is one for K(ω°) d + K(d) d / 2 = ν d. Newton's method finds (d, ν) on the plane that lies `step` ahead of
    the last point, along the line through the last two: so the curve may turn back in ν.

    Source: pseudo-arclength continuation, Keller 1977; that a curve leaves, Crandall and Rabinowitz 1971.

    Args:
        torus: the points, in float64.
        vorticity: ω° (N, N), with a simple largest critical viscosity.
        step: from point to point, in lengths of ω°; below 0 for the side of −φ, the `Crossing.mode` turned round.
        points: P.

    Raises:
        ValueError: the largest critical viscosity is not simple.
        ArithmeticError: the step is too long for Newton's method.
    """
    at, size = first_crossing(torus, vorticity), torus.coefficients(vorticity).norm()
    k, one = inertia(torus, vorticity), size.new_ones(1)
    last = torch.cat([0 * k[0], at.viscosity * one])
    ahead = torch.cat([torus.coefficients(at.mode).flatten()[1:] / size * (1 if step > 0 else -1), 0 * one])
    found = []
    for _ in range(points):
        here = _corrected(torus, k, size, last + abs(step) * ahead, ahead)
        last, ahead = here, (here - last) / (here - last).norm()
        found.append(here)
    fields = [vorticity + size * _field(torus, here[:-1]) for here in found]
    return Branch(torch.stack(found)[:, -1], torch.stack(fields))


def _corrected(torus: Torus, k: Tensor, size: Tensor, guess: Tensor, ahead: Tensor) -> Tensor:
    """The (d/‖ω°‖, ν) of the branch on the plane through the guess, which is perpendicular to `ahead`."""
    at = guess
    for _ in range(_MOST):
        d, nu = at[:-1], at[-1]
        change = size * inertia(torus, _field(torus, d))
        defect = torch.cat([k @ d + change @ d / 2 - nu * d, (ahead @ (at - guess))[None]])
        if defect.norm() <= _ON_THE_CURVE * d.norm():
            return at
        system = torch.cat([k + change - nu * torch.eye(len(k)).to(k), -d[:, None]], dim=1)
        at = at - torch.linalg.solve(torch.cat([system, ahead[None]]), defect)
    raise ArithmeticError(f"the branch is lost near ν = {float(guess[-1]):.4f}; follow it in shorter steps")


def _field(torus: Torus, coefficients: Tensor) -> Tensor:
    """The field (N, N) of all coefficients but that of the mean."""
    return torus.values(torch.cat([coefficients.new_zeros(1), coefficients]).view_as(torus.squares))
