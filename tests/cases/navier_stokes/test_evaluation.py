"""What a network is measured by, against closed forms and Newton's method."""

from __future__ import annotations

import pytest
import torch

from implicit_lib.cases.navier_stokes import (
    ExplicitFNO,
    Flow,
    FNOSize,
    ImplicitFNO,
    draw,
    iterates,
    newton_krylov,
    quality,
    relative_error,
    sensitivity,
    slope,
    steepest,
)

SIZE = FNOSize(width=4, modes=3, blocks=2)


def some(count: int = 3) -> tuple[Flow, torch.Tensor, torch.Tensor]:
    flow = Flow(32, 0.1)
    vorticity = draw(count, flow, torch.Generator().manual_seed(0))
    return flow, flow.forcing_of(vorticity), vorticity


def test_without_inertia_the_slope_is_one_over_the_viscosity() -> None:
    """The longest wave, |k| = 1, is held back the least: by ν."""
    found, change, _ = steepest(Flow(8, 0.25), torch.zeros(8, 8).double())
    assert found == pytest.approx(4)
    waves = Flow(8, 0.25).torus.coefficients(change).abs() > 1e-9
    assert (Flow(8, 0.25).torus.squares[waves] == 1).all()


def test_the_slope_is_that_of_newtons_flows() -> None:
    flow, forcing, vorticity = some(1)
    found, change, predicted = steepest(flow, vorticity[0])
    assert slope(flow, vorticity[0]) == found
    step = 1e-5 * float(forcing.norm())
    moved = newton_krylov(flow, forcing + step * change, start=vorticity, tol=1e-12).vorticity
    assert float((moved - vorticity).norm()) / step == pytest.approx(found, rel=1e-3)
    assert float(((moved - vorticity) / step - predicted).norm()) < 2e-3 * found
    other = flow.torus.poisson(torch.randn(1, 32, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    there = newton_krylov(flow, forcing + step * other / other.norm(), start=vorticity, tol=1e-12).vorticity
    assert float((there - vorticity).norm()) / step < found
    assert found > 10.5  # steeper than Stokes flow


def test_quality_is_read_off_the_iterates() -> None:
    flow, forcing, known = some(60)
    torch.manual_seed(0)
    model = ImplicitFNO(SIZE, 32).double()
    found = quality(model, flow, forcing, known, at=(5, 1, 3))
    walk = list(iterates(model, forcing, 5))
    for row, t in enumerate((1, 3, 5)):
        errors = relative_error(walk[t - 1][1], known)
        assert found.error[row] == pytest.approx(float(errors.mean()))
        assert found.worst[row] == pytest.approx(float(errors.max()))
        assert found.far[row] == (errors > 0.05).sum() == 60
    h, last = walk[4][0], walk[3][0]
    assert found.step[2] == pytest.approx(float(((h - last).flatten(1).norm(dim=1) / h.flatten(1).norm(dim=1)).max()))
    assert found.imbalance[2] == pytest.approx(float(flow.relative_residual(walk[4][1], forcing).mean()))
    one = quality(ExplicitFNO(SIZE, 32).double(), flow, forcing, known, at=(5, 1))
    assert one.error.shape == (1,) and one.step == 1
    perfect = quality(lambda_of(known), flow, forcing, known)
    assert perfect.error < 1e-15 and perfect.imbalance < 1e-13


def lambda_of(known: torch.Tensor) -> torch.nn.Module:
    """A model that knows the answers, fifty at a time."""
    answers = iter(known.split(50))

    class Oracle(torch.nn.Module):
        def forward(self, forcing: torch.Tensor) -> torch.Tensor:
            return next(answers)

    return Oracle()


def test_sensitivity_is_the_quotient_of_differences() -> None:
    _, forcing, _ = some(2)
    torch.manual_seed(0)
    model = ImplicitFNO(SIZE, 32).double()
    change = 1e-3 * forcing.flip(0)
    found = sensitivity(model, forcing, change[None], 4).value
    there = [w for _, w in iterates(model, forcing + change, 4)]
    here = [w for _, w in iterates(model, forcing, 4)]
    moved = torch.stack(there) - torch.stack(here)
    quotients = moved.flatten(2).norm(dim=2) / change.flatten(1).norm(dim=1)
    torch.testing.assert_close(found, quotients.amax(dim=1), rtol=1e-6, atol=0)
