"""The two walks of the viscosity figure against the equation, the network itself, and differences."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from implicit_lib.cases.navier_stokes import (
    Flow,
    FNOSize,
    Held,
    ImplicitFNO,
    Torus,
    Walks,
    first_crossing,
    iterates,
    slope,
    viscosity_parts,
)
from tests.cases.navier_stokes.test_uniqueness import two_waves

SIDE, STEPS = 16, 5


@pytest.fixture(scope="module")
def figure() -> tuple[ImplicitFNO, Held, Walks]:
    torch.manual_seed(0)
    network, vorticity = ImplicitFNO(FNOSize(width=4, modes=3, blocks=2), SIDE), two_waves(SIDE)
    at = first_crossing(Torus(SIDE), vorticity)
    rows = (vorticity, at.mode, at.adjoint, at.steepest)
    held = Held(*(torch.stack([0.5 * each, each]) for each in rows))  # the second is asked for
    curve = torch.tensor([[1.0], [2.0]]).double()
    return network, held, viscosity_parts(network, held, {"curve": curve})


@torch.no_grad()
def walked(parts: Walks, nu: float, start: float, iterations: int) -> dict[str, Tensor]:
    posed = parts.encode(*(torch.tensor(value, dtype=torch.float64) for value in (nu, 1, start)))
    z = parts.start
    for _ in range(iterations):
        z = parts.step(z, *posed)
    seen: dict[str, Tensor] = parts.view(z, z, *posed)
    return seen


def test_the_walk_is_that_of_the_equation(figure: tuple[ImplicitFNO, Held, Walks]) -> None:
    _, held, parts = figure
    torus, flow, known = Torus(SIDE), Flow(SIDE, 0.16), held.vorticity[1]
    forcing, y = flow.forcing_of(known), known + 0.3 * held.mode[1]
    for _ in range(2 * STEPS):
        y = y + torus.poisson(flow.residual(y, forcing))
    seen = walked(parts, 0.16, 0.3, 2)
    assert seen["walk distance"] == pytest.approx(float((y - known).norm() / known.norm()), rel=1e-9)
    assert seen["walk amplitude"][1] == pytest.approx(float((held.adjoint[1] * (y - known)).sum()), rel=1e-9)
    assert seen["residual"] == pytest.approx(float(flow.relative_residual(y, forcing)), rel=1e-9)
    assert seen["curve"] == 2 and seen["reynolds"] == pytest.approx(6.25)
    assert walked(parts, 0.16, 0.3, 0)["walk amplitude"].tolist() == pytest.approx([-2, 0.3])


def test_at_the_held_flow_the_slope_of_the_walk_becomes_that_of_the_solution_map(
    figure: tuple[ImplicitFNO, Held, Walks],
) -> None:
    _, held, parts = figure
    nu = first_crossing(Torus(SIDE), held.vorticity[1]).viscosity + 0.01
    seen = walked(parts, nu, 0.0, 400)
    assert seen["walk distance"] < 1e-12
    assert seen["walk slope"] == pytest.approx(slope(Flow(SIDE, nu), held.vorticity[1]), rel=0.02)
    assert seen["walk slope"] > 3 * walked(parts, nu, 0.0, 2)["walk slope"]


def test_the_network_answers_at_any_viscosity_by_scaling(figure: tuple[ImplicitFNO, Held, Walks]) -> None:
    """Also its slope: that of differences of the walk of the library."""
    network, held, parts = figure
    forcing, known = Flow(SIDE, 0.05).forcing_of(held.vorticity[1]), held.vorticity[1]

    exact = copy.deepcopy(network).double()

    def answer(g: Tensor) -> Tensor:
        return Torus(SIDE).resolved([w for _, w in iterates(exact, 4 * g[None], 3)][-1][0] / 2)

    seen = walked(parts, 0.05, 0.0, 3)
    found = answer(forcing)
    assert seen["network distance"] == pytest.approx(float((found - known).norm() / known.norm()), rel=1e-5)
    assert seen["apart"] == pytest.approx(float(seen["network distance"]), rel=1e-6)
    change = 1e-4 * held.direction[1] * SIDE
    moved = (answer(forcing + change) - answer(forcing - change)).norm() / (2 * change.norm())
    assert seen["network slope"] == pytest.approx(float(moved), rel=1e-4)


def test_pictures_are_red_where_the_flow_turns_left(figure: tuple[ImplicitFNO, Held, Walks]) -> None:
    _, held, parts = figure
    red, _, blue = walked(parts, 0.16, 0.0, 0)["held"].view(3, SIDE, SIDE).flip(1)
    field = held.vorticity[1]
    assert (red > blue)[field > 0.1].all() and (blue > red)[field < -0.1].all()
