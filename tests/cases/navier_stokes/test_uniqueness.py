"""The matrix K, the viscosities it tells, and branches: against differences, SciPy, and flows found otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.linalg import eig
from scipy.sparse.linalg import LinearOperator, eigs
from torch import Tensor

from implicit_lib.cases.navier_stokes import (
    Flow,
    Torus,
    branch,
    critical_viscosities,
    draw,
    first_crossing,
    held_out_flows,
    inertia,
    largest_strain,
    newton_krylov,
    resampled,
    unique_above,
)
from tests.cases.navier_stokes.test_torus import points, rough

SIDE = 16
Array = NDArray[Any]


def two_waves(side: int = SIDE) -> Tensor:
    """Of largest velocity 1."""
    x, y = points(side)
    field = torch.cos(2 * x) + torch.sin(x + y) / 2
    return field / Torus(side).velocity(field).square().sum(dim=0).max().sqrt()


def told(torus: Torus, field: Tensor) -> Tensor:
    return torus.coefficients(field).flatten(-2)[..., 1:]


@pytest.mark.parametrize("side", [8, 12])
def test_inertia_is_the_derivative(side: int) -> None:
    torus, (vorticity, change, _) = Torus(side), rough(side)
    vorticity, change = vorticity - vorticity.mean(), change - change.mean()
    flow = Flow(side, 0.3)
    differences = (flow.forcing_of(vorticity + 1e-5 * change) - flow.forcing_of(vorticity - 1e-5 * change)) / 2e-5
    derived = 0.3 * change - torus.values(
        torch.cat([torch.zeros(1).double(), inertia(torus, vorticity) @ told(torus, change)]).view_as(torus.squares)
    )
    torch.testing.assert_close(-torus.laplacian(derived), differences, rtol=0, atol=1e-8)


def by_fourier_transforms(vorticity: Tensor) -> LinearOperator:
    """v ↦ Δ⁻¹(u·∇v + w·∇ω), w the velocity of v: by NumPy's FFT on 64 × 64 points, all waves of 16 × 16 kept."""
    fine, n = 64, len(vorticity)
    k = np.fft.fftfreq(fine, 1 / fine)
    kx, ky = k[None, :], k[:, None]
    squares = kx**2 + ky**2
    inverse = np.where(squares > 0, 1 / np.maximum(squares, 1), 0)
    kept = (np.abs(kx) < n / 2) & (np.abs(ky) < n / 2)

    def gradient(hat: Array) -> tuple[Array, Array]:
        return np.fft.ifft2(1j * kx * hat).real, np.fft.ifft2(1j * ky * hat).real

    def carried(carrier: Array, hat: Array) -> Array:
        by_x, by_y = gradient(inverse * carrier)
        along_x, along_y = gradient(hat)
        product: Array = by_y * along_x - by_x * along_y
        return product

    whole = np.fft.fft2(resampled(vorticity, fine).numpy())

    def apply(v: Array) -> Array:
        hat = np.fft.fft2(v.reshape(fine, fine)) * kept
        advection = np.fft.fft2(carried(whole, hat) + carried(hat, whole))
        found: Array = np.fft.ifft2(-inverse * kept * advection).real.ravel()
        return found

    return LinearOperator((fine**2, fine**2), matvec=apply, dtype=float)


def test_critical_viscosities_of_an_operator_assembled_otherwise() -> None:
    vorticity = two_waves()
    start = np.random.default_rng(0).standard_normal(64**2)
    found = eigs(by_fourier_transforms(vorticity), k=2, which="LR", v0=start, return_eigenvectors=False, ncv=60)
    assert critical_viscosities(Torus(SIDE), vorticity)[0] == pytest.approx(found.real.max(), abs=1e-9)


def test_the_flow_of_kolmogorov_loses_its_hold_where_the_matrix_of_one_wave_does() -> None:
    """ω° = 2 cos 2y, u = (−sin 2y, 0): modes e^{ix}(a e^{iy} + b e^{−iy} + …) decouple, here entry by entry."""
    side, waves = 16, np.arange(-7, 8)
    _, y = points(side)
    matrix = np.zeros((15, 15), dtype=complex)
    for i, m in enumerate(waves):
        for sign in (1, -1):  # −sin 2y = (e^{−2iy} − e^{2iy}) / 2i, and ω_y = −4 sin 2y
            j = i - 2 * sign
            if 0 <= j < 15:
                here, there = 1 + m**2, 1 + waves[j] ** 2
                u = -sign / 2j
                matrix[i, j] = -(1j * u * (1 - 4 / there)) / here
    known = max(eig(matrix, right=False).real)
    assert critical_viscosities(Torus(side), 2 * torch.cos(2 * y))[0] == pytest.approx(known, abs=1e-9)


