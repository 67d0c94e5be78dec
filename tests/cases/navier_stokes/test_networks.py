"""The Fourier neural operators: symmetries, sizes, a true fixed point, gradients, other devices, the page."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from implicit_lib import Picard
from implicit_lib.cases.navier_stokes import ExplicitFNO, FNOSize, ImplicitFNO, Torus, parameter_count
from implicit_lib.explore._onnx import Exports

SMALL, SIDE = FNOSize(width=6, modes=3, blocks=2), 16
MODELS = [ExplicitFNO, ImplicitFNO]


def made(kind: type[ExplicitFNO | ImplicitFNO], side: int = SIDE) -> ExplicitFNO | ImplicitFNO:
    torch.manual_seed(0)
    return kind(SMALL, side)


def forcings(side: int = SIDE) -> Tensor:
    """Of low waves, the same on any number of points."""
    coefficients = torch.randn(2, 5, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    rest = side - 1 - 5
    return 0.3 * Torus(side).values(nn.functional.pad(coefficients, (0, rest, 0, rest))).float()


@pytest.mark.parametrize("kind", MODELS)
def test_flows_move_with_their_forcing_and_have_no_mean(kind: type[ExplicitFNO | ImplicitFNO]) -> None:
    model, forcing = made(kind), forcings()
    with torch.no_grad():
        vorticity = model(forcing)
        moved = model(forcing.roll((2, -3), dims=(1, 2)))
    torch.testing.assert_close(moved, vorticity.roll((2, -3), dims=(1, 2)), rtol=0, atol=1e-4)
    assert vorticity.shape == forcing.shape and vorticity.mean(dim=(1, 2)).abs().max() < 1e-6
    assert vorticity.std() > 1e-3


@pytest.mark.parametrize("kind", MODELS)
def test_weights_of_one_resolution_work_on_another(kind: type[ExplicitFNO | ImplicitFNO]) -> None:
    """GELU makes waves that the coarser points do not resolve, so that the two agree closely, not exactly."""
    coarse, fine = made(kind), made(kind, 2 * SIDE)
    fine.load_state_dict(coarse.state_dict())
    with torch.no_grad():
        there, here = fine(forcings(2 * SIDE))[:, ::2, ::2], coarse(forcings())
    assert (there - here).norm() < 0.02 * here.norm()


def test_parameter_counts() -> None:
    size = FNOSize(width=5, modes=3, blocks=4)
    block = 2 * 7 * 4 * 5 * 5 + (5 * 5 + 5) + 5 * 5
    around = (2 * 5 + 5) + (5 * 10 + 10) + (10 + 1)
    assert parameter_count(ExplicitFNO(size, 8)) == parameter_count(ImplicitFNO(size, 8)) == 4 * block + around


def test_the_equilibrium_is_a_fixed_point_that_depends_on_the_forcing() -> None:
    model = made(ImplicitFNO)
    assert isinstance(model, ImplicitFNO)
    with torch.no_grad():
        solution = model.solve(forcings())
        h, q = solution.value, model.encoder(forcings())
        again = model.blocks(h, q)
    assert solution.converged.all()
    assert (again - h).norm() <= 2e-4 * h.norm()
    assert (model.blocks(1.1 * h, q) - 1.1 * h).norm() > 1e-2 * h.norm()
    assert (model(forcings()) - model(forcings().flip(0))).norm() > 1e-3


def test_gradients_are_those_of_the_unrolled_iteration() -> None:
    """The implicit gradient against 60 Picard steps, differentiated one by one."""
    model, forcing = made(ImplicitFNO).double(), forcings().double()
    assert isinstance(model, ImplicitFNO)
    model.tol, model.solver, model.max_iter = 1e-10, Picard(), 200
    wanted = model(forcing).square().sum()
    slopes = torch.autograd.grad(wanted, list(model.parameters()))
    h = q = model.encoder(forcing)
    for _ in range(60):
        h = model.blocks(h, q)
    unrolled = torch.autograd.grad(model.decoder(h).square().sum(), list(model.parameters()))
    for one, other in zip(slopes, unrolled, strict=True):
        assert (one - other).norm() <= 1e-4 * (other.norm() + 1e-8)


class Step(nn.Module):
    def __init__(self, model: ImplicitFNO) -> None:
        super().__init__()
        self.model = model

    def forward(self, h: Tensor, forcing: Tensor) -> tuple[Tensor, ...]:
        h = self.model.blocks(h, self.model.encoder(forcing))
        return h, self.model.decoder(h)


def test_the_page_runs_a_step(tmp_path: Path) -> None:
    import onnxruntime

    model = made(ImplicitFNO).requires_grad_(False)
    assert isinstance(model, ImplicitFNO)
    module, given = Step(model), (torch.randn(2, 6, SIDE, SIDE), forcings())
    name = Exports(tmp_path).add(
        module, lambda *all_of_it: module(*all_of_it), given, ["h", "g"], ["next", "w"], "step"
    )
    session = onnxruntime.InferenceSession(tmp_path / name)
    found = session.run(None, {"h": given[0].numpy(), "g": given[1].numpy()})
    for here, there in zip(module(*given), found, strict=True):
        torch.testing.assert_close(torch.from_numpy(there), here, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", MODELS)
def test_no_number_is_left_on_another_device(kind: type[ExplicitFNO | ImplicitFNO]) -> None:
    """On a device that holds no numbers, where a stray CPU tensor raises."""
    model, forcing = made(kind).to("meta"), torch.zeros(2, SIDE, SIDE, device="meta")
    out = model(forcing, 3) if isinstance(model, ImplicitFNO) else model(forcing)
    assert out.shape == (2, SIDE, SIDE) and out.device.type == "meta"
