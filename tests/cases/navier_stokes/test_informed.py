"""The operator that knows the equation: what training cannot spoil, and what breaks without its parts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from implicit_lib.cases.navier_stokes import (
    Flow,
    FNOSize,
    ImplicitInformed,
    InformedOperator,
    InformedSize,
    draw,
    newton_krylov,
    relative_error,
    walked,
)
from implicit_lib.cases.navier_stokes._steady import combined

FLOW = Flow(32, 0.1)
NETWORK = FNOSize(width=4, modes=3, blocks=2)


def wild(krylov: int = 2, seed: int = 0) -> InformedOperator:
    """An operator whose proposals are large and random, in float64."""
    torch.manual_seed(seed)
    operator = InformedOperator(InformedSize(network=NETWORK, krylov=krylov), FLOW)
    assert operator.proposal is not None
    with torch.no_grad():
        operator.proposal.project.weight.mul_(20)
    return exact(operator)


def exact(operator: InformedOperator) -> InformedOperator:
    """In float64, the equation not rounded to float32 before."""
    operator = operator.double()
    operator.flow = Flow(32, 0.1)
    return operator


def steady(count: int = 4) -> tuple[Tensor, Tensor]:
    vorticity = draw(count, FLOW, torch.Generator().manual_seed(5))
    return vorticity, FLOW.forcing_of(vorticity)


def test_steady_flows_are_fixed_points_whatever_the_weights() -> None:
    vorticity, forcing = steady()
    for seed in range(3):
        moved = wild(seed=seed)(vorticity, forcing)
        assert relative_error(moved, vorticity).max() < 1e-12


def test_a_proposal_never_increases_what_is_missing() -> None:
    vorticity, forcing = steady(8)
    operator, harmful = wild(krylov=0), 0
    for scale in (0.0, 0.5, 1.0, 1.5):
        before = operator.missing(scale * vorticity, forcing)
        after = operator.missing(operator.advance(scale * vorticity, forcing, far=0.0), forcing)
        step, _ = operator.propose(scale * vorticity, before)
        whole = operator.missing(scale * vorticity + step, forcing)
        sizes = [each.flatten(1).norm(dim=1) for each in (before, after, whole)]
        assert (sizes[1] <= sizes[0] * (1 + 1e-12) + 1e-12).all()
        harmful += int((sizes[2] > sizes[0] + 1e-9).sum())
    assert harmful > 8  # taken whole, many of them would


def test_near_a_flow_nothing_is_proposed() -> None:
    vorticity, forcing = steady()
    operator = wild(krylov=0)
    torch.testing.assert_close(operator(0.98 * vorticity, forcing), 0.98 * vorticity, rtol=0, atol=0)
    assert (operator.advance(0.98 * vorticity, forcing, far=0.0) != 0.98 * vorticity).any()


def test_what_is_missing_after_a_share_is_known_exactly() -> None:
    vorticity, forcing = steady()
    operator = wild()
    missing = operator.missing(0.5 * vorticity, forcing)
    step, bent = operator.propose(0.5 * vorticity, missing)
    bend = FLOW.stokes(FLOW.torus.advection(step))
    for share in (0.25, 1.0):
        there = operator.missing(0.5 * vorticity + share * step, forcing)
        torch.testing.assert_close(there, missing - share * (step + bent) - share**2 * bend, rtol=0, atol=1e-11)


def test_without_a_network_it_is_newtons_method() -> None:
    vorticity, forcing = steady()
    model = ImplicitInformed(InformedSize(network=None, krylov=10), FLOW)
    exact(model.informed)
    w = list(walked(model, forcing, 7))[-1][0]
    known = newton_krylov(FLOW, forcing, tol=0.0, most=7).vorticity
    torch.testing.assert_close(w, known, rtol=0, atol=1e-9)
    with pytest.raises(ValueError, match="proposes nothing: its size has no network"):
        model.informed.propose(vorticity, forcing)


def test_the_library_solves_it() -> None:
    vorticity, forcing = steady()
    model = ImplicitInformed(InformedSize(network=None, krylov=10), FLOW)
    with torch.no_grad():
        found = model.solve(forcing.float())
    assert found.converged.all()
    assert relative_error(found.value.double(), vorticity).median() < 1e-4


def test_combined_is_least_squares_in_the_krylov_space() -> None:
    generator = torch.Generator().manual_seed(0)
    A = torch.eye(16, dtype=torch.float64) + 0.3 * torch.randn(16, 16, generator=generator, dtype=torch.float64)
    b = torch.randn(3, 4, 4, generator=generator, dtype=torch.float64)

    def system(v: Tensor) -> Tensor:
        return (v.flatten(1) @ A.T).view_as(v)

    found = combined(system, b, 5)
    for i in range(3):
        powers = [b[i].flatten()]
        for _ in range(4):
            powers.append(A @ powers[-1])
        basis = torch.stack(powers, dim=1)
        known = basis @ torch.linalg.lstsq(A @ basis, b[i].flatten()).solution
        torch.testing.assert_close(found[i].flatten(), known, rtol=0, atol=1e-9)
    torch.testing.assert_close(system(combined(system, b, 16)), b, rtol=0, atol=1e-8)
    assert not combined(system, 0 * b, 3).any()


def test_starts_are_admitted_without_what_the_equation_does_not_see() -> None:
    """A mean, or the wave of two points, would stay for ever."""
    vorticity, forcing = steady(2)
    comb = torch.ones(32).double()
    comb[1::2] = -1
    found = newton_krylov(FLOW, forcing, start=vorticity + 0.1 + 0.1 * comb, tol=1e-10)
    assert found.arrived.all() and relative_error(found.vorticity, vorticity).max() < 1e-8
