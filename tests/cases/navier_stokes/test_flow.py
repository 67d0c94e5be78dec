"""Steady flows against known ones: Taylor and Green, Kolmogorov, an analytic stream function; and forcings refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from implicit_lib.cases.navier_stokes import Flow, ForcingError, draw, newton_krylov, pseudo_time
from tests.cases.navier_stokes.test_torus import points


def distance(found: Tensor, known: Tensor) -> float:
    """The largest relative one."""
    return float(((found - known).flatten(1).norm(dim=1) / known.flatten(1).norm(dim=1)).max())


def some(count: int = 3, seed: int = 0) -> tuple[Flow, Tensor]:
    flow = Flow(32, 0.1)
    return flow, draw(count, flow, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("side", [8, 16])
def test_eddies_of_taylor_and_green_and_the_flow_of_kolmogorov(side: int) -> None:
    """In both, vorticity is constant along streamlines: advection vanishes, and g = −νΔω."""
    x, y = points(side)
    flow, known = Flow(side, 0.3), torch.stack([2 * torch.cos(x) * torch.cos(y), torch.cos(2 * y)])
    forcing = torch.stack([0.6 * known[0], 1.2 * known[1]])
    assert flow.relative_residual(known, forcing).max() < 1e-13
    for solver in (newton_krylov, pseudo_time):
        found = solver(flow, forcing)
        assert found.arrived.all() and distance(found.vorticity, known) < 1e-6, solver
    assert (flow.relative_residual(1.01 * known, forcing) > 5e-3).all()


def analytic(side: int) -> tuple[Tensor, Tensor]:
    """ω and g at viscosity 0.4 for ψ = exp(sin x + cos y) / 4, whose waves never end; differentiated by torch."""
    place = torch.stack(points(side)).requires_grad_(True)

    def along(f: Tensor) -> tuple[Tensor, Tensor]:
        (slopes,) = torch.autograd.grad(f.sum(), place, create_graph=True)
        return slopes[0], slopes[1]

    def laplacian(f: Tensor) -> Tensor:
        by_x, by_y = along(f)
        return along(by_x)[0] + along(by_y)[1]

    stream = torch.exp(torch.sin(place[0]) + torch.cos(place[1])) / 4
    vorticity = -laplacian(stream)
    (v, u), (by_x, by_y) = along(stream), along(vorticity)
    forcing = u * by_x - v * by_y - 0.4 * laplacian(vorticity)
    return vorticity.detach(), forcing.detach()


def test_errors_fall_at_the_spectral_rate() -> None:
    errors = {}
    for side in (16, 20, 24, 28):
        vorticity, forcing = analytic(side)
        flow = Flow(side, 0.4)
        found = newton_krylov(flow, (forcing - forcing.mean())[None], tol=1e-11)
        assert found.arrived.all()
        errors[side] = distance(found.vorticity, vorticity[None])
    rates = [math.log(errors[a] / errors[b]) / (b - a) for a, b in ((16, 20), (20, 24), (24, 28))]
    assert min(rates) > 0.7 and errors[28] < 1e-7, errors  # e^(−0.7 N) or faster: no power of N


def test_newton_finds_manufactured_flows_again_and_pseudo_time_agrees() -> None:
    flow, vorticity = some()
    forcing = flow.forcing_of(vorticity)
    newton = newton_krylov(flow, forcing, tol=1e-10)
    assert newton.arrived.all() and distance(newton.vorticity, vorticity) < 1e-6
    assert torch.allclose(newton.residual, flow.relative_residual(newton.vorticity, forcing))
    slow = pseudo_time(flow, forcing)
    assert distance(slow.vorticity[slow.arrived], vorticity[slow.arrived]) < 1e-4 and slow.arrived.any()
    near = newton_krylov(flow, forcing, start=vorticity * 1.01, tol=1e-10)
    assert near.arrived.all() and (near.iterations < newton.iterations).all()


def test_inertia_matters() -> None:
    flow, vorticity = some()
    assert distance(flow.stokes(flow.forcing_of(vorticity)), vorticity) > 0.5


def test_what_is_not_reached_is_said() -> None:
    thin = Flow(32, 0.004)
    vorticity = draw(1, thin, torch.Generator().manual_seed(1))
    for solver in (newton_krylov, pseudo_time):
        found = solver(thin, thin.forcing_of(vorticity))
        assert not found.arrived.any() and not (found.residual < 1e-6).any(), solver


@pytest.mark.parametrize("time", [0.01, 1.0, math.inf])
def test_steady_flows_are_the_fixed_points_of_a_step(time: float) -> None:
    flow, vorticity = some()
    forcing = flow.forcing_of(vorticity)
    assert distance(flow.step(vorticity, forcing, time), vorticity) < 1e-12
    assert distance(flow.step(1.1 * vorticity, forcing, time), 1.1 * vorticity) > 1e-4


def test_the_same_flow_on_finer_points() -> None:
    flow, vorticity = some()
    finer = Flow(64, 0.1)
    again = draw(3, finer, torch.Generator().manual_seed(0))
    torch.testing.assert_close(again[:, ::2, ::2], vorticity, rtol=0, atol=1e-12)
    torch.testing.assert_close(finer.forcing_of(again)[:, ::2, ::2], flow.forcing_of(vorticity), rtol=0, atol=1e-11)


def wave(side: int, k: int) -> Tensor:
    return torch.cos(k * points(side)[0])[None]


@pytest.mark.parametrize(
    ("forcing", "message"),
    [
        (wave(32, 1)[:, :16], "at 32 × 32 points"),
        (wave(32, 1).long(), "torch.int64"),
        (torch.zeros(32), "at 32 × 32 points"),
        (wave(32, 1).index_fill(2, torch.tensor([3]), torch.nan), "not finite"),
        (wave(32, 1) / torch.zeros(1, 32, 1).double(), "not finite"),
        (wave(32, 1) + 0.1, "subtract the mean"),
        (wave(32, 1) + 0.1 * wave(32, 15), "hardly resolve"),
        (wave(32, 1) + 0.1 * wave(32, 16), "hardly resolve"),
        (torch.randn(2, 32, 32, generator=torch.Generator().manual_seed(0)).double(), "mean"),
    ],
)
def test_forcings_are_refused_with_the_reason(forcing: Tensor, message: str) -> None:
    flow = Flow(32, 0.1)
    flow.check_forcing(wave(32, 1) + 0.001 * wave(32, 15))
    for enter in (flow.check_forcing, lambda g: newton_krylov(flow, g), lambda g: pseudo_time(flow, g)):
        with pytest.raises(ForcingError, match=message):
            enter(forcing)


@pytest.mark.parametrize("viscosity", [0.0, -1.0, math.nan, math.inf])
def test_other_viscosities_are_refused(viscosity: float) -> None:
    with pytest.raises(ValueError, match="viscosity"):
        Flow(16, viscosity)


def test_the_derivative_is_exact() -> None:
    flow, vorticity = some(2)
    change = some(2, seed=1)[1]

    made = torch.func.jvp(flow.forcing_of, (vorticity,), (change,))[1]
    assert distance(flow.derivative_at(vorticity)(change), made) < 1e-12
    assert distance(flow.derivative_at(2 * vorticity)(change), made) > 1e-2


def test_newton_converges_from_nearby_and_leaves_no_other_waves() -> None:
    flow, vorticity = some(2)
    forcing = flow.forcing_of(vorticity)
    errors = [
        distance(newton_krylov(flow, forcing, start=1.2 * vorticity, most=k).vorticity, vorticity) for k in range(6)
    ]
    assert errors[0] == pytest.approx(0.2) and errors[-1] < 1e-5
    assert all(later < 0.5 * now for now, later in zip(errors, errors[1:], strict=False) if now > 1e-8)
    found = newton_krylov(flow, forcing, tol=1e-12).vorticity
    torch.testing.assert_close(flow.torus.resolved(found), found, rtol=0, atol=1e-12)


def test_without_a_forcing_nothing_flows() -> None:
    found = newton_krylov(Flow(16, 0.1), torch.zeros(2, 16, 16).double())
    assert found.arrived.all() and (found.vorticity == 0).all() and (found.iterations == 0).all()