def test_strain_and_energy_bound_each_other() -> None:
    torus, flow = Torus(32), Flow(32, 0.1)
    x, y = points(32)
    shear = torch.cos(2 * y)  # u = (sin 2y / 2, 0) up to sign: the strain is |cos 2y| / 2
    assert largest_strain(torus, shear) == pytest.approx(0.5, abs=1e-12)
    assert largest_strain(torus, torch.cos(x) * torch.cos(y)) == pytest.approx(0.5, abs=1e-12)  # ψ_xy = sin sin / 2
    for vorticity in draw(3, flow, torch.Generator().manual_seed(0)):
        critical = critical_viscosities(torus, vorticity)
        assert critical[0] < unique_above(torus, vorticity) < largest_strain(torus, vorticity)


def test_other_flows_are_no_farther_than_the_energy_bound_allows() -> None:
    """And the bound with half the viscosity is broken by one of the samples."""
    torus, vorticity = Torus(SIDE), two_waves()
    flow = Flow(SIDE, 1.05 * unique_above(torus, vorticity))
    gap = flow.viscosity - unique_above(torus, vorticity)
    others = 0.5 * rough(SIDE, seed=4)
    others = others - others.mean(dim=(1, 2), keepdim=True)
    others = torch.cat([torus.poisson(others), vorticity + 0.3 * first_crossing(torus, vorticity).mode[None]])
    moved = (others - vorticity).flatten(1).norm(dim=1)
    driven = torus.poisson(flow.forcing_of(others) - flow.forcing_of(vorticity)).flatten(1).norm(dim=1)
    assert (moved <= driven / gap).all()
    assert (moved > driven / (10 * gap)).any()


def test_the_first_crossing() -> None:
    torus, vorticity = Torus(SIDE), two_waves()
    at = first_crossing(torus, vorticity)
    flow = Flow(SIDE, at.viscosity)
    assert flow.derivative_at(vorticity)(at.mode).norm() < 1e-12
    assert at.mode.norm() == pytest.approx(float(vorticity.norm()))
    assert (at.adjoint * at.mode).sum() == pytest.approx(1)
    reached = flow.derivative_at(vorticity)(rough(SIDE))
    assert (reached * at.steepest).sum(dim=(1, 2)).abs().max() < 1e-11


def test_a_double_crossing_and_none_are_refused() -> None:
    x, y = points(SIDE)
    with pytest.raises(ValueError, match="two modes"):
        first_crossing(Torus(SIDE), torch.cos(2 * y))
    with pytest.raises(ValueError, match="no mode"):
        first_crossing(Torus(SIDE), torch.cos(x))


@pytest.mark.parametrize("step", [0.04, -0.04])
def test_a_branch_is_steady_and_newton_finds_it(step: float) -> None:
    torus, vorticity = Torus(SIDE), two_waves()
    found = branch(torus, vorticity, step=step, points=6)
    adjoint = first_crossing(torus, vorticity).adjoint
    assert (step * (adjoint * (found.vorticity - vorticity)).sum(dim=(1, 2)) > 0).all()
    for viscosity, field in zip(found.viscosity, found.vorticity, strict=True):
        flow = Flow(SIDE, float(viscosity))
        forcing = flow.forcing_of(vorticity)
        assert flow.relative_residual(field, forcing) < 1e-12
    again = newton_krylov(flow, forcing[None], start=1.05 * field[None], tol=1e-12)
    torch.testing.assert_close(again.vorticity[0], field, rtol=0, atol=1e-8)


def test_a_branch_turns_back() -> None:
    vorticity = resampled(held_out_flows().vorticity[1], SIDE)
    viscosity = branch(Torus(SIDE), vorticity, step=0.04, points=9).viscosity
    top = int(viscosity.argmax())
    assert 0 < top < 8 and (viscosity[: top + 1].diff() > 0).all() and (viscosity[top:].diff() < 0).all()


def test_too_long_a_step_is_told() -> None:
    with pytest.raises(ArithmeticError, match="shorter steps"):
        branch(Torus(SIDE), resampled(held_out_flows().vorticity[1], SIDE), step=-0.04, points=9)


def test_resampled_fields_are_the_same_function() -> None:
    x, y = points(12)
    fine_x, fine_y = points(20)
    here = torch.sin(3 * x) * torch.cos(2 * y) + 0.5
    there = torch.sin(3 * fine_x) * torch.cos(2 * fine_y) + 0.5
    torch.testing.assert_close(resampled(here, 20), there, rtol=0, atol=1e-13)
    torch.testing.assert_close(resampled(there, 12), here, rtol=0, atol=1e-13)
