"""What the figures show, against the models themselves and closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from implicit_lib.cases.navier_stokes import (
    ARROWS,
    PICTURE,
    ExplicitFNO,
    Flow,
    FNOSize,
    ImplicitFNO,
    ImplicitInformed,
    InformedSize,
    directions,
    draw,
    flops,
    iterates,
    relative_error,
    sensitivity,
    speed_limit,
    steepness,
    walked,
    walks,
)
from implicit_lib.lipschitz import local_lipschitz

SIZE = FNOSize(width=4, modes=3, blocks=2)
FLOW = Flow(32, 0.1)


@pytest.fixture
def models() -> tuple[ImplicitFNO, ImplicitInformed, ExplicitFNO]:
    torch.manual_seed(0)
    informed = ImplicitInformed(InformedSize(network=SIZE, krylov=2), FLOW)
    return ImplicitFNO(SIZE, 32), informed, ExplicitFNO(SIZE, 32)


def flows(count: int = 3) -> Tensor:
    return draw(count, FLOW, torch.Generator().manual_seed(1))


def numbers(*values: float) -> tuple[Tensor, ...]:
    return tuple(torch.tensor(value) for value in values)


@torch.no_grad()
def test_the_walks_are_those_of_the_models(models: tuple[ImplicitFNO, ImplicitInformed, ExplicitFNO]) -> None:
    model, informed, rival = models
    vorticity = flows()
    parts = walks(model, informed, rival, vorticity)
    q = parts.encode(*numbers(1.0, 0.8, 0.0, 2.0))
    known = 0.8 * vorticity[1:2]
    forcing = FLOW.forcing_of(known).float()
    torch.testing.assert_close(q[1], forcing, rtol=0, atol=1e-5)
    z = last = parts.start
    for _ in range(3):
        last, z = z, parts.step(z, *q)
    seen = parts.view(z, last, *q)
    h, w = (list(walked(each, forcing, 3))[-1][1] for each in (model, informed))
    for name, vorticity in (("implicit", h), ("informed", w), ("one pass", rival(forcing))):
        error, missed = (
            relative_error(vorticity.double(), known),
            FLOW.relative_residual(vorticity.double(), forcing.double()),
        )
        assert float(seen[f"{name} error"]) == pytest.approx(float(error), rel=1e-3)
        assert float(seen[f"{name} imbalance"]) == pytest.approx(float(missed), rel=1e-3)
    assert float(seen["fastest"]) == pytest.approx(0.8, rel=0.02)
    assert all(value.shape == (3 * PICTURE**2,) for value in seen.values() if len(value.shape) and len(value) > 1000)


@torch.no_grad()
def test_the_eddy_is_round_of_its_size_and_where_it_is_put(
    models: tuple[ImplicitFNO, ImplicitInformed, ExplicitFNO],
) -> None:
    parts = walks(*models, flows())
    place, at = 2.0, 2 * math.pi / 32 * torch.arange(32)
    _, _, eddy, _ = parts.encode(*numbers(0.0, 0.0, 1.5, place))
    row, column = eddy[0].amax(dim=1).argmax(), eddy[0].amax(dim=0).argmax()
    assert abs(float(at[row]) - math.pi) < 0.1 and abs(float(at[column]) - place) < 0.1
    far = torch.exp(-((at[None] - place) ** 2 + (at[:, None] - math.pi) ** 2) / (2 * 0.5**2))
    shape = eddy[0] - eddy[0].min()
    torch.testing.assert_close(shape / shape.max(), far, rtol=0, atol=0.02)
    assert abs(float(eddy.mean())) < 1e-6 and float(eddy.max()) == pytest.approx(1.5, rel=0.06)


@torch.no_grad()
def test_pictures_and_arrows(models: tuple[ImplicitFNO, ImplicitInformed, ExplicitFNO]) -> None:
    """A shear flow u = (sin y, 0): vorticity −cos y, blue at the bottom and the top."""
    y = 2 * math.pi / 32 * torch.arange(32).double()
    parts = walks(*models, (-y.cos())[None, :, None].expand(1, 32, 32))
    q = parts.encode(*numbers(0.0, 1.0, 0.0, 0.0))
    seen = parts.view(parts.start, parts.start, *q)
    red, _, blue = seen["flow"].view(3, PICTURE, PICTURE)
    middle, edge = PICTURE // 2 - 1, PICTURE - 1  # rows run downwards, so that the last is y = 0
    assert (red[middle] > blue[middle]).all() and (blue[edge] > red[edge]).all()
    x, up = (seen[f"flow arrows {axis}"].view(ARROWS, ARROWS, 3) for axis in "xy")
    heights = 2 * math.pi / ARROWS * torch.arange(ARROWS)
    torch.testing.assert_close(x[:, 3, 1] - x[:, 3, 0], 1.5 * 2 * math.pi / ARROWS * heights.sin(), rtol=0, atol=1e-5)
    torch.testing.assert_close(up[:, 5, 1], heights, rtol=0, atol=1e-5)
    assert x[:, :, 2].isnan().all()


@torch.no_grad()
def test_steepness_is_the_quotient_of_two_walks(models: tuple[ImplicitFNO, ImplicitInformed, ExplicitFNO]) -> None:
    model, vorticity = models[0], flows(2)
    along = [directions(FLOW, each) for each in vorticity]
    parts = steepness(model, FLOW, vorticity, along)
    q = parts.encode(*numbers(1.0, 2.0, -1.0))
    z = parts.start
    for _ in range(4):
        z = parts.step(z, *q)
    seen = parts.view(z, z, *q)
    forcing = FLOW.forcing_of(vorticity[1:]).float()
    change = 0.1 * forcing.norm() * along[1].change[2:3].float()
    found = sensitivity(model, forcing, change[None], 4).value[-1]
    assert float(seen["L"]) == pytest.approx(float(found), rel=1e-3)
    sine = torch.sin(2 * 2 * math.pi / 32 * torch.arange(32).double()).expand(32, 32)
    slope = float(sine.norm() / FLOW.derivative_at(vorticity[1])(sine).norm())
    assert float(seen["slope"]) == pytest.approx(slope, rel=1e-5)
    assert all(torch.allclose(each.change.flatten(1).norm(dim=1), torch.ones(3).double()) for each in along)


def test_the_speed_limit_holds_and_is_the_product_of_norms(
    models: tuple[ImplicitFNO, ImplicitInformed, ExplicitFNO],
) -> None:
    model, forcing = models[0], FLOW.forcing_of(flows(2)).float()
    limit = speed_limit(model, forcing, 3)

    def outputs(g: Tensor) -> list[Tensor]:
        q = model.encoder(g)
        h, found = torch.zeros_like(q), []
        for _ in range(3):
            h = torch.lerp(h, model.blocks(h, q), 0.5)
            found.append(model.decoder(h))
        return found

    slopes = local_lipschitz(outputs, forcing, iterations=20).value.amax(dim=1)
    assert (slopes <= limit.envelope * (1 + 1e-3)).all()
    assert limit.envelope[0] < 4 * slopes[0]
    torch.testing.assert_close(outputs(forcing)[2], list(iterates(model, forcing, 3))[2][1])


def test_flops_are_those_of_the_products() -> None:
    a = torch.zeros(3, 4)
    assert flops(lambda: a @ a.T) == 2 * 3 * 4 * 3
